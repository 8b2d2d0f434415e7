"""Sorting a whole result by number fields."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


def sort_products(keys: Sequence[tuple[Float64, bool]], relevance: Int64, limit: int) -> Int64:
    """Sort products by numbers; those without a number come last, whatever the direction.

    Args:
        keys: at least one: float64 [n], NaN for no number, and whether the highest come first.
        relevance: int64 [n], the lower the better; decides among equals. No two are equal.
        limit: how many are wanted.

    Returns:
        int64 [min(n, limit)], places of the first products, in order.
    """
    columns = [_rising(numbers, descending) for numbers, descending in keys]
    places = np.arange(len(relevance))
    if len(places) > limit > 0:
        # Few of many: whatever ties with the last that is wanted stays, the rest is never sorted.
        last = np.partition(columns[0], limit - 1)[limit - 1]
        places = np.flatnonzero(columns[0] <= last)
    order = np.lexsort((relevance[places], *(column[places] for column in reversed(columns))))
    chosen: Int64 = places[order[:limit]]
    return chosen


def _rising(numbers: Float64, descending: bool) -> Float64:
    rising = -numbers if descending else numbers
    return np.where(np.isnan(rising), np.inf, rising)
