"""The source `arrival`: what was first sold recently, and by turns with it cold-start products."""

from __future__ import annotations

import numpy as np

from mercato.features.inputs import Context
from mercato.index.live import LiveCatalog
from mercato.retrieval.evidence import Counts
from mercato.retrieval.fusion import RankedList, rank_in_order
from mercato.retrieval.sources.base import CANDIDATES, Source, SourceRequest, at_home
from mercato.retrieval.sources.trending import MOMENTUM
from mercato.signals.momentum import ARRIVAL_DAYS, MIN_ARRIVAL_BUYERS, RECENT_DAYS


class ArrivalSource(Source):
    """Ranks what is new; where it is not wanted, cold-start products get no slots either."""

    label = "arrival"
    asks = (
        "by turns what was first sold in the last 28 days, to at least three shoppers, and "
        "[cold-start products](#new-products)"
    )
    learned_from = "the last 28 days; live updates and `available_time`"
    weights = at_home(0.1)
    turn = 9
    signals = (MOMENTUM,)
    phrases = {
        "alone": "new in the shop",
        "since": "new in the shop since {since}",
        "counted": "first sold {when}: to {buyers} shoppers",
    }
    speaks_of = frozenset({"age"})

    def find(self, asked: SourceRequest) -> RankedList | None:
        """Rank by turns what was first sold recently, most buyers first, and cold-start products in their order."""
        catalog, allowed = asked.catalog, asked.context.allowed
        weight, cold_start = asked.weights[self.label], asked.cold_start
        first_sold = asked.context.learned.get(MOMENTUM).rank_arrivals(CANDIDATES)[0]
        first_sold = catalog.move_rows(first_sold)
        first_sold = first_sold[allowed.holds(first_sold)]
        if not len(cold_start):
            return rank_in_order(first_sold, weight)
        others = cold_start[~np.isin(cold_start, first_sold)][:CANDIDATES]
        turn = np.concatenate([np.arange(len(first_sold)) * 2, np.arange(len(others)) * 2 + 1])
        rows = np.concatenate([first_sold, others])[np.argsort(turn, kind="stable")][:CANDIDATES]
        return rank_in_order(rows.astype(np.int32), weight)

    def count_shoppers(self, catalog: LiveCatalog, row: int, context: Context) -> Counts | None:
        """Count the shoppers of the four weeks in which the product was sold first; None for a cold-start product."""
        del context
        learned = catalog.snapshot.learned
        momentum = learned.get(MOMENTUM)
        month = int(momentum.recent_buyers[row])
        if month < MIN_ARRIVAL_BUYERS or momentum.age_days[row] > ARRIVAL_DAYS:
            return None
        return Counts(buyers=month, days=int(RECENT_DAYS), until=learned.until, month_buyers=month)


ARRIVAL = ArrivalSource()
