"""The source `cooccurrence`: what is bought in one order with the last products, or with the seeds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mercato.index.learned import Learned, LearningInput, Signal
from mercato.requests.retrieval import Kind, Placement
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.sources.base import at_home
from mercato.retrieval.sources.neighbours import NeighbourSource, PairCounts
from mercato.signals.cooccurrence import Together, compute_together
from mercato.signals.going_on import PeopleTogether, Since, go_on_together
from mercato.signals.history import TYPE_WEIGHTS
from mercato.signals.neighbours import Neighbours
from mercato.signals.together import count_orders_together


def learn_together(data: LearningInput) -> Together:
    """Learn what is bought together, once."""
    return compute_together(data.bought, data.product_count, until=data.until, shrinkage=data.settings.shrinkage)


def _learn(data: LearningInput) -> Neighbours:
    return data.once(learn_together).neighbours


def _count_people(data: LearningInput) -> PeopleTogether:
    together = data.once(learn_together)
    return PeopleTogether(buyers=together.buyers, together=together.people)


def _go_on(learned: Neighbours, others: Learned, since: Since) -> Neighbours:
    return go_on_together(learned, others.get(PEOPLE), since)


def _count(data: LearningInput) -> PairCounts:
    if not data.has_purchases:
        return PairCounts()
    return PairCounts(counts=count_orders_together(data.purchases, data.learn(TOGETHER), until=data.until))


PEOPLE = Signal(name="people", kind=PeopleTogether, learn=_count_people, missing=PeopleTogether.empty)
TOGETHER = Signal(name="cooccurrence", kind=Neighbours, learn=_learn, go_on=_go_on, needs=(PEOPLE,))
ORDERS = Signal(name="together", kind=PairCounts, learn=_count, missing=PairCounts, stored_as={"counts": "orders"})


class CooccurrenceSource(NeighbourSource):
    """Ranks by orders."""

    label = "cooccurrence"
    asks = "what is bought in one order with the last products, or with the seeds"
    learned_from = "orders, at index time"
    weights = {**at_home(0.25), Placement.PRODUCT_PAGE: 1.0, Placement.CART: 2.0}
    kinds = frozenset({Kind.COMPLEMENTARY})
    turn = 2
    neighbours = TOGETHER
    whole = False
    counts_orders = True
    signals = (TOGETHER, PEOPLE)
    pairs = ORDERS
    counts = (ORDERS,)
    phrases = {
        "": "goes with {title}, which you {deed} on {date}",
        "counted": "often bought with {title}, which you {deed} on {date}: in {buyers} orders",
        "counted few": "bought with {title}, which you {deed} on {date}: in {buyers} orders",
        "seed": "goes with {title}",
        "seed counted": "often bought with {title}: in {buyers} orders",
        "seed counted few": "bought with {title}: in {buyers} orders",
        "alone": "goes with what you chose",
    }

    def _weigh_events(self, context: RetrievalContext) -> npt.NDArray[np.float64]:
        """Let the newest weighted event count most, as it does where products are found."""
        weighted = TYPE_WEIGHTS[context.history.type] > 0
        return np.where(weighted, 1.0 / np.arange(1, len(weighted) + 1), 0.0)


COOCCURRENCE = CooccurrenceSource()
