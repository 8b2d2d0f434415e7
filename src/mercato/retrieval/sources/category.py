"""The source `category`: what sells most in the categories that a shopper cares for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mercato.arrays import Int32
from mercato.index.live import LiveCatalog
from mercato.requests.retrieval import Placement
from mercato.requests.trace import Evidence
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.evidence import find_largest_events, write_events
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.histories import weigh_events
from mercato.retrieval.sources.base import CANDIDATES, Source, SourceRequest

FAVOURITE_CATEGORIES = 5
CATEGORY_PRODUCTS = 20
"""Products of one category."""


class CategorySource(Source):
    """Ranks the popular products of the shopper's favourite categories, the most specific ones."""

    label = "category"
    asks = (
        "what sells most in the five categories that the shopper cares for most; asked at placement `category`, "
        "elsewhere with `--sources home-page.category=0.25`"
    )
    learned_from = "all events"
    weights = {Placement.CATEGORY: 0.25}
    turn = 7
    phrases = {
        "": "popular in {category}, from which you {deed} {title} on {date}",
        "unsold": "of {category}, from which you {deed} {title} on {date}",
        "alone": "popular in its category",
    }
    speaks_of = frozenset({"category"})

    def find(self, asked: SourceRequest) -> RankedList | None:
        """Rank them, see `rank_category_favourites`; strangers have no categories."""
        if not len(asked.context.history):
            return None
        return rank_category_favourites(asked.catalog, asked.context, asked.weights[self.label])

    def find_evidence(self, asked: SourceRequest, rows: Int32) -> Evidence | None:
        """Find the shopper's event that gave each product's category most of its share."""
        context, leaf = asked.context, asked.catalog.features().leaf_category
        history = context.history
        if not len(history):
            return None
        weights = weigh_events(history, context.request.context.time)
        events = find_largest_events(leaf[history.rows], weights, leaf[rows])
        return write_events(context, history.rows[np.maximum(events, 0)], events)


def rank_category_favourites(catalog: LiveCatalog, context: RetrievalContext, weight: float) -> RankedList:
    """Rank the popular products of the shopper's favourite categories.

    A category counts the weights of the history's events with its products, halved every 60 days; of the five with the
    most the best twenty allowed products each are taken. Score: the category's share of the five / rank by popularity.

    Args:
        catalog: the products.
        context: a recommendation; without a history nothing is found.
        weight: of the list in the fusion.

    Returns:
        Rows as they are now; equal scores by popularity, what was changed since the snapshot last.
    """
    leaf = catalog.features().leaf_category
    codes = leaf[context.history.rows]
    weights = weigh_events(context.history, context.request.context.time)
    weighted = (codes >= 0) & (weights > 0)
    liked, inverse = np.unique(codes[weighted], return_inverse=True)
    counts = np.bincount(inverse, weights[weighted], len(liked))
    favourites = np.argsort(-counts, kind="stable")[:FAVOURITE_CATEGORIES]
    rows: list[Int32] = [np.zeros(0, np.int32)]
    scores = [np.zeros(0, np.float64)]
    for index in favourites.tolist():
        best = _find_popular(catalog, context, leaf == liked[index])
        rows.append(best)
        scores.append(counts[index] / counts[favourites].sum() / np.arange(1, len(best) + 1))
    found, found_scores = np.concatenate(rows), np.concatenate(scores).astype(np.float32)
    order = np.lexsort((found, -found_scores))[:CANDIDATES]
    return RankedList(rows=found[order], scores=found_scores[order], weight=weight)


def _find_popular(catalog: LiveCatalog, context: RetrievalContext, in_category: npt.NDArray[np.bool_]) -> Int32:
    """Return the most popular allowed products of a category: snapshot rows stand in order of popularity.

    What has moved to another category since the snapshot is of neither.
    """
    now = catalog.current_row[np.flatnonzero(in_category[: catalog.base])]
    best: Int32 = now[context.allowed.holds(now) & in_category[now]][:CATEGORY_PRODUCTS]
    return best


CATEGORY = CategorySource()
