"""The source `trending`: what sold more in the last week than in the three before it lets expect."""

from __future__ import annotations

from mercato.features.inputs import Context
from mercato.index.learned import Learned, LearningInput, Signal
from mercato.index.live import LiveCatalog
from mercato.retrieval.evidence import Counts
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.sources.base import CANDIDATES, Source, SourceRequest, at_home
from mercato.signals.going_on import LastSales, Since, find_last_sales, go_on_momentum
from mercato.signals.momentum import FRESH_DAYS, Momentum, compute_momentum


def _learn(data: LearningInput) -> Momentum:
    return compute_momentum(data.bought, data.product_count, until=data.until)


def _find_last_sales(data: LearningInput) -> LastSales:
    return find_last_sales(data.bought, data.product_count, until=data.until)


def _go_on(learned: Momentum, others: Learned, since: Since) -> Momentum:
    return go_on_momentum(learned, others.get(LAST_SALES), since)


LAST_SALES = Signal(name="last_sales", kind=LastSales, learn=_find_last_sales, missing=LastSales.empty)
MOMENTUM = Signal(name="momentum", kind=Momentum, learn=_learn, go_on=_go_on, needs=(LAST_SALES,))
"""How products sell at the moment of learning; the ranker and `arrival` read it too."""


class TrendingSource(Source):
    """Ranks by how much more than usual a product sells."""

    label = "trending"
    asks = "what sold more in the last week than in the three before it lets expect"
    learned_from = "the last 28 days"
    weights = at_home(0.2)
    turn = 6
    signals = (MOMENTUM, LAST_SALES)
    phrases = {
        "alone": "wanted more than usual of late",
        "counted": "bought more than usual {when}: by {buyers} shoppers, by {month} in four weeks",
    }
    speaks_of = frozenset({"trend"})

    def find(self, asked: SourceRequest) -> RankedList | None:
        """Rank what is trending in the whole shop."""
        rows, scores = asked.context.learned.get(MOMENTUM).rank_trending(CANDIDATES)
        return RankedList(rows=rows, scores=scores, weight=asked.weights[self.label])

    def count_shoppers(self, catalog: LiveCatalog, row: int, context: Context) -> Counts | None:
        """Count the shoppers of the week, beside those of four weeks; None for what came to be wanted since then."""
        del context
        learned = catalog.snapshot.learned
        momentum = learned.get(MOMENTUM)
        if row not in momentum.rank_trending(len(momentum.fresh_buyers))[0]:
            return None
        week, month = int(momentum.fresh_buyers[row]), int(momentum.recent_buyers[row])
        return Counts(buyers=week, days=int(FRESH_DAYS), until=learned.until, month_buyers=month)


TRENDING = TrendingSource()
