"""Which products are bought together: learned from orders."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mercato.signals.events import NO_ORDER, SECONDS_PER_DAY, EventColumns
from mercato.signals.neighbours import Neighbours

DEFAULT_NEIGHBOURS = 50
MIN_BUYERS = 3
MAX_ORDER_PRODUCTS = 60
MIN_SUPPORT = 2
"""Orders two products must share: one shared order is chance."""
SHRINKAGE = 10.0
BLOCK_PAIRS = 4_000_000
"""Pairs of products multiplied at a time; bounds the memory of a block to about 100 MB."""


Cooccurrence = Neighbours
"""The products that are bought with each product, a score being a shrunk cosine of orders."""


def compute_cooccurrence(
    events: EventColumns,
    product_count: int,
    *,
    until: float,
    neighbours: int = DEFAULT_NEIGHBOURS,
    min_buyers: int = MIN_BUYERS,
    max_order_products: int = MAX_ORDER_PRODUCTS,
    shrinkage: float = SHRINKAGE,
) -> Cooccurrence:
    """Learn which products are bought together before a moment.

    Products count as together when they share an order, or a UTC day of one actor where an event has no order. With
    ``n`` orders of each product and ``c`` orders of both, the score is the cosine of their order sets, shrunk where
    the evidence is thin (Bell and Koren 2007, "Improved Neighborhood-based Collaborative Filtering"):
    ``c / sqrt(n_i * n_j) * c / (c + shrinkage)``.

    Args:
        events: the events with weight > 0 count; rows outside 0..product_count-1 are ignored.
        product_count: number of products.
        until: seconds since 1970 UTC; only strictly earlier events count.
        neighbours: most neighbours kept for a product.
        min_buyers: products with fewer distinct actors have no neighbours and are none.
        max_order_products: of a larger order, this many products count, evenly spaced over its rows; the work of an
            order grows with the square of its size.
        shrinkage: orders at which a cosine is halved.
    """
    order, product = _pair_orders(events, product_count, until, min_buyers, max_order_products)
    order_count = int(order[-1]) + 1 if len(order) else 0
    ones = np.ones(len(order), dtype=np.float32)
    by_order = sparse.csr_matrix((ones, (order, product)), shape=(order_count, product_count))
    by_product = by_order.T.tocsr()
    popularity = np.diff(by_product.indptr).astype(np.float64)
    inverse_norm = 1.0 / np.sqrt(np.maximum(popularity, 1.0))
    order_size = np.diff(by_order.indptr)
    work = np.concatenate(([0], np.cumsum(by_product @ order_size.astype(np.float64))))

    counts = np.zeros(product_count, dtype=np.int64)
    rows_found: list[NDArray[np.int32]] = []
    scores_found: list[NDArray[np.float32]] = []
    start = 0
    while start < product_count:
        stop = max(int(np.searchsorted(work, work[start] + BLOCK_PAIRS, side="right")) - 1, start + 1)
        block = by_product[start:stop] @ by_order
        row = np.repeat(np.arange(start, stop), np.diff(block.indptr))
        keep = (block.data >= MIN_SUPPORT) & (block.indices != row)
        row, column, together = row[keep], block.indices[keep], block.data[keep].astype(np.float64)
        score = together * inverse_norm[row] * inverse_norm[column] * together / (together + shrinkage)
        best = _select_best(row, column, score, neighbours)
        counts += np.bincount(row[best], minlength=product_count)
        rows_found.append(column[best].astype(np.int32))
        scores_found.append(score[best].astype(np.float32))
        start = stop
    return Cooccurrence(
        indptr=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        neighbours=np.concatenate(rows_found) if rows_found else np.zeros(0, dtype=np.int32),
        scores=np.concatenate(scores_found) if scores_found else np.zeros(0, dtype=np.float32),
    )


def _pair_orders(
    events: EventColumns, product_count: int, until: float, min_buyers: int, max_order_products: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct pairs (order, product) that count, sorted by order, with orders numbered from 0."""
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
    _, group = np.unique(group, return_inverse=True)

    pairs = np.unique(group.astype(np.int64) * size + product)
    order, product = pairs // size, pairs % size
    order_size = np.bincount(order)[order]
    position = np.arange(len(order)) - np.searchsorted(order, order)
    step = position * max_order_products // np.maximum(order_size, 1)
    previous = (position - 1) * max_order_products // np.maximum(order_size, 1)
    keep = (order_size <= max_order_products) | (step != previous)
    return order[keep], product[keep]


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
