"""The source `lately`: what those who bought what the shopper bought, bought of late: 35 days, or what the log says.

It follows seasons and finds new products, which `also_bought` misses.
"""

from __future__ import annotations

from mercato.index.learned import LearningInput, Signal
from mercato.index.live import LiveCatalog
from mercato.requests.retrieval import Kind
from mercato.retrieval.sources.base import at_home
from mercato.retrieval.sources.neighbours import NeighbourSource, PairCounts, learn_eases
from mercato.signals.neighbours import Neighbours
from mercato.signals.together import count_shoppers_together


def _learn(data: LearningInput) -> Neighbours:
    return data.once(learn_eases)[1]


def _count(data: LearningInput) -> PairCounts:
    if not data.has_purchases:
        return PairCounts()
    neighbours = data.learn(RECENT_EASE)
    days = data.settings.lately_days
    return PairCounts(counts=count_shoppers_together(data.purchases, neighbours, until=data.until, days=days))


RECENT_EASE = Signal(name="lately", kind=Neighbours, learn=_learn)
RECENT_SHOPPERS = Signal(
    name="together", kind=PairCounts, learn=_count, missing=PairCounts, stored_as={"counts": "lately"}
)


class RecentSource(NeighbourSource):
    """Ranks by whole histories, of which the recent purchases alone are explained."""

    label = "lately"
    asks = "as `also_bought`, of late alone (35 days, or what the log says): it follows seasons and finds new products"
    learned_from = "all histories, at index time"
    weights = at_home(3.0)
    kinds = frozenset({Kind.COMPLEMENTARY})
    turn = 4
    neighbours = RECENT_EASE
    signals = (RECENT_EASE,)
    pairs = RECENT_SHOPPERS
    counts = (RECENT_SHOPPERS,)
    phrases = {
        "": "goes with {title} of late, which you {deed} on {date}",
        "counted": "bought {when} by {buyers} who bought {title}, which you {deed} on {date}",
        "seed": "goes with {title} of late",
        "seed counted": "bought {when} by {buyers} who bought {title}",
        "alone": "goes with what you chose, of late",
    }

    def count_days(self, catalog: LiveCatalog) -> int:
        """Return the days that were learned from."""
        return int(catalog.snapshot.tuning.settings.lately_days)


RECENT = RecentSource()
