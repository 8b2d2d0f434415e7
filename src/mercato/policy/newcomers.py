"""Places for newcomers: what nobody knows yet is never bought where it is never shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mercato.index.live import LiveCatalog
from mercato.policy.ranked import Ranked
from mercato.requests.retrieval import Placement, RetrievalRequest, Source
from mercato.retrieval.arrivals import list_newcomers

SEAT_EVERY = 10
"""One in so many places is a newcomer's, as long as there are any in the window."""
PLACEMENTS = (Placement.HOME_PAGE, Placement.CATEGORY)


def show_newcomers(catalog: LiveCatalog, request: RetrievalRequest, ranked: Ranked, size: int) -> Ranked:
    """Move the n-th best newcomer of the window up to place 10 n, unless it stands before that by itself.

    Args:
        catalog: the products.
        request: one that sorts, and one of another placement than home page and category, keeps its order.
        ranked: its candidates in order.
        size: how many of them are the window.

    Returns:
        The order to show; a newcomer gets the score of the product that it pushes down. The same object where nothing
        moves: the source `arrival` brought none.
    """
    if request.placement not in PLACEMENTS or request.order_by is not None:
        return ranked
    arrived = np.flatnonzero(ranked.sources[:size] & int(Source.ARRIVAL))
    if not len(arrived):
        return ranked
    arrived = arrived[np.isin(ranked.rows[arrived], list_newcomers(catalog, request.context.time))]
    if not len(arrived):
        return ranked
    order, scores = list(range(len(ranked.rows))), ranked.scores.tolist()
    seated = set()
    for number, place in enumerate(arrived.tolist(), start=1):
        seat = number * SEAT_EVERY - 1
        if place > seat:
            # Those before it that moved up left the places from its own on as they were.
            order.insert(seat, order.pop(place))
            scores.pop(place)
            scores.insert(seat, scores[seat])
            seated.add(int(ranked.rows[place]))
    if not seated:
        return ranked
    return replace(
        ranked,
        rows=ranked.rows[order],
        scores=np.array(scores, np.float32),
        sources=ranked.sources[order],
        seated=frozenset(seated),
    )
