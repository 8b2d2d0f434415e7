"""What shoppers searched for, as suggestions: people are counted, lately more than long ago, and no robot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mercato.errors import MercatoError
from mercato.query.suggest.collect import MIN_SHOPPERS, Entry, collect_queries
from mercato.query.suggest.request import fold_phrase
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.past_queries import QUERIES_A_DAY
from mercato.signals.query_use import HALF_LIFE_DAYS
from mercato.state.values import SearchQuery

NO_DAY = -1
"""Day of searches of which only the order is known: they count as one day, and half."""


@dataclass
class Searched:
    """The searches that were read.

    Attributes:
        newest: time of the newest search, seconds since 1970.
        sequence: number of the last event that was read.
    """

    newest: float = -math.inf
    sequence: int = 0
    _shoppers: dict[str, dict[str, float]] = field(default_factory=dict, repr=False)
    _of_day: dict[tuple[str, int], int] = field(default_factory=dict, repr=False)

    def read(self, queries: Iterable[SearchQuery]) -> None:
        """Add searches; of a shopper's of one UTC day the first `QUERIES_A_DAY` distinct ones count."""
        for query in queries:
            self.sequence = max(self.sequence, query.sequence)
            try:
                folded = fold_phrase(query.text)
            except MercatoError:
                continue
            if folded:
                self._add(folded, query.shopper, query.time)

    def _add(self, folded: str, shopper: str, time: float) -> None:
        if shopper not in self._shoppers.get(folded, {}):
            day = (shopper, math.floor(time / SECONDS_PER_DAY) if time >= 0 else NO_DAY)
            self._of_day[day] = self._of_day.get(day, 0) + 1
            if self._of_day[day] > QUERIES_A_DAY:
                return
        known = self._shoppers.setdefault(folded, {})
        known[shopper] = max(known.get(shopper, -math.inf), time)
        self.newest = max(self.newest, time)

    def list_entries(self, finds: Callable[[str], bool] | None = None) -> list[Entry]:
        """List what they suggest: weighed by people, each counting half for every `HALF_LIFE_DAYS` before the newest.

        Args:
            finds: whether a query finds anything; None suggests all.
        """
        shoppers = {text: len(known) for text, known in self._shoppers.items() if len(known) >= MIN_SHOPPERS}
        if finds is not None:
            shoppers = {text: count for text, count in shoppers.items() if finds(text)}
        faded = {text: sum(map(self._fade, self._shoppers[text].values())) for text in shoppers}
        return collect_queries(shoppers, faded)

    def _fade(self, time: float) -> float:
        if time < 0:
            return 0.5
        return float(0.5 ** ((self.newest - time) / SECONDS_PER_DAY / HALF_LIFE_DAYS))
