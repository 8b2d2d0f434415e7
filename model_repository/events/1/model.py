"""`events` as a Triton model: user events in, what became of them out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.pipeline.factory import open_event_writer
from mercato.serving import adapter
from mercato.settings import read_settings


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the state store."""
        adapter.configure_logging(pb_utils)
        self._writer = open_event_writer(read_settings())

    def execute(self, requests: list[Any]) -> list[Any]:
        """Write the events of a batch in one transaction."""
        return adapter.serve(
            pb_utils,
            requests,
            lambda request: adapter.read_document(pb_utils, request, "EVENTS"),
            self._writer.write,
            lambda result: [adapter.write_strings(pb_utils, "RESULT", [result.document()])],
        )
