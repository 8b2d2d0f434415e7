"""`retriever` as a Triton model: requests and query vectors in, candidates with features out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.pipeline.remote import retrieve_batch
from mercato.serving import adapter
from mercato.triton_models.retriever import RETRIEVER


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open catalogue and state."""
        self._retriever = adapter.open_model(pb_utils, args, RETRIEVER)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Find the candidates of a batch in one call."""
        return adapter.serve_arrays(
            pb_utils,
            requests,
            RETRIEVER.input_names,
            lambda *arrays: retrieve_batch(self._retriever, *arrays),
            optional=RETRIEVER.optional_inputs,
        )
