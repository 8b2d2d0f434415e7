"""`shard` as a Triton model: a router's messages in, what the shard found of its own products out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.serving import adapter
from mercato.triton_models.shard import SHARD


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the shard."""
        self._shard = adapter.open_model(pb_utils, args, SHARD)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the messages of a batch."""
        return adapter.serve(
            pb_utils,
            requests,
            lambda request: adapter.read_document(pb_utils, request, "MESSAGE"),
            self._shard.answer,
            lambda reply: [adapter.write_strings(pb_utils, "REPLY", [reply])],
        )
