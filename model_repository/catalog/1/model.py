"""`catalog` as a Triton model: product changes in, what became of them out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.serving import adapter
from mercato.triton_models.writers import CATALOG


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open catalogue, state store and encoder."""
        self._writer = adapter.open_model(pb_utils, args, CATALOG)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Write the product changes of a batch in one transaction."""
        return adapter.serve(
            pb_utils,
            requests,
            lambda request: adapter.read_document(pb_utils, request, "OPERATIONS"),
            self._writer.write,
            lambda result: [adapter.write_strings(pb_utils, "RESULT", [result.document()])],
        )
