"""How often what is kept as neighbours was really bought together: the numbers behind "often bought with"."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mercato.signals.cooccurrence import BLOCK_PAIRS
from mercato.signals.events import NO_ORDER, SECONDS_PER_DAY, EventColumns
from mercato.signals.neighbours import Neighbours, find_positions


def count_shoppers_together(
    events: EventColumns, neighbours: Neighbours, *, until: float, days: float | None = None
) -> NDArray[np.int32]:
    """Count for each product and each of its neighbours the shoppers who bought both before a moment.

    Args:
        events: the events with weight > 0 count; rows that the neighbours do not have are ignored.
        neighbours: what was learned.
        until: seconds since 1970 UTC; only strictly earlier events count.
        days: the neighbour must have been bought within so many days before ``until``, the product at any time; None
            for any time.

    Returns:
        int32 [pairs], in the order of ``neighbours.neighbours``.
    """
    past = _select_past(events, neighbours, until)
    recent = past if days is None else past.select(past.time >= until - days * SECONDS_PER_DAY)
    return _count(past, recent, neighbours)


def count_orders_together(events: EventColumns, neighbours: Neighbours, *, until: float) -> NDArray[np.int32]:
    """Count for each product and each of its neighbours the orders before a moment that have both.

    Where an event has no order, the actor's UTC day is one, as for `mercato.signals.cooccurrence`.

    Args:
        events: as for `count_shoppers_together`.
        neighbours: what was learned.
        until: seconds since 1970 UTC; only strictly earlier events count.

    Returns:
        int32 [pairs], in the order of ``neighbours.neighbours``.
    """
    past = _select_past(events, neighbours, until)
    group = past.order.astype(np.int64)
    without = group == NO_ORDER
    if without.any():
        day = np.floor(past.time[without] / SECONDS_PER_DAY).astype(np.int64)
        day -= day.min()
        group[without] = group.max() + 1 + past.actor[without].astype(np.int64) * (day.max() + 1) + day
    _, order = np.unique(group, return_inverse=True)
    by_order = replace(past, actor=order.astype(np.int32))
    return _count(by_order, by_order, neighbours)


def _select_past(events: EventColumns, neighbours: Neighbours, until: float) -> EventColumns:
    known = (events.product >= 0) & (events.product < len(neighbours.indptr) - 1)
    return events.select(known & (events.time < until) & (events.weight > 0))


def _count(events: EventColumns, candidates: EventColumns, neighbours: Neighbours) -> NDArray[np.int32]:
    """Count the groups (``actor``) that have a product in one set of events and its neighbour in another."""
    if not len(events) or not len(candidates):
        return np.zeros(len(neighbours.neighbours), np.int32)
    groups, products = int(events.actor.max()) + 1, len(neighbours.indptr) - 1
    of_product = _by_product(events, groups, products)
    of_candidate = of_product if candidates is events else _by_product(candidates, groups, products)
    sizes = np.diff(of_candidate.indptr)
    of_group = of_candidate.T.tocsr()
    work = of_product @ np.diff(of_group.indptr).astype(np.float64)
    # Few shoppers have many products each, many orders few: the one is counted by neighbour, the other by group.
    if sizes[neighbours.neighbours].sum() < work.sum():
        return _count_by_neighbour(of_product, of_candidate, neighbours)
    return _count_by_group(of_product, of_group, work, neighbours)


def _by_product(events: EventColumns, groups: int, products: int) -> sparse.csr_matrix:
    """Return the 0/1 matrix of products and groups, float32."""
    pairs = np.unique(events.product.astype(np.int64) * groups + events.actor)
    ones = np.ones(len(pairs), np.float32)
    return sparse.csr_matrix((ones, (pairs // groups, pairs % groups)), shape=(products, groups))


def _count_by_neighbour(
    of_product: sparse.csr_matrix, of_candidate: sparse.csr_matrix, neighbours: Neighbours
) -> NDArray[np.int32]:
    """Look at the groups of each neighbour."""
    together = np.zeros(len(neighbours.neighbours), np.int32)
    has_product = np.zeros(of_product.shape[1], np.float32)
    for row in np.flatnonzero(np.diff(neighbours.indptr)).tolist():
        pairs = slice(int(neighbours.indptr[row]), int(neighbours.indptr[row + 1]))
        own = of_product.indices[of_product.indptr[row] : of_product.indptr[row + 1]]
        has_product[own] = 1.0
        together[pairs] = of_candidate[neighbours.neighbours[pairs]] @ has_product
        has_product[own] = 0.0
    return together


def _count_by_group(
    of_product: sparse.csr_matrix, of_group: sparse.csr_matrix, work: NDArray[np.float64], neighbours: Neighbours
) -> NDArray[np.int32]:
    """Look at the products of each group, some products at a time."""
    together = np.zeros(len(neighbours.neighbours), np.int32)
    products, work = of_product.shape[0], np.concatenate(([0], np.cumsum(work)))
    start = 0
    while start < products:
        stop = max(int(np.searchsorted(work, work[start] + BLOCK_PAIRS, side="right")) - 1, start + 1)
        both = of_product[start:stop] @ of_group
        both.sort_indices()
        counted = np.repeat(np.arange(stop - start), np.diff(both.indptr)) * products + both.indices
        pairs = slice(int(neighbours.indptr[start]), int(neighbours.indptr[stop]))
        wanted = np.repeat(np.arange(stop - start), np.diff(neighbours.indptr[start : stop + 1])) * products
        wanted += neighbours.neighbours[pairs]
        if len(counted) and len(wanted):
            at, found = find_positions(counted, wanted)
            together[pairs] = np.where(found, both.data[at], 0)
        start = stop
    return together
