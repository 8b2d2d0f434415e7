"""`suggest` as a Triton model: what a shopper has typed in, whole queries out."""

from typing import Any

import triton_python_backend_utils as pb_utils

from mercato.pipeline.factory import open_suggester
from mercato.query.suggest.request import SUGGEST_FIELDS, parse_suggest
from mercato.serving import adapter
from mercato.settings import read_settings


class TritonPythonModel:
    """Triton's interface."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the catalogue's suggestions and the state store."""
        adapter.configure_logging(pb_utils)
        self._suggester = open_suggester(read_settings())

    def execute(self, requests: list[Any]) -> list[Any]:
        """Complete the prefixes of a batch."""
        return adapter.serve(
            pb_utils,
            requests,
            lambda request: parse_suggest(adapter.read_fields(pb_utils, request, SUGGEST_FIELDS)),
            self._suggester.suggest,
            lambda answer: adapter.write_suggestions(pb_utils, answer),
        )
