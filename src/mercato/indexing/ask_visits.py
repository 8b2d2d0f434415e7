"""Asking the sources of the home page for visits that were held back, as a server would have that did not know them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mercato.arrays import Int32
from mercato.features.inputs import Context, History
from mercato.index.live import LiveCatalog
from mercato.indexing.held_visits import HeldVisit
from mercato.requests.retrieval import WINDOW, Placement, RetrievalRequest
from mercato.retrieval.context import prepare_context
from mercato.retrieval.fusion import RankedList, rank_in_order
from mercato.retrieval.recommend import ask_for, ask_sources, keep_allowed
from mercato.retrieval.sources.base import CANDIDATES
from mercato.retrieval.sources.popular import POPULAR

BATCH = 64


def ask_visits(
    catalog: LiveCatalog, visits: Sequence[HeldVisit], labels: Sequence[str], popular: Int32, *, strangers: bool = False
) -> list[dict[str, RankedList]]:
    """Ask sources for the beginning of each visit.

    Args:
        catalog: products of which the visits were not learned; without changes.
        visits: the visits.
        labels: the sources.
        popular: int32 [products], rows by popularity without the visits; the catalogue's own order knows them.
        strangers: leave the histories out.

    Returns:
        For each visit the allowed candidates of each source that has something to say.
    """
    weights = dict.fromkeys(labels, 1.0)
    found: list[dict[str, RankedList]] = []
    for start in range(0, len(visits), BATCH):
        contexts = [
            prepare_context(
                catalog,
                RetrievalRequest(placement=Placement.HOME_PAGE, context=Context(time=visit.time), depth=WINDOW),
                History.empty() if strangers else visit.history,
                None,
            )
            for visit in visits[start : start + BATCH]
        ]
        asked = [ask_for(catalog, context, weights) for context in contexts]
        for context, own in zip(contexts, ask_sources(asked), strict=True):
            allowed = dict(zip(own, keep_allowed(catalog, context, list(own.values())), strict=True))
            if POPULAR.label in weights:
                head = popular[: 4 * CANDIDATES]
                rows = head[context.allowed.holds(head)]
                if len(rows) < CANDIDATES:
                    rows = popular[context.allowed.holds(popular)]
                allowed[POPULAR.label] = rank_in_order(rows[:CANDIDATES], 1.0)
            found.append({label: item for label, item in allowed.items() if len(item.rows)})
    return found


def rank_popular(counts: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Int32:
    """Return rows by popularity, the most popular first, equal ones by row: int32 [products]."""
    order: Int32 = np.argsort(-counts, kind="stable").astype(np.int32)
    return order
