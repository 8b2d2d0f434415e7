"""`ranker` as a Triton model on CPU: query, history, candidates and features in, scores out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.serving import adapter
from mercato.triton_models.ranker import RANKER


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the ranker."""
        self._ranker = adapter.open_model(pb_utils, args, RANKER)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Score the candidates of a batch in one call of the network."""
        return adapter.serve_arrays(
            pb_utils, requests, RANKER.input_names, lambda *arrays: {"score": self._ranker.score(*arrays)}
        )
