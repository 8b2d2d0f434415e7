"""How strongly a request's boosts move each product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mercato.errors import InvalidInputError
from mercato.index.live import Allowed, LiveCatalog
from mercato.requests.boost import Boost

Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]


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
