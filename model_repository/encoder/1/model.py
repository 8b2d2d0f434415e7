"""`encoder` as a Triton model on CPU: tokens in, unit vectors out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.pipeline.factory import open_encoder
from mercato.serving import adapter
from mercato.settings import read_settings


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the encoder."""
        adapter.configure_logging(pb_utils)
        self._encoder = open_encoder(read_settings())

    def execute(self, requests: list[Any]) -> list[Any]:
        """Encode the texts of a batch in one call of the network."""
        names = ("input_ids", "attention_mask")
        return adapter.serve_arrays(
            pb_utils, requests, names, lambda ids, mask: {"embedding": self._encoder.embed_tokens(ids, mask)}
        )
