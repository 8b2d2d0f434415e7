"""Sources that go by what is bought with the products that a request starts from: the ground they share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mercato.arrays import Float64, Int32
from mercato.index.learned import LearningInput, Signal
from mercato.index.live import LiveCatalog
from mercato.requests.trace import Evidence
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.evidence import Counts, name_by_neighbours
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.sources.base import CANDIDATES, Source, SourceRequest
from mercato.signals.ease import EaseOptions, compute_eases
from mercato.signals.history import TYPE_WEIGHTS
from mercato.signals.neighbours import Nearness, Neighbours


@dataclass(frozen=True, kw_only=True)
class PairCounts:
    """Who bought both products of a pair of neighbours.

    Attributes:
        counts: int32 [pairs], shoppers or orders, in the order of the neighbours; empty where nobody counted.
    """

    counts: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))


class NeighbourSource(Source):
    """Ranks what a learned matrix holds near the seeds, else near the history.

    Attributes:
        neighbours: the matrix.
        pairs: who bought both products of each of its pairs; None where nobody counts.
        whole: it starts from the whole history, not from the last products alone.
        counts_orders: what is counted for explanations is orders, not shoppers.
    """

    neighbours: Signal[Neighbours]
    pairs: Signal[PairCounts] | None = None
    whole = True
    counts_orders = False
    speaks_of = frozenset({"bought together", "bought by the same shoppers"})

    def sum_up(self, context: RetrievalContext) -> Nearness:
        """Return how near products are to where the request starts from, added up once for each request."""
        return context.near.sum_up(self.neighbours, whole=self.whole)

    def find(self, asked: SourceRequest) -> RankedList | None:
        """Rank the products nearest to those that the request starts from, which are left out themselves."""
        rows, scores = self.sum_up(asked.context).find(CANDIDATES)
        return RankedList(rows=rows, scores=scores, weight=asked.weights[self.label])

    def find_evidence(self, asked: SourceRequest, rows: Int32) -> Evidence | None:
        """Find the seed, or the product of the history, that speaks for each product most.

        Of a product of the history the event is named that gave it its weight.
        """
        context = asked.context
        start = context.near.known if self.whole else context.near.starts
        neighbours = context.learned.get(self.neighbours)
        return name_by_neighbours(asked.catalog, context, rows, neighbours, start, self._weigh_events(context))

    def _weigh_events(self, context: RetrievalContext) -> Float64:
        """Return how much each event counts where one is to be named: the newest of the most weighted ones first."""
        weights: Float64 = TYPE_WEIGHTS[context.history.type].astype(np.float64)
        return weights

    def count_together(self, catalog: LiveCatalog, start: int, row: int) -> Counts | None:
        """Count the shoppers, or orders, that have both products."""
        learned = catalog.snapshot.learned
        if self.pairs is None:
            return None
        count = find_count(learned.get(self.neighbours), learned.get(self.pairs).counts, start, row)
        if not count:
            return None
        return Counts(buyers=count, days=self.count_days(catalog), until=learned.until, orders=self.counts_orders)

    def count_days(self, catalog: LiveCatalog) -> int:
        """Return the days before the moment of learning that are counted; 0 for all."""
        del catalog
        return 0


def find_count(neighbours: Neighbours, counts: Int32, row: int, neighbour: int) -> int:
    """Return the count of a product and one of its neighbours; 0 where they are none or nobody counted.

    Args:
        neighbours: the matrix.
        counts: int32 [pairs], in its order; empty where nobody counted.
        row: the product.
        neighbour: the other one.
    """
    if not len(counts) or not 0 <= row < len(neighbours.indptr) - 1:
        return 0
    start, stop = int(neighbours.indptr[row]), int(neighbours.indptr[row + 1])
    found = np.flatnonzero(neighbours.neighbours[start:stop] == neighbour)
    return int(counts[start + int(found[0])]) if len(found) else 0


def learn_eases(data: LearningInput) -> list[Neighbours]:
    """Learn EASE of all purchases and of the recent ones: both from one inverse, which is what takes time."""
    options = EaseOptions(regularization=data.settings.regularization)
    windows = (None, data.settings.lately_days)
    return compute_eases(data.bought, data.product_count, until=data.until, windows=windows, options=options)
