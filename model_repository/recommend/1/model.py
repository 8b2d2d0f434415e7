"""`recommend` as a Triton model: requests in, the pipeline once for the batch, pages out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.pipeline.factory import build_pipeline
from mercato.requests.page import RECOMMEND_FIELDS, parse_recommend
from mercato.serving import adapter
from mercato.settings import read_settings


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open what is served; the configuration says where the stages live."""
        adapter.configure_logging(pb_utils)
        remote = adapter.read_parameter(args, "stages", "remote") == "remote"
        self._pipeline = build_pipeline(read_settings(), adapter.make_call(pb_utils) if remote else None)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer a batch."""
        return adapter.serve(
            pb_utils,
            requests,
            lambda request: parse_recommend(adapter.read_fields(pb_utils, request, RECOMMEND_FIELDS)),
            self._pipeline.answer,
            lambda answer: adapter.write_page(pb_utils, answer),
        )
