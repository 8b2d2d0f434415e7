"""Which products are bought together, and by how many people: learned from orders."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mercato.signals.events import NO_ORDER, SECONDS_PER_DAY, EventColumns
from mercato.signals.neighbours import Neighbours

DEFAULT_NEIGHBOURS = 50
MIN_BUYERS = 3
MAX_ORDER_PRODUCTS = 60
MIN_SUPPORT = 2
"""People who must have bought two products in one order: one is chance, or buys for a company."""
SHRINKAGE = 10.0
BLOCK_PAIRS = 4_000_000
"""Pairs of products multiplied at a time; bounds the memory of a block to about 100 MB."""


Cooccurrence = Neighbours
"""The products that are bought with each product, a score being a shrunk cosine of people."""


@dataclass(frozen=True, kw_only=True)
class Together:
    """What is bought together, and the people behind it.

    Attributes:
        neighbours: the products that are bought with each product.
        people: int32 [pairs], who put both into one order, in their order.
        buyers: int32 [products], who bought each.
    """

    neighbours: Cooccurrence
    people: NDArray[np.int32]
    buyers: NDArray[np.int32]


def compute_together(
    events: EventColumns,
    product_count: int,
    *,
    until: float,
    neighbours: int = DEFAULT_NEIGHBOURS,
    min_buyers: int = MIN_BUYERS,
    max_order_products: int = MAX_ORDER_PRODUCTS,
    shrinkage: float = SHRINKAGE,
) -> Together:
    """Learn which products are bought together before a moment.

    Products count as together when they share an order of one actor, or a UTC day where an event has no order. People
    count, not orders: who orders the same two things 300 times is one. With ``n`` buyers of each product and ``c`` who
    bought both in one order, the score is a cosine, shrunk where the evidence is thin (Bell and Koren 2007, "Improved
    Neighborhood-based Collaborative Filtering"): ``c / sqrt(n_i * n_j) * c / (c + shrinkage)``.

    Args:
        events: the events with weight > 0 count; rows outside 0..product_count-1 are ignored.
        product_count: number of products.
        until: seconds since 1970 UTC; only strictly earlier events count.
        neighbours: most neighbours kept for a product.
        min_buyers: products with fewer distinct actors have no neighbours and are none.
        max_order_products: of a larger order, this many products count, evenly spaced over its rows; the work of an
            order grows with the square of its size.
        shrinkage: people at which a cosine is halved.
    """
    order, product, actor = pair_orders(events, product_count, until, min_buyers, max_order_products)
    order_count = int(order[-1]) + 1 if len(order) else 0
    ones = np.ones(len(order), dtype=np.float32)
    by_order = sparse.csr_matrix((ones, (order, product)), shape=(order_count, product_count))
    by_buyer, first_buyer = list_buyers(order, product, actor, by_order.shape)
    popularity = np.diff(first_buyer).astype(np.float64)
    inverse_norm = 1.0 / np.sqrt(np.maximum(popularity, 1.0))
    order_size = np.diff(by_order.indptr)
    work = np.concatenate(([0], np.cumsum(by_order.T @ order_size.astype(np.float64))))

    counts = np.zeros(product_count, dtype=np.int64)
    rows_found: list[NDArray[np.int32]] = []
    scores_found: list[NDArray[np.float32]] = []
    people_found: list[NDArray[np.int32]] = []
    start = 0
    while start < product_count:
        stop = max(int(np.searchsorted(work, work[start] + BLOCK_PAIRS, side="right")) - 1, start + 1)
        block = count_people(by_buyer, first_buyer[start : stop + 1], by_order)
        row = np.repeat(np.arange(start, stop), np.diff(block.indptr))
        keep = (block.data >= MIN_SUPPORT) & (block.indices != row)
        row, column, together = row[keep], block.indices[keep], block.data[keep].astype(np.float64)
        score = together * inverse_norm[row] * inverse_norm[column] * together / (together + shrinkage)
        best = _select_best(row, column, score, neighbours)
        counts += np.bincount(row[best], minlength=product_count)
        rows_found.append(column[best].astype(np.int32))
        scores_found.append(score[best].astype(np.float32))
        people_found.append(together[best].astype(np.int32))
        start = stop
    found = Cooccurrence(
        indptr=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        neighbours=np.concatenate(rows_found) if rows_found else np.zeros(0, dtype=np.int32),
        scores=np.concatenate(scores_found) if scores_found else np.zeros(0, dtype=np.float32),
    )
    people = np.concatenate(people_found) if people_found else np.zeros(0, dtype=np.int32)
    return Together(neighbours=found, people=people, buyers=popularity.astype(np.int32))


def pair_orders(
    events: EventColumns, product_count: int, until: float, min_buyers: int, max_order_products: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct pairs (order, product) that count, sorted by order, and who ordered.

    Orders are numbered from 0, those of one actor apart from those of another that are called alike.
    """
    known = (events.product >= 0) & (events.product < product_count)
    past = events.select(known & (events.time < until) & (events.weight > 0))
    product = past.product.astype(np.int64)
    size = max(product_count, 1)

    buyers = np.bincount(np.unique(past.actor.astype(np.int64) * size + product) % size, minlength=product_count)
    enough = buyers[product] >= min_buyers
    past, product = past.select(enough), product[enough]

    day = np.floor(past.time / SECONDS_PER_DAY).astype(np.int64)
    without = past.order == NO_ORDER
    group = past.order.astype(np.int64)
    if without.any():
        first_day = day[without].min()
        days = day[without].max() - first_day + 1
        group = group.copy()
        actor = past.actor[without].astype(np.int64)
        actor -= actor.min()
        group[without] = group.max() + 1 + actor * days + (day[without] - first_day)
    span = int(group.max(initial=0)) + 1
    orders, group = np.unique(past.actor.astype(np.int64) * span + group, return_inverse=True)

    pairs = np.unique(group.astype(np.int64) * size + product)
    order, product = pairs // size, pairs % size
    order_size = np.bincount(order)[order]
    position = np.arange(len(order)) - np.searchsorted(order, order)
    step = position * max_order_products // np.maximum(order_size, 1)
    previous = (position - 1) * max_order_products // np.maximum(order_size, 1)
    keep = (order_size <= max_order_products) | (step != previous)
    return order[keep], product[keep], orders[order[keep]] // span


def list_buyers(
    order: NDArray[np.int64], product: NDArray[np.int64], actor: NDArray[np.int64], shape: tuple[int, int]
) -> tuple[sparse.csr_matrix, NDArray[np.int64]]:
    """Return the 0/1 matrix of buyers, each of one product, and orders, float32; and where each product's buyers begin.

    Args:
        order: int64 [n].
        product: int64 [n].
        actor: int64 [n], who ordered.
        shape: how many orders and products there are.
    """
    sort = np.lexsort((order, actor, product))
    changes = (np.diff(product[sort], prepend=-1) != 0) | (np.diff(actor[sort], prepend=-1) != 0)
    starts = np.flatnonzero(changes)
    indptr = np.append(starts, len(sort))
    buyers = sparse.csr_matrix((np.ones(len(sort), np.float32), order[sort], indptr), shape=(len(starts), shape[0]))
    first = np.searchsorted(product[sort][starts], np.arange(shape[1] + 1)).astype(np.int64)
    return buyers, first


def count_people(
    by_buyer: sparse.csr_matrix, first_buyer: NDArray[np.int64], by_order: sparse.csr_matrix
) -> sparse.csr_matrix:
    """Count for some products and all others the people who bought both in one order, float32 [products, all]."""
    start, stop = int(first_buyer[0]), int(first_buyer[-1])
    bought_with = by_buyer[start:stop] @ by_order
    bought_with.data[:] = 1.0  # however often
    ones = np.ones(stop - start, np.float32)
    own = sparse.csr_matrix(
        (ones, np.arange(stop - start), first_buyer - start), shape=(len(first_buyer) - 1, stop - start)
    )
    return own @ bought_with


def _select_best(
    row: NDArray[np.int64], column: NDArray[np.int32], score: NDArray[np.float64], limit: int
) -> NDArray[np.int64]:
    """Return the positions of the best entries of each row, best first, equal scores by column; rows ascend."""
    bounds = (
        np.flatnonzero(np.concatenate(([True], row[1:] != row[:-1], [True]))) if len(row) else np.zeros(1, np.int64)
    )
    keep = np.ones(len(row), dtype=np.bool_)
    # A threshold for each long row leaves little to sort.
    for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
        if stop - start > limit:
            threshold = np.partition(score[start:stop], stop - start - limit)[stop - start - limit]
            keep[start:stop] = score[start:stop] >= threshold
    kept = np.flatnonzero(keep)
    best = kept[np.lexsort((column[kept], -score[kept], row[kept]))]
    ordered = row[best]
    position = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    chosen: NDArray[np.int64] = best[position < limit]
    return chosen
