"""`sequence` as a Triton model on CPU: codes of the last products in, the state that scores the next one out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.models.sequence.onnx_sequence import INPUT_NAME, OUTPUT_NAME
from mercato.pipeline.factory import open_sequence
from mercato.serving import adapter
from mercato.settings import read_settings


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the sequence model."""
        adapter.configure_logging(pb_utils)
        self._sequence = open_sequence(read_settings())

    def execute(self, requests: list[Any]) -> list[Any]:
        """Encode the histories of a batch in one call."""
        return adapter.serve_arrays(
            pb_utils, requests, (INPUT_NAME,), lambda codes: {OUTPUT_NAME: self._sequence.encode(codes)}
        )
