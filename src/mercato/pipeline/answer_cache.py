"""Answers that are given again: searches of nobody in particular, for as long as nothing that they show has changed.

What many ask within seconds is answered once. An answer is of the products as they are: whoever writes a change makes
all earlier ones unknown, before the write is acknowledged to be seen. What is learned from events moves slowly, so that
an answer may be as old as `AnswerCache` is told. Each time it has a token of its own, by which clicks are told apart.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from mercato.arrays import Float32
from mercato.index.live import LiveCatalog
from mercato.pipeline.answer import Answer, make_token

OVERHEAD_BYTES = 1_000
"""What an entry takes besides its details: ids, scores, the request."""
_TOKEN = b'"token":"'
_TIMINGS = b'"timings":'


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """An answer, cut where each giving of it differs.

    Attributes:
        product_ids: of the answer.
        scores: of the answer.
        parts: its details before the token, between token and timings, and behind these.
        changes: how many changes of products were known.
        until: when it is too old, by the clock.
    """

    product_ids: list[str]
    scores: Float32
    parts: tuple[bytes, bytes, bytes]
    changes: int
    until: float

    @property
    def size(self) -> int:
        """Bytes, about."""
        return OVERHEAD_BYTES + sum(map(len, self.parts))


class AnswerCache:
    """Keeps the answers of one process."""

    def __init__(
        self, catalog: LiveCatalog, *, most_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep nothing yet.

        Args:
            catalog: the products that answers show, brought up to date before it is asked.
            most_bytes: of all answers together; what was not asked for longest goes first.
            seconds: how old an answer may become.
            clock: tells the time.
        """
        self._catalog, self._most_bytes, self._seconds, self._clock = catalog, most_bytes, seconds, clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._bytes = 0

    def find(self, key: bytes) -> Answer | None:
        """Return an answer again, with a token of its own; None where there is none that is still true.

        Args:
            key: of the request; empty for one that is not answered twice.
        """
        started = time.perf_counter_ns()
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.changes != len(self._catalog.delta) or self._clock() >= entry.until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        before, between, behind = entry.parts
        taken = max((time.perf_counter_ns() - started) // 1000, 1)
        timings = orjson.dumps({"cache_us": taken, "total_us": taken})
        details = b"".join((before, make_token().encode(), between, timings, behind))
        return Answer(product_ids=entry.product_ids, scores=entry.scores, details=details)

    def keep(self, key: bytes, answer: Answer, changes: int) -> None:
        """Keep an answer.

        Args:
            key: of the request.
            answer: the answer, whole: nothing was left out of it for a failure.
            changes: how many changes of products were known before it was begun.
        """
        parts = _cut(answer.details)
        if parts is None or changes != len(self._catalog.delta):  # something changed on the way
            return
        self._drop(key)
        until = self._clock() + self._seconds
        entry = _Entry(product_ids=answer.product_ids, scores=answer.scores, parts=parts, changes=changes, until=until)
        self._entries[key] = entry
        self._bytes += entry.size + len(key)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size + len(key)


def _cut(details: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Cut details around the token and around the timings, which stand in this order before anything of products."""
    token = details.find(_TOKEN) + len(_TOKEN)
    token_end = details.find(b'"', token)
    timings = details.find(_TIMINGS, token_end) + len(_TIMINGS)
    timings_end = details.find(b"}", timings) + 1
    if not len(_TOKEN) <= token < token_end < timings < timings_end:
        return None
    return details[:token], details[token_end:timings], details[timings_end:]
