"""Restricted products: who may be recommended them, and which they are.

A stranger is somebody of whom state knows no purchase of such a product; where state cannot be read everybody is one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from mercato.arrays import Bool, Int32
from mercato.errors import InvalidInputError
from mercato.features.inputs import History
from mercato.index.allowed import Allowed
from mercato.index.live import LiveCatalog
from mercato.requests.restriction import Restriction, RestrictionKind
from mercato.requests.retrieval import RetrievalRequest
from mercato.signals.history import PURCHASE


def without_restricted(catalog: LiveCatalog, allowed: Allowed, history: History, request: RetrievalRequest) -> Allowed:
    """Return what is allowed without the restricted products that a request may not have.

    Age-restricted products are for whoever says to be an adult (``adult``), and as long as nothing is said, for whoever
    has bought one. Sensitive products are for whoever has bought one, around a product or a cart; elsewhere, where they
    would come from what others bought, the shopper's own alone. Searches find both, unless the shop says otherwise:
    then, and in lists that are to be ordered, it is as around a product.

    Args:
        catalog: the products.
        allowed: what the request may have otherwise.
        history: the shopper's events, of known products only; empty for a stranger.
        request: says which products are restricted.
    """
    for restriction in request.restrictions:
        if request.is_search and restriction.searched:
            continue
        with suppress(InvalidInputError):  # a field that no product has: nothing is restricted by it
            passing = catalog.find_passing(restriction.condition)
            bought = history.rows[(history.type == PURCHASE) & passing.holds(history.rows)]
            own = _let_in(restriction, request, bought)
            if own is not None:
                allowed = _take_away(allowed, passing, own)
    return allowed


def _let_in(restriction: Restriction, request: RetrievalRequest, bought: Int32) -> Int32 | None:
    """Return which restricted products a request may have all the same, int32 [n]; None for all of them."""
    none = bought[:0]
    if restriction.kind is RestrictionKind.AGE_RESTRICTED:
        adult = request.adult if request.adult is not None else bool(len(bought))
        return None if adult else none
    if not len(bought):
        return none
    around = request.is_search or request.orders_list or request.excludes_seeds
    return None if around else bought


def _take_away(allowed: Allowed, gone: Allowed, kept: Int32) -> Allowed:
    """Return what is allowed without other products, but for some of them that are kept."""
    rows, entries = allowed.rows & ~gone.rows, allowed.entries & ~gone.entries
    changed = kept >= len(rows)
    own_rows, own_entries = kept[~changed], kept[changed] - len(rows)
    rows[own_rows] = allowed.rows[own_rows]
    entries[own_entries] = allowed.entries[own_entries]
    return replace(allowed, rows=rows, entries=entries, rows_missing=True)


def find_restricted(catalog: LiveCatalog, request: RetrievalRequest, rows: Int32) -> Bool:
    """Tell which products are restricted, whoever asks: these are no reasons to be named.

    Args:
        catalog: the products.
        request: says which products are restricted.
        rows: int32 [n]; -1 for none.

    Returns:
        bool [n].
    """
    restricted = np.zeros(len(rows), np.bool_)
    known = rows >= 0
    for restriction in request.restrictions:
        with suppress(InvalidInputError):
            restricted[known] |= catalog.find_passing(restriction.condition).holds(rows[known])
    return restricted
