"""The source `lately`: what those who bought what the shopper bought, bought in the last 35 days.

It follows seasons and finds new products, which `also_bought` misses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mercato.index.learned import LearningInput, Signal
from mercato.requests.retrieval import Kind
from mercato.retrieval.sources.base import at_home
from mercato.retrieval.sources.neighbours import RECENT_DAYS, NeighbourSource, learn_eases
from mercato.signals.neighbours import Neighbours
from mercato.signals.together import count_shoppers_together


@dataclass(frozen=True, kw_only=True)
class RecentCounts:
    """Shoppers of two products, of the recent purchases.

    Attributes:
        lately: int32 [pairs of the second EASE], shoppers who bought the one and recently the other; empty where nobody
            counted.
    """

    lately: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))


def _learn(data: LearningInput) -> Neighbours:
    return data.once(learn_eases)[1]


def _count(data: LearningInput) -> RecentCounts:
    if not data.has_purchases:
        return RecentCounts()
    neighbours = data.learn(RECENT_EASE)
    return RecentCounts(lately=count_shoppers_together(data.purchases, neighbours, until=data.until, days=RECENT_DAYS))


RECENT_EASE = Signal(name="lately", kind=Neighbours, learn=_learn)
RECENT_SHOPPERS = Signal(name="together", kind=RecentCounts, learn=_count, missing=RecentCounts)


class RecentSource(NeighbourSource):
    """Ranks by whole histories, of which the recent purchases alone are explained."""

    label = "lately"
    asks = "the same, of what they bought in the last 35 days: it follows seasons and finds new products"
    learned_from = "as above"
    weights = at_home(3.0)
    kinds = frozenset({Kind.COMPLEMENTARY})
    turn = 4
    neighbours = RECENT_EASE
    counted_days = int(RECENT_DAYS)
    signals = (RECENT_EASE,)
    counts = (RECENT_SHOPPERS,)
    phrases = {
        "": "goes with {title} of late, which you {deed} on {date}",
        "counted": "bought {when} by {buyers} who bought {title}, which you {deed} on {date}",
        "seed": "goes with {title} of late",
        "seed counted": "bought {when} by {buyers} who bought {title}",
        "alone": "goes with what you chose, of late",
    }


RECENT = RecentSource()
