"""`retriever` as a Triton model: requests and query vectors in, candidates with features out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.pipeline.factory import open_retriever
from mercato.pipeline.remote import retrieve_batch
from mercato.serving import adapter
from mercato.settings import read_settings


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open catalogue and state."""
        adapter.configure_logging(pb_utils)
        self._retriever = open_retriever(read_settings())

    def execute(self, requests: list[Any]) -> list[Any]:
        """Find the candidates of a batch in one call."""
        names = ("REQUEST", "QUERY_VECTOR")
        return adapter.serve_arrays(
            pb_utils,
            requests,
            names,
            lambda *arrays: retrieve_batch(self._retriever, *arrays),
            optional=("QUERY_VECTOR",),
        )
