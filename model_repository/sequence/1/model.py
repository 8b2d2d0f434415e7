"""`sequence` as a Triton model on CPU: codes of the last products in, the state that scores the next one out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.serving import adapter
from mercato.triton_models.sequence import SEQUENCE


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the sequence model."""
        self._sequence = adapter.open_model(pb_utils, args, SEQUENCE)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Encode the histories of a batch in one call."""
        return adapter.serve_arrays(
            pb_utils, requests, SEQUENCE.input_names, lambda codes: {"state": self._sequence.encode(codes)}
        )
