"""The source `popular`: what sells most, recent sales counting more; it fills what the others leave free."""

from __future__ import annotations

import numpy as np

from mercato.arrays import Bool, Int32, Int64
from mercato.index.live import LiveCatalog
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import RankedList, rank_in_order, select_top
from mercato.retrieval.sources.base import CANDIDATES, LAST_TURN, Source, SourceRequest, at_home

POPULAR_MATCHES = 50
"""Candidates that a search takes from its word matches for their popularity."""


class PopularSource(Source):
    """Ranks by popularity, which is the order of a snapshot's rows.

    It is asked last, and also where it has no weight, if no other source found anything.
    """

    label = "popular"
    asks = "what sells most, recent sales counting more; within `FILTER`, so in a category what sells most there"
    learned_from = "all events"
    weights = at_home(0.25)
    turn = LAST_TURN
    phrases = {
        "alone": "popular in the shop",
        "filtered": "popular among what fits the filter",
        "after": "next by popularity",
    }
    speaks_of = frozenset({"popularity"})

    def find(self, asked: SourceRequest) -> RankedList | None:
        """Rank what sells most, but for what the answer starts from and what is too new for anybody to know."""
        passed_over = np.concatenate([asked.excluded, asked.cold_start])
        popular = list_popular(asked.catalog, asked.context, CANDIDATES + len(passed_over))
        if len(passed_over):
            popular = popular[~np.isin(popular, passed_over)]
        return rank_in_order(popular[:CANDIDATES], asked.weights.get(self.label, 1.0))


def list_popular(catalog: LiveCatalog, context: RetrievalContext, count: int) -> Int32:
    """Return allowed rows in order of popularity, then products newer than the snapshot: int32 [m], m <= count.

    A product that changed has the place that it had: what is popular does not depend on its price.
    """
    allowed = context.allowed
    entries = np.flatnonzero(allowed.entries)
    if not len(entries):
        return first_allowed(allowed.rows, count)
    replaced = catalog.delta.replaced_rows[entries]
    places = allowed.rows.copy()
    places[replaced[replaced >= 0]] = True
    found = first_allowed(places, count)
    rows = np.where(allowed.rows[found], found, catalog.current_row[found])
    fresh = entries[replaced < 0][: count - len(rows)] + catalog.base
    popular: Int32 = np.concatenate([rows, fresh]).astype(np.int32)
    return popular


def first_allowed(allowed: Bool, count: int) -> Int32:
    """Return the first ``count`` positions that are True, int32; reads only the head of a mask that is mostly True."""
    head = np.flatnonzero(allowed[: 4 * count])
    if len(head) < count:
        head = np.flatnonzero(allowed)
    return head[:count].astype(np.int32)


def rank_popular(catalog: LiveCatalog, matches: Int64) -> Int32:
    """Return the most popular of the products that match, most popular first: int32 [m], m <= `POPULAR_MATCHES`.

    Thousands may match a common word equally well; what is bought most is then likeliest meant. Products that nobody
    bought are left out, so that a shop without events is not ordered by its product ids.
    """
    popularity = catalog.features().log_popularity[matches]
    return matches[select_top(popularity, POPULAR_MATCHES)].astype(np.int32)


POPULAR = PopularSource()
