"""`reranker` as a Triton model on PyTorch: tokens in, scores out. The ``torch`` profile alone loads this."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.serving import adapter
from mercato.settings import read_settings
from mercato.torch_profile import TorchReranker
from mercato.torch_profile.stages import require_folder
from mercato.triton_models.reranker import RERANKER


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the reranker, warm."""
        adapter.configure_logging(pb_utils)
        self._reranker = TorchReranker(require_folder(read_settings().reranker, "reranker"))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Score the pairs of a batch in one call of the network."""
        return adapter.serve_arrays(
            pb_utils, requests, RERANKER.input_names, lambda *tokens: {"score": self._reranker.score_tokens(*tokens)}
        )
