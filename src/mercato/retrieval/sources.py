"""The sources of recommendation candidates, each a ranked list of rows.

What was learned from events is of snapshot rows, which `mercato.retrieval.recommend` turns into rows of today's
catalogue; a history's own products have these already.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mercato.features.inputs import History
from mercato.retrieval.fusion import RankedList
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.history import TYPE_WEIGHTS
from mercato.signals.neighbours import Nearness, Neighbours

Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

CANDIDATES = 100
"""Candidates of one source of recommendations."""
SEARCH_CANDIDATES = 200
"""Candidates of words and of dense in a search (docs/decisions/0009)."""
SAME_TEXT_ROWS = 10
"""Products of one text that a search's vectors bring, as long as other texts are left."""
POPULAR_MATCHES = 50
"""Candidates that a search takes from its word matches for their popularity."""
RECENT_PRODUCTS = 50
"""Distinct products of a history that co-occurrence starts from."""
REPEAT_HALF_LIFE_DAYS = 60.0


def rank_repeats(history: History, now: float, weight: float) -> RankedList:
    """Rank the history's own products by frequency and recency.

    Score of a product: sum over its events of type weight * 0.5 ** (age / 60 days); what has none is left out.
    """
    products, place = history.distinct
    scores = np.bincount(place, weigh_repeats(history, now), len(products)).astype(np.float32)
    telling = np.flatnonzero((_find_largest_weights(history) > 0) & (products >= 0))
    order = telling[np.argsort(-scores[telling], kind="stable")[:CANDIDATES]]
    return RankedList(rows=products[order], scores=scores[order], weight=weight)


def weigh_repeats(history: History, now: float) -> npt.NDArray[np.float64]:
    """Return what each event adds to its product's score in `rank_repeats`, float64 [h]."""
    age_days = np.maximum(now - history.time, 0.0) / SECONDS_PER_DAY
    weights: npt.NDArray[np.float64] = TYPE_WEIGHTS[history.type] * 0.5 ** (age_days / REPEAT_HALF_LIFE_DAYS)
    return weights


def recent_products(rows: Int32, limit: int = RECENT_PRODUCTS) -> tuple[Int32, Float32]:
    """Return the last distinct products of a history and their weights.

    Args:
        rows: int32 [h], newest first; negative ones are left out.
        limit: how many products.

    Returns:
        Rows int32 [m], newest first, and weights float32 [m]: 1 / sqrt(place), so that the last counts most.
    """
    known = rows[rows >= 0]
    head = dict.fromkeys(known[: 4 * limit].tolist())  # mostly enough
    if len(head) < limit:
        head = dict.fromkeys(known.tolist())
    distinct = np.array(list(head)[:limit], np.int32)
    return distinct, (1.0 / np.sqrt(np.arange(1, len(distinct) + 1))).astype(np.float32)


def whole_history(history: History) -> tuple[Int32, Float32]:
    """Return the distinct products of a history and their weights: that of the most telling event with each.

    Returns:
        Rows int32 [m], ascending, and weights float32 [m], above 0.
    """
    weights = _find_largest_weights(history)
    products, _ = history.distinct
    telling = (weights > 0) & (products >= 0)
    return products[telling], weights[telling]


def _find_largest_weights(history: History) -> Float32:
    """Return the weight of the most telling event with each distinct product of a history, float32 [m]."""
    products, place = history.distinct
    weights = np.zeros(len(products), np.float32)
    np.maximum.at(weights, place, TYPE_WEIGHTS[history.type])
    return weights


def rank_neighbours(neighbours: Neighbours, rows: Int32, weights: Float32, weight: float) -> RankedList:
    """Rank the products nearest to given ones, which are left out themselves."""
    return rank_nearest(neighbours.add_up(rows, weights), weight)


def rank_nearest(near: Nearness, weight: float) -> RankedList:
    """Rank the products nearest to those that nearness was added up for, which are left out themselves."""
    found, scores = near.find(CANDIDATES)
    return RankedList(rows=found, scores=scores, weight=weight)


def rank_places(rows: Int32, weight: float) -> RankedList:
    """Rank rows that are in order already; scores fall with the place: 1 / place."""
    return RankedList(rows=rows, scores=(1.0 / np.arange(1, len(rows) + 1)).astype(np.float32), weight=weight)


def first_allowed(allowed: Bool, count: int) -> Int32:
    """Return the first ``count`` positions that are True, int32; reads only the head of a mask that is mostly True."""
    head = np.flatnonzero(allowed[: 4 * count])
    if len(head) < count:
        head = np.flatnonzero(allowed)
    return head[:count].astype(np.int32)
