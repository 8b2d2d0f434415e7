"""`encoder` as a Triton model on CPU: tokens in, unit vectors out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.serving import adapter
from mercato.triton_models.encoder import ENCODER


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the encoder."""
        self._encoder = adapter.open_model(pb_utils, args, ENCODER)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Encode the texts of a batch in one call of the network."""
        return adapter.serve_arrays(
            pb_utils,
            requests,
            ENCODER.input_names,
            lambda ids, mask: {"embedding": self._encoder.embed_tokens(ids, mask)},
        )
