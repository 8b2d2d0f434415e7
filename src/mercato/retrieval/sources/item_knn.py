"""The source `item_knn`: what the same shoppers buy, as the cosine of two products' buyers.

It knows every product that a few people bought, where EASE knows those with the most buyers alone, and takes next to
no time to learn. It weighs nothing until the shop's log says that it should (`mercato.indexing.tune_sources`).
"""

from __future__ import annotations

from dataclasses import replace

from mercato.index.learned import LearningInput, Signal
from mercato.requests.retrieval import Kind
from mercato.retrieval.sources.base import at_home
from mercato.retrieval.sources.neighbours import NeighbourSource
from mercato.signals.cooccurrence import compute_together
from mercato.signals.neighbours import Neighbours

NEIGHBOURS = 100


def _learn(data: LearningInput) -> Neighbours:
    """Learn what is bought together in a lifetime: a shopper is one order."""
    bought = replace(data.bought, order=data.bought.actor)
    return compute_together(
        bought, data.product_count, until=data.until, neighbours=NEIGHBOURS, shrinkage=data.settings.shrinkage
    ).neighbours


SAME_BUYERS = Signal(name="item_knn", kind=Neighbours, learn=_learn, missing=Neighbours.empty)


class ItemKnnSource(NeighbourSource):
    """Ranks by whole histories, pair by pair."""

    label = "item_knn"
    asks = "what is bought by the same shoppers, pair by pair (ItemKNN); weighs only where the shop's log says so"
    learned_from = "all histories, at index time"
    weights = at_home(0.0)
    kinds = frozenset({Kind.COMPLEMENTARY})
    turn = 4
    neighbours = SAME_BUYERS
    signals = (SAME_BUYERS,)
    phrases = {
        "": "bought by shoppers of {title}, which you {deed} on {date}",
        "seed": "bought by shoppers of {title}",
        "alone": "bought by shoppers of what you chose",
    }


ITEM_KNN = ItemKnnSource()
