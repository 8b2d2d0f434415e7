"""The source `regional`: what sells best where the request comes from."""

from __future__ import annotations

import numpy as np

from mercato.features.inputs import Context
from mercato.index.learned import LearningInput, Signal
from mercato.index.live import LiveCatalog
from mercato.retrieval.evidence import Counts
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.sources.base import CANDIDATES, Source, SourceRequest, at_home
from mercato.signals.momentum import FRESH_DAYS, RECENT_DAYS
from mercato.signals.regional import MIN_BUYERS, Regional, compute_regional

STRANGER_FACTOR = 2.0
"""How much more the region weighs where nothing else is known of a shopper (docs/recommendation.md, "Regions")."""


def _learn(data: LearningInput) -> Regional:
    if not data.regions:
        return Regional.empty()
    return compute_regional(data.bought, data.regions, data.product_count, until=data.until)


REGIONAL_SALES = Signal(name="regional", kind=Regional, learn=_learn)


class RegionalSource(Source):
    """Ranks what sells in a region; to strangers their region goes before the whole shop."""

    label = "regional"
    asks = (
        "what sells most in the region that `CONTEXT.region` names, at least to three of its shoppers; for strangers "
        "it goes before `popular`"
    )
    learned_from = "the last 28 days of events whose context says a region"
    weights = at_home(0.3)
    turn = 8
    signals = (REGIONAL_SALES,)
    phrases = {
        "alone": "popular in your region",
        "counted": "popular in {region} {when}: {buyers} bought it",
    }
    speaks_of = frozenset({"popularity"})

    def find(self, asked: SourceRequest) -> RankedList | None:
        """Rank the allowed products that sell best in the region of a request.

        Where the context names no region, or one of which too little is known, nothing is found. Without a history
        the list weighs :data:`STRANGER_FACTOR` times as much. Scores are those of
        :class:`mercato.signals.regional.Regional`.
        """
        catalog, context = asked.catalog, asked.context
        region = context.request.context.region
        if not region:
            return None
        rows, scores = catalog.snapshot.learned.get(REGIONAL_SALES).rank(region)
        now = catalog.current_row[rows]
        best = np.flatnonzero(context.allowed.holds(now))[:CANDIDATES]
        factor = 1.0 if len(context.history) else STRANGER_FACTOR
        return RankedList(rows=now[best], scores=scores[best], weight=factor * asked.weights[self.label])

    def count_shoppers(self, catalog: LiveCatalog, row: int, context: Context) -> Counts | None:
        """Count the region's shoppers: of the week, or where these are too few to speak of, of four weeks."""
        learned = catalog.snapshot.learned
        week, month = learned.get(REGIONAL_SALES).count_buyers(context.region, row)
        if not month:
            return None
        in_week = week >= MIN_BUYERS
        return Counts(
            buyers=week if in_week else month,
            days=int(FRESH_DAYS if in_week else RECENT_DAYS),
            until=learned.until,
            region=context.region.strip(),
            month_buyers=month,
        )


REGIONAL = RegionalSource()
