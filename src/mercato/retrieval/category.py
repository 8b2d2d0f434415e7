"""The source `category`: what sells most in the categories that a shopper cares for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mercato.index.live import LiveCatalog
from mercato.retrieval.case import Case
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.sources import CANDIDATES, weigh_repeats

Int32 = npt.NDArray[np.int32]

FAVOURITE_CATEGORIES = 5
CATEGORY_PRODUCTS = 20
"""Products of one category."""


def rank_category_favourites(catalog: LiveCatalog, case: Case, weight: float) -> RankedList:
    """Rank the popular products of the shopper's favourite categories, the most specific ones.

    A category counts the weights of the history's events with its products, halved every 60 days; of the five with the
    most the best twenty allowed products each are taken. Score: the category's share of the five / place by popularity.

    Args:
        catalog: the products.
        case: a recommendation; without a history nothing is found.
        weight: of the list in the fusion.

    Returns:
        Rows as they are now; equal scores by popularity, what was changed since the snapshot last.
    """
    leaf = catalog.features().leaf_category
    codes = leaf[case.history.rows]
    weights = weigh_repeats(case.history, case.request.context.time)
    telling = (codes >= 0) & (weights > 0)
    liked, inverse = np.unique(codes[telling], return_inverse=True)
    counts = np.bincount(inverse, weights[telling], len(liked))
    favourites = np.argsort(-counts, kind="stable")[:FAVOURITE_CATEGORIES]
    rows: list[Int32] = [np.zeros(0, np.int32)]
    scores = [np.zeros(0, np.float64)]
    for place in favourites.tolist():
        best = _find_popular(catalog, case, leaf == liked[place])
        rows.append(best)
        scores.append(counts[place] / counts[favourites].sum() / np.arange(1, len(best) + 1))
    found, found_scores = np.concatenate(rows), np.concatenate(scores).astype(np.float32)
    order = np.lexsort((found, -found_scores))[:CANDIDATES]
    return RankedList(rows=found[order], scores=found_scores[order], weight=weight)


def _find_popular(catalog: LiveCatalog, case: Case, in_category: npt.NDArray[np.bool_]) -> Int32:
    """Return the most popular allowed products of a category: snapshot rows stand in order of popularity.

    What has moved to another category since the snapshot is of neither.
    """
    now = catalog.current_row[np.flatnonzero(in_category[: catalog.base])]
    best: Int32 = now[case.allowed.holds(now) & in_category[now]][:CATEGORY_PRODUCTS]
    return best
