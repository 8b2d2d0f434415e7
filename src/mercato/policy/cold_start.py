"""Slots for cold-start products: what nobody knows yet is never bought where it is never shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mercato.index.live import LiveCatalog
from mercato.policy.ranked import Ranked
from mercato.requests.retrieval import Placement, RetrievalRequest
from mercato.retrieval.cold_start import list_cold_start
from mercato.retrieval.sources.arrival import ARRIVAL
from mercato.retrieval.sources.registry import FLAGS

SLOT_EVERY = 10
"""One in so many positions is a cold-start product's, as long as there are any in the window."""
PLACEMENTS = (Placement.HOME_PAGE, Placement.CATEGORY)


def show_cold_start(catalog: LiveCatalog, request: RetrievalRequest, ranked: Ranked, size: int) -> Ranked:
    """Move the n-th best cold-start product of the window up to position 10 n, unless it stands before that by itself.

    Args:
        catalog: the products.
        request: one that sorts, and one of another placement than home page and category, keeps its order.
        ranked: its candidates in order.
        size: how many of them are the window.

    Returns:
        The order to show; a cold-start product gets the score of the product that it pushes down. The same object where
        nothing moves: the source `arrival` brought none.
    """
    if request.placement not in PLACEMENTS or request.order_by is not None:
        return ranked
    arrived = np.flatnonzero(ranked.sources[:size] & FLAGS[ARRIVAL.label])
    if not len(arrived):
        return ranked
    arrived = arrived[np.isin(ranked.rows[arrived], list_cold_start(catalog, request.context.time))]
    if not len(arrived):
        return ranked
    order, scores = list(range(len(ranked.rows))), ranked.scores.tolist()
    seated = set()
    for number, position in enumerate(arrived.tolist(), start=1):
        slot = number * SLOT_EVERY - 1
        if position > slot:
            # Those before it that moved up left the positions from its own on as they were.
            order.insert(slot, order.pop(position))
            scores.pop(position)
            scores.insert(slot, scores[slot])
            seated.add(int(ranked.rows[position]))
    if not seated:
        return ranked
    return replace(
        ranked,
        rows=ranked.rows[order],
        scores=np.array(scores, np.float32),
        sources=ranked.sources[order],
        seated=frozenset(seated),
    )
