"""`profile` as a Triton model: a shopper in, what is known of the shopper out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.requests.profile import PROFILE_FIELDS, parse_profile
from mercato.serving import adapter
from mercato.triton_models.profile import PROFILE


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the catalogue and the state store."""
        self._profiler = adapter.open_model(pb_utils, args, PROFILE)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Write the profiles of a batch."""
        return adapter.serve(
            pb_utils,
            requests,
            lambda request: parse_profile(adapter.read_fields(pb_utils, request, PROFILE_FIELDS)),
            self._profiler.write,
            lambda document: [adapter.write_strings(pb_utils, "RESULT", [document])],
        )
