"""The source `also_bought`: what is bought by those who bought what the shopper bought (EASE)."""

from __future__ import annotations

from mercato.index.learned import LearningInput, Signal
from mercato.requests.retrieval import Kind, Placement
from mercato.retrieval.sources.base import at_home
from mercato.retrieval.sources.neighbours import NeighbourSource, PairCounts, learn_eases
from mercato.signals.neighbours import Neighbours
from mercato.signals.together import count_shoppers_together


def _learn(data: LearningInput) -> Neighbours:
    return data.once(learn_eases)[0]


def _count(data: LearningInput) -> PairCounts:
    if not data.has_purchases:
        return PairCounts()
    return PairCounts(counts=count_shoppers_together(data.purchases, data.learn(EASE), until=data.until))


EASE = Signal(name="ease", kind=Neighbours, learn=_learn)
SHOPPERS = Signal(name="together", kind=PairCounts, learn=_count, missing=PairCounts, stored_as={"counts": "shoppers"})


class AlsoBoughtSource(NeighbourSource):
    """Ranks by whole histories."""

    label = "also_bought"
    asks = "what is bought by those who bought what the shopper bought (EASE)"
    learned_from = "all histories, at index time"
    weights = {**at_home(1.0), Placement.PRODUCT_PAGE: 0.5, Placement.CART: 1.0}
    kinds = frozenset({Kind.COMPLEMENTARY})
    turn = 3
    neighbours = EASE
    signals = (EASE,)
    pairs = SHOPPERS
    counts = (SHOPPERS,)
    phrases = {
        "": "goes with {title}, which you {deed} on {date}",
        "counted": "bought by {buyers} who bought {title}, which you {deed} on {date}",
        "seed": "goes with {title}",
        "seed counted": "bought by {buyers} who bought {title}",
        "alone": "goes with what you chose",
    }


ALSO_BOUGHT = AlsoBoughtSource()
