"""Caps: how much of a page the products of one seller, brand or category may take."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from mercato.arrays import Int64
from mercato.errors import InvalidInputError
from mercato.index.live import LiveCatalog
from mercato.policy.field_values import find_field, read_values
from mercato.policy.ranked import CAPS, DialMove, Ranked, reorder_window
from mercato.requests.dials import Cap


@dataclass(frozen=True, kw_only=True)
class Spread:
    """An order under caps.

    Attributes:
        order: int64 [n], the indices of the products in their new order.
        held: for the index of each product that had to wait the value that had its share before it.
    """

    order: Int64
    held: dict[int, str]


def apply_caps(catalog: LiveCatalog, caps: Sequence[Cap], ranked: Ranked, size: int, page_size: int) -> Ranked:
    """Order the window so that on no page of a size a value has more than its cap.

    Args:
        catalog: the products.
        caps: the caps; one of a field that no product has caps nothing.
        ranked: the candidates in order.
        size: how many of them are the window; what follows it is not capped.
        page_size: products of a page.

    Returns:
        The order to show; the scores of the window stay where they are.
    """
    rows = ranked.rows[:size].tolist()
    values: list[list[tuple[str, object]]] = [[] for _ in rows]
    most: dict[str, int] = {}
    for cap in caps:
        with suppress(InvalidInputError):
            field = find_field(catalog, cap.field, "OPTIONS.caps")
            most[field] = cap.most_of(page_size)
            for own, row in zip(values, rows, strict=True):
                own += [(field, value) for value in read_values(catalog, row, field)]
    spread = spread_values(values, most, page_size)
    moves = dict(ranked.moves)
    places = {index: place for place, index in enumerate(spread.order.tolist())}
    for index, value in spread.held.items():
        if places[index] > index:
            moves[rows[index]] = (*moves.get(rows[index], ()), DialMove(CAPS, index - places[index], value))
    return replace(reorder_window(ranked, spread.order, ranked.scores[:size]), moves=moves)


def spread_values(values: Sequence[Sequence[tuple[str, object]]], most: dict[str, int], page_size: int) -> Spread:
    """Order products so that among any ``page_size`` in a row a value comes at most as often as its field allows.

    One after another the first product is taken that no cap forbids, counting the ``page_size - 1`` taken last: so the
    caps hold on every page of that size, wherever it begins. Where all that are left are forbidden, the first one of
    them is taken all the same: a page is filled before it is balanced.

    Args:
        values: of each product, best first, field and value of all that is capped; a product without is never held.
        most: by field how many products of a page may have one value, at least 1.
        page_size: products of a page, from 1.
    """
    left = list(range(len(values)))
    counts: Counter[tuple[str, object]] = Counter()
    recent: deque[int] = deque()
    held: dict[int, str] = {}
    order = []
    while left:
        at = 0
        for position, index in enumerate(left):
            full = next((own for own in values[index] if counts[own] >= most[own[0]]), None)
            if full is None:
                at = position
                break
            held.setdefault(index, str(full[1]))
        taken = left.pop(at)
        order.append(taken)
        recent.append(taken)
        counts.update(values[taken])
        if len(recent) >= page_size:
            counts.subtract(values[recent.popleft()])
    return Spread(order=np.array(order, np.int64), held=held)
