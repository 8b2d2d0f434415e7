"""`catalog` as a Triton model: product changes in, what became of them out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.pipeline.factory import open_catalog_writer
from mercato.serving import adapter
from mercato.settings import read_settings


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open catalogue, state store and encoder."""
        adapter.configure_logging(pb_utils)
        remote = adapter.read_parameter(args, "stages", "remote") == "remote"
        self._writer = open_catalog_writer(read_settings(), adapter.make_call(pb_utils) if remote else None)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Write the product changes of a batch in one transaction."""
        return adapter.serve(
            pb_utils,
            requests,
            lambda request: adapter.read_document(pb_utils, request, "OPERATIONS"),
            self._writer.write,
            lambda result: [adapter.write_strings(pb_utils, "RESULT", [result.document()])],
        )
