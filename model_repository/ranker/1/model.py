"""`ranker` as a Triton model on CPU: query, history, candidates and features in, scores out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.pipeline.factory import open_ranker
from mercato.serving import adapter
from mercato.settings import read_settings


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the ranker."""
        adapter.configure_logging(pb_utils)
        self._ranker = open_ranker(read_settings())

    def execute(self, requests: list[Any]) -> list[Any]:
        """Score the candidates of a batch in one call of the network."""
        names = ("query", "history", "candidates", "features")
        return adapter.serve_arrays(pb_utils, requests, names, lambda *arrays: {"score": self._ranker.score(*arrays)})
