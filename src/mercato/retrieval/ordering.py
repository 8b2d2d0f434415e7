"""What orders products beside their relevance: boosts, and sorting by number fields."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from mercato.arrays import Float32, Float64, Int32, Int64
from mercato.errors import InvalidInputError
from mercato.index.live import LiveCatalog
from mercato.requests.boost import Boost


def weigh_rows(catalog: LiveCatalog, boosts: Sequence[Boost], rows: Int32) -> Float32:
    """Sum the boosts whose conditions products pass, between -1 and 1.

    A condition that the catalogue cannot answer (a rule of a field that no product has yet) moves nothing.

    Args:
        catalog: the products.
        boosts: the boosts.
        rows: int32 [n].

    Returns:
        float32 [n].
    """
    weights = np.zeros(len(rows), np.float32)
    for boost in boosts:
        with suppress(InvalidInputError):
            weights[catalog.tell_passing(boost.condition, rows)] += np.float32(boost.boost)
    return np.clip(weights, -1.0, 1.0)


def sort_products(keys: Sequence[tuple[Float64, bool]], relevance: Int64, limit: int) -> Int64:
    """Sort products by numbers; those without a number come last, whatever the direction.

    Args:
        keys: at least one: float64 [n], NaN for no number, and whether the highest come first.
        relevance: int64 [n], the lower the better; decides among equals. No two are equal.
        limit: how many are wanted.

    Returns:
        int64 [min(n, limit)], indexes of the first products, in order.
    """
    columns = [_rising(numbers, descending) for numbers, descending in keys]
    indexes = np.arange(len(relevance))
    if len(indexes) > limit > 0:
        # Few of many: whatever ties with the last that is wanted stays, the rest is never sorted.
        last = np.partition(columns[0], limit - 1)[limit - 1]
        indexes = np.flatnonzero(columns[0] <= last)
    order = np.lexsort((relevance[indexes], *(column[indexes] for column in reversed(columns))))
    chosen: Int64 = indexes[order[:limit]]
    return chosen


def _rising(numbers: Float64, descending: bool) -> Float64:
    rising = -numbers if descending else numbers
    return np.where(np.isnan(rising), np.inf, rising)
