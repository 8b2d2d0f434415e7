"""`encoder` as a Triton model on PyTorch: tokens in, unit vectors out. The ``torch`` profile alone loads this."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.serving import adapter
from mercato.settings import read_settings
from mercato.torch_profile import TorchEncoder
from mercato.triton_models.encoder import ENCODER


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the encoder, warm."""
        adapter.configure_logging(pb_utils)
        self._encoder = TorchEncoder(read_settings().encoder)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Encode the texts of a batch in one call of the network."""
        return adapter.serve_arrays(
            pb_utils,
            requests,
            ENCODER.input_names,
            lambda ids, mask: {"embedding": self._encoder.embed_tokens(ids, mask)},
        )
