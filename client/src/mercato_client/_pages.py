"""The lists that a client is paging through: each answer's token, for the next page of the same list."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from mercato_client.types import ResultPage

KEPT_S = 1_800.0
"""How long the token of a page is kept: as a session of web analytics, half an hour."""
MOST_LISTS = 1_000
"""Lists whose tokens are kept, those of the last pages."""

_NOT_THE_LIST = ("PAGE_SIZE", "OFFSET", "CONTEXT", "OPTIONS")


class PageMemory:
    """Remembers the token of each list's last page. Safe to share between threads.

    A list is known by everything that is asked but for page size, offset and the moment: whoever asks for the next page
    of the same list goes on with it. What is asked from offset 0 on begins it anew.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Remember nothing yet.

        Args:
            clock: seconds that never go back.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def name_list(self, model: str, values: Mapping[str, object]) -> str:
        """Return what a list is known by.

        Args:
            model: name of the model that is asked.
            values: its inputs by name.
        """
        context, options = _without(values.get("CONTEXT"), "time"), _without(values.get("OPTIONS"), "page_token")
        rest = {name: value for name, value in values.items() if name not in _NOT_THE_LIST and value is not None}
        return json.dumps([model, rest, context, options], sort_keys=True, default=repr)

    def find_token(self, name: str) -> str | None:
        """Return the token of a list's last page; None where none is kept."""
        with self._lock:
            token, until = self._tokens.get(name, ("", 0.0))
        return token if token and self._clock() < until else None

    def keep_token(self, name: str, page: ResultPage) -> ResultPage:
        """Keep the token of a page; returns the page."""
        if page.page_token:
            with self._lock:
                self._tokens[name] = page.page_token, self._clock() + KEPT_S
                self._tokens.move_to_end(name)
                while len(self._tokens) > MOST_LISTS:
                    self._tokens.popitem(last=False)
        return page


def _without(value: object, name: str) -> object:
    if not isinstance(value, Mapping):
        return value
    return {key: one for key, one in value.items() if key != name} or None
