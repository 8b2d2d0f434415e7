"""`ranker` as a Triton model on PyTorch: query, history, candidates and features in, scores out.

The ``torch`` profile alone loads this.
"""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.serving import adapter
from mercato.settings import read_settings
from mercato.torch_profile import TorchRanker
from mercato.torch_profile.stages import require_folder
from mercato.triton_models.ranker import RANKER


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the ranker, warm."""
        adapter.configure_logging(pb_utils)
        self._ranker = TorchRanker(require_folder(read_settings().ranker, "ranker"))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Score the candidates of a batch in one call of the network."""
        return adapter.serve_arrays(
            pb_utils, requests, RANKER.input_names, lambda *arrays: {"score": self._ranker.score(*arrays)}
        )
