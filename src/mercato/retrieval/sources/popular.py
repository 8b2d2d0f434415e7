"""The source `popular`: what sells most, recent sales counting more; it fills what the others leave free."""

from __future__ import annotations

import numpy as np

from mercato.arrays import Bool, Int32, Int64
from mercato.index.allowed import Allowed
from mercato.index.live import LiveCatalog
from mercato.index.live_learning import LearnedNow
from mercato.membership import is_among
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import RankedList, rank_in_order, select_top
from mercato.retrieval.sources.base import CANDIDATES, LAST_TURN, Source, SourceRequest, at_home
from mercato.signals.going_on import Since

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
            popular = popular[~is_among(popular, passed_over)]
        return rank_in_order(popular[:CANDIDATES], asked.weights.get(self.label, 1.0))


def list_popular(catalog: LiveCatalog, context: RetrievalContext, count: int) -> Int32:
    """Return allowed rows in order of popularity, then products newer than the snapshot: int32 [m], m <= count.

    A product that changed has the place that it had: what is popular does not depend on its price. What was bought
    since the snapshot, new products among it, has the place that it has by now.
    """
    allowed = context.allowed
    order = order_now(catalog, context.learned)
    entries = np.flatnonzero(allowed.entries)
    if order is None and not len(entries):
        return first_allowed(allowed.rows, count)
    replaced = catalog.delta.replaced_rows[entries]
    if order is None:
        places = allowed.rows.copy()
        places[replaced[replaced >= 0]] = True
        found = first_allowed(places, count)
        rows = np.where(allowed.rows[found], found, catalog.current_row[found])
    else:
        rows = _first_of(catalog, allowed, order[: 4 * count], count)
        if len(rows) < count:
            rows = _first_of(catalog, allowed, order, count)
    fresh = entries[replaced < 0] + catalog.base
    fresh = fresh if order is None else fresh[~np.isin(fresh, order[order >= catalog.base])]
    popular: Int32 = np.concatenate([rows, fresh[: count - len(rows)]]).astype(np.int32)
    return popular


def _first_of(catalog: LiveCatalog, allowed: Allowed, order: Int32, count: int) -> Int32:
    """Return the first allowed rows of an order, as they are now."""
    now = catalog.move_rows(order)
    return now[allowed.holds(now)][:count]


def order_now(catalog: LiveCatalog, learned: LearnedNow) -> Int32 | None:
    """Return all snapshot rows, and new products that somebody wanted, in order of popularity; None for row order.

    Args:
        catalog: the products.
        learned: what is known by now of what people did since the snapshot.
    """
    return learned.once("popular", lambda since: _order(catalog, since))


def _order(catalog: LiveCatalog, since: Since) -> Int32 | None:
    added, base = since.interest, catalog.base
    if not added.any():
        return None
    popularity = np.expm1(catalog.snapshot.features.log_popularity.astype(np.float64))
    rows = np.arange(base, dtype=np.int32)
    own = added[:base]
    own = own[catalog.groups.lead(rows, rows)] if catalog.groups else own
    moved, fresh = np.flatnonzero(own), np.flatnonzero((added[base:] > 0) & (since.rows[base:] >= 0)) + base
    score = np.concatenate([np.maximum(popularity[moved] + own[moved], 0.0), added[fresh]])
    row = np.concatenate([moved, since.rows[fresh]]).astype(np.int32)
    best = np.lexsort((row, -score))
    # Each goes before the first row that is not more popular; those of one place stand as their scores say.
    place = np.searchsorted(-popularity, -score[best], side="left") - 1 + np.arange(1, len(best) + 1) / (len(best) + 1)
    others = np.delete(rows, moved)
    together = np.concatenate([others, row[best]])
    order: Int32 = together[np.argsort(np.concatenate([others, place]), kind="stable")]
    return order


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
