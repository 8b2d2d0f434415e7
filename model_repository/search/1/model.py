"""`search` as a Triton model: requests in, the pipeline once for the batch, pages out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.requests.page import SEARCH_FIELDS, parse_search
from mercato.serving import adapter
from mercato.serving.admission import Admission
from mercato.triton_models.pages import SEARCH


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open what is served; the configuration says where the stages live."""
        self._pipeline = adapter.open_model(pb_utils, args, SEARCH)
        self._admission = Admission()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer those of a batch that can be answered in time."""
        return adapter.serve(
            pb_utils,
            requests,
            lambda request: parse_search(adapter.read_fields(pb_utils, request, SEARCH_FIELDS)),
            lambda pages: self._pipeline.answer(pages, self._admission.watch(pages)),
            lambda answer: adapter.write_page(pb_utils, answer),
            self._admission,
        )
