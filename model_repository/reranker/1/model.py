"""`reranker` as a Triton model on CPU: tokens of query and product in, scores out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.serving import adapter
from mercato.triton_models.reranker import RERANKER


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the reranker."""
        self._reranker = adapter.open_model(pb_utils, args, RERANKER)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Score the pairs of a batch in one call."""
        return adapter.serve_arrays(
            pb_utils, requests, RERANKER.input_names, lambda *tokens: {"score": self._reranker.score_tokens(*tokens)}
        )
