"""What orders products beside their relevance: boosts, and sorting by number fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mercato.arrays import Float32, Float64, Int32, Int64
from mercato.errors import InvalidInputError
from mercato.index.live import Allowed, LiveCatalog
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
    for weight, allowed in _list_allowed(catalog, boosts):
        weights[allowed.holds(rows)] += weight
    return np.clip(weights, -1.0, 1.0)


def weigh_all(catalog: LiveCatalog, boosts: Sequence[Boost]) -> Float32:
    """Sum boosts as `weigh_rows` does, for every row of snapshot and changes: float32 [rows]."""
    weights = np.zeros(catalog.base + len(catalog.delta), np.float32)
    for weight, allowed in _list_allowed(catalog, boosts):
        weights[: catalog.base] += weight * allowed.rows
        weights[catalog.base :] += weight * allowed.entries
    return np.clip(weights, -1.0, 1.0)


def _list_allowed(catalog: LiveCatalog, boosts: Sequence[Boost]) -> Iterator[tuple[np.float32, Allowed]]:
    for boost in boosts:
        try:
            yield np.float32(boost.boost), catalog.allow(boost.condition)
        except InvalidInputError:
            continue


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
