"""`reranker` as a Triton model on CPU: tokens of query and product in, scores out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.models.reranker.onnx_reranker import INPUT_NAMES
from mercato.pipeline.factory import open_reranker
from mercato.serving import adapter
from mercato.settings import read_settings


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the reranker."""
        adapter.configure_logging(pb_utils)
        self._reranker = open_reranker(read_settings())

    def execute(self, requests: list[Any]) -> list[Any]:
        """Score the pairs of a batch in one call."""
        return adapter.serve_arrays(
            pb_utils, requests, INPUT_NAMES, lambda *tokens: {"score": self._reranker.score_tokens(*tokens)}
        )
