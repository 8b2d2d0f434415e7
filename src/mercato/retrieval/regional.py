"""The source `regional`: what sells best where the request comes from."""

from __future__ import annotations

import numpy as np

from mercato.index.live import LiveCatalog
from mercato.retrieval.case import Case
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.sources import CANDIDATES

STRANGER_FACTOR = 2.0
"""How much more the region weighs where nothing else is known of a shopper (docs/recommendation.md, "Regions")."""


def rank_region_favourites(catalog: LiveCatalog, case: Case, weight: float) -> RankedList:
    """Rank the allowed products that sell best in the region of a request.

    Args:
        catalog: the products.
        case: a recommendation; where its context names no region, or one of which too little is known, nothing is
            found.
        weight: of the list in the fusion; without a history it counts :data:`STRANGER_FACTOR` times.

    Returns:
        Rows as they are now, scores as of :class:`mercato.signals.regional.Regional`.
    """
    rows, scores = catalog.snapshot.behaviour.regional.rank(case.request.context.region)
    now = catalog.current_row[rows]
    best = np.flatnonzero(case.allowed.holds(now))[:CANDIDATES]
    factor = 1.0 if len(case.history) else STRANGER_FACTOR
    return RankedList(rows=now[best], scores=scores[best], weight=factor * weight)
