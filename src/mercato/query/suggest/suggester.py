"""Answering prefixes: from the catalogue's suggestions and the queries that shoppers sent since."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import orjson

from mercato.errors import MercatoError, StateError
from mercato.query.suggest.collect import KINDS, Entry
from mercato.query.suggest.index import SuggestionIndex, build_arrays
from mercato.query.suggest.live import LiveSuggestions
from mercato.query.suggest.request import SuggestRequest
from mercato.query.suggest.searched import Searched
from mercato.query.suggest.stored import SnapshotTexts
from mercato.query.suggest.typos import list_corrections
from mercato.state.store import StateStore

logger = logging.getLogger(__name__)

REFRESH_S = 30.0
"""How old the count of past queries may be."""

_MAX_CORRECTIONS = 8


@dataclass(frozen=True, kw_only=True)
class SuggestAnswer:
    """Suggestions for one prefix.

    Attributes:
        texts: whole queries, best first.
        scores: float32 [n], descending.
        details: JSON: ``kinds`` (one for each text), ``corrected`` (the prefixes that were answered in place of one
            that leads nowhere), ``degraded``.
    """

    texts: list[str]
    scores: npt.NDArray[np.float32]
    details: bytes


@dataclass
class _Queries:
    """What shoppers searched for, as far as it was read."""

    searched: Searched = field(default_factory=Searched)
    index: SuggestionIndex = field(default_factory=lambda: SuggestionIndex(build_arrays([])))
    read_at: float = float("-inf")
    broken: bool = False


class Suggester:
    """Completes prefixes."""

    def __init__(
        self,
        index: SuggestionIndex,
        state: StateStore | None,
        clock: Callable[[], float] = time.monotonic,
        *,
        snapshot: SnapshotTexts | None = None,
    ) -> None:
        """Make a suggester.

        Args:
            index: the catalogue's suggestions.
            state: where past queries and changes of products are read from; None for none.
            clock: seconds that only grow.
            snapshot: what the suggestions were made of; None leaves them as they are, whatever changes.
        """
        self._live = LiveSuggestions(index, snapshot, state, clock)
        self._changes = 0
        self._snapshot = snapshot
        self._state = state
        self._clock = clock
        self._queries = _Queries()
        self._most_wanted: dict[int, list[list[Entry]]] = {}
        self._products_broken = False

    def suggest(self, requests: Sequence[SuggestRequest | MercatoError]) -> list[SuggestAnswer | MercatoError]:
        """Answer a batch.

        Args:
            requests: checked requests, or the errors of those that failed the check, which are passed on.
        """
        self._refresh_products()
        self._refresh_queries()
        return [request if isinstance(request, MercatoError) else self._answer(request) for request in requests]

    def _answer(self, request: SuggestRequest) -> SuggestAnswer:
        corrected: list[str] = []
        found = self._find(request.prefix, request.limit)
        if not found and request.prefix:
            corrected = list_corrections(request.prefix, self._live.words, self._live.alphabet)[:_MAX_CORRECTIONS]
            found = _merge([self._find(prefix, request.limit) for prefix in corrected], request.limit)
        details = {
            "kinds": [KINDS[entry.kind] for entry in found],
            "corrected": corrected,
            "degraded": ["state"] if self._queries.broken or self._products_broken else [],
        }
        return SuggestAnswer(
            texts=[entry.text for entry in found],
            scores=np.array([entry.weight for entry in found], np.float32),
            details=orjson.dumps(details),
        )

    def _find(self, prefix: str, limit: int) -> list[Entry]:
        if prefix:
            fixed = self._live.find(prefix, limit)
        else:
            if limit not in self._most_wanted:
                self._most_wanted[limit] = [_merge(self._live.find("", limit), limit)]
            fixed = self._most_wanted[limit]
        return _merge([self._queries.index.find(prefix, limit), *fixed], limit)

    def _refresh_products(self) -> None:
        """Read the changes of products since the last time; a state that cannot be read leaves what is known."""
        try:
            self._live.refresh()
        except StateError:
            if not self._products_broken:
                logger.exception("state cannot be read; suggesting without new changes of products")
            self._products_broken = True
            return
        self._products_broken = False
        if self._changes != self._live.changes:
            self._changes = self._live.changes
            self._most_wanted.clear()

    def _refresh_queries(self) -> None:
        """Read the queries since the last time, now and then; a state that cannot be read leaves what is known."""
        now = self._clock()
        known = self._queries
        if self._state is None or now - known.read_at < REFRESH_S:
            return
        known.read_at = now
        try:
            fresh = self._state.search_queries(known.searched.sequence)
        except StateError:
            if not known.broken:
                logger.exception("state cannot be read; suggesting without new queries")
            known.broken = True
            return
        known.broken = False
        if fresh:
            known.searched.read(fresh)
            known.index = SuggestionIndex(build_arrays(known.searched.list_entries(self._finds)))

    def _finds(self, text: str) -> bool:
        """Whether the words of a query find products; of suggestions without a snapshot nobody knows."""
        return self._snapshot is None or self._snapshot.finds_words(text, self._live.words)


def _merge(lists: Sequence[Sequence[Entry]], limit: int) -> list[Entry]:
    """Join suggestions: of a text that several lists have the heaviest; the heaviest first, equal ones by text."""
    best: dict[str, Entry] = {}
    for entry in (entry for entries in lists for entry in entries):
        if entry.text not in best or entry.weight > best[entry.text].weight:
            best[entry.text] = entry
    return sorted(best.values(), key=lambda entry: (-entry.weight, entry.text))[:limit]
