"""What the buyers of a product buy besides: EASE, a linear model over whole histories, solved in closed form.

Two signals are learned with it: what goes with a history at all, and what goes with it lately, where only what was
bought in the last weeks is to be explained. The second follows seasons and new products, which the first misses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from mercato.signals.events import SECONDS_PER_DAY, EventColumns
from mercato.signals.neighbours import Neighbours

DEFAULT_REGULARIZATION = 300.0
DEFAULT_LATELY_DAYS = 35.0
"""Days whose purchases are "lately": a season's turn, and enough purchases to learn from."""
MAX_PRODUCTS = 6_000
"""Products with the most buyers that take part: time grows with their cube, memory with their square (3 * 144 MB)."""
MIN_BUYERS = 3
DEFAULT_NEIGHBOURS = 100
BLOCK_ROWS = 512
BLOCK_COLUMNS = 256


@dataclass(frozen=True, kw_only=True)
class EaseOptions:
    """How EASE is learned.

    Attributes:
        regularization: L2 penalty, in buyers; larger keeps rare pairs from being believed.
        max_products: products that take part at most, those with the most buyers.
        min_buyers: fewest buyers of a product that takes part.
        neighbours: most neighbours kept for a product, only those that speak for one another.
        lately_days: only purchases of so many days before ``until`` are explained; None for all.
    """

    regularization: float = DEFAULT_REGULARIZATION
    max_products: int = MAX_PRODUCTS
    min_buyers: int = MIN_BUYERS
    neighbours: int = DEFAULT_NEIGHBOURS
    lately_days: float | None = None


def compute_ease(
    events: EventColumns, product_count: int, *, until: float, options: EaseOptions | None = None
) -> Neighbours:
    """Learn which products speak for which; see `compute_eases`."""
    options = options or EaseOptions()
    (found,) = compute_eases(events, product_count, until=until, windows=(options.lately_days,), options=options)
    return found


def compute_eases(
    events: EventColumns,
    product_count: int,
    *,
    until: float,
    windows: Sequence[float | None],
    options: EaseOptions | None = None,
) -> list[Neighbours]:
    """Learn which products speak for which, from the histories before a moment, for several windows at once.

    The inverse, which costs most, is computed once for all.

    With ``X`` the 0/1 matrix of actors and products, ``Y`` the same of what is to be explained (``X`` itself, or its
    last days) and ``P = (X'X + lambda I)^-1``, the weights that minimise ``|Y - XB|^2 + lambda |B|^2`` with a zero
    diagonal are ``B = P X'Y - P diag(diag(P X'Y) / diag(P))``; for ``Y = X`` that is ``B_ij = -P_ij / P_jj``. Source:
    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019. Where actors are fewer than products, ``P``
    comes from the actors' side: ``P = (I - X' (XX' + lambda I)^-1 X) / lambda`` (Woodbury).

    Args:
        events: the events with weight > 0 count, several of an actor and product once; rows outside
            0..product_count-1 are ignored.
        product_count: number of products.
        until: seconds since 1970 UTC; only strictly earlier events count.
        windows: for each result how many days before ``until`` are to be explained; None for all.
        options: how; its ``lately_days`` is not read.

    Returns:
        For each window and product its best positive weights; products that took no part have none.

    Raises:
        ValueError: the regularization is not positive.
    """
    options = options or EaseOptions()
    if not options.regularization > 0:
        raise ValueError(f"regularization must be positive, given {options.regularization}")
    known = (events.product >= 0) & (events.product < product_count) & (events.time < until) & (events.weight > 0)
    past = events.select(known)
    rows = _choose_products(past, product_count, options)
    if not len(rows):
        return [Neighbours.empty(product_count) for _ in windows]
    history = _presence(past, rows, product_count)
    inverse, left = _invert(history, options.regularization)
    found = []
    for days in windows:
        if days is None:
            weights = inverse / -np.diag(inverse)[None, :]
        else:
            recent = past.select(past.time >= until - days * SECONDS_PER_DAY)
            weights = _explain(inverse, left, history, _presence(recent, rows, product_count, actors=past))
        np.fill_diagonal(weights, 0.0)
        found.append(_keep_best(weights, rows, product_count, options.neighbours))
    return found


def _choose_products(past: EventColumns, product_count: int, options: EaseOptions) -> NDArray[np.int64]:
    """Return the rows that take part, ascending."""
    size = max(product_count, 1)
    pairs = np.unique(past.actor.astype(np.int64) * size + past.product)
    buyers = np.bincount(pairs % size, minlength=product_count)
    order = np.argsort(-buyers, kind="stable")[: options.max_products]
    return np.sort(order[buyers[order] >= options.min_buyers])


def _presence(
    events: EventColumns, rows: NDArray[np.int64], product_count: int, *, actors: EventColumns | None = None
) -> sparse.csr_matrix:
    """Return the 0/1 matrix of actors and chosen products, float32; its rows are the distinct actors of ``actors``."""
    index = np.full(product_count, -1, np.int64)
    index[rows] = np.arange(len(rows))
    codes = np.unique((actors or events).actor)
    column = index[events.product]
    chosen = column >= 0
    row = np.searchsorted(codes, events.actor[chosen])
    ones = np.ones(int(np.count_nonzero(chosen)), np.float32)
    matrix = sparse.csr_matrix((ones, (row, column[chosen])), shape=(len(codes), len(rows)), dtype=np.float32)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _invert(
    history: sparse.csr_matrix, regularization: float
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return ``P = (X'X + lambda I)^-1`` from the smaller side, and ``P X'`` where that is the actors'.

    Returns:
        float32 [products, products], and float32 [products, actors] or None.
    """
    actors, products = history.shape
    side = history.T @ history if products <= actors else history @ history.T
    gram = np.asfortranarray(side.toarray(), dtype=np.float32)
    gram[np.diag_indices(len(gram))] += np.float32(regularization)
    factor, failed = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
    inverse, failed_too = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:  # regularization > 0 makes it positive definite
        raise ArithmeticError(f"the Gram matrix of {products} products could not be inverted ({failed}, {failed_too})")
    _mirror(inverse)
    if products <= actors:
        return np.ascontiguousarray(inverse, dtype=np.float32), None
    # P X' = X' (X X' + lambda I)^-1
    left = np.empty((products, actors), np.float32)
    result = np.empty((products, products), np.float32)
    transposed = history.T.tocsr()
    for start in range(0, actors, BLOCK_COLUMNS):  # so many columns of the inverse stay in a core's cache
        columns = slice(start, start + BLOCK_COLUMNS)
        left[:, columns] = transposed @ inverse[:, columns]
    for start in range(0, products, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, products)
        result[:, start:stop] = (transposed @ left[start:stop].T) / np.float32(-regularization)
    result[np.diag_indices(products)] += np.float32(1.0 / regularization)
    return result, left


def _mirror(matrix: NDArray[np.float32]) -> None:
    """Write the lower triangle of a matrix over the upper one."""
    for start in range(0, len(matrix), BLOCK_ROWS):
        block, behind = slice(start, start + BLOCK_ROWS), slice(start + BLOCK_ROWS, None)
        matrix[block, behind] = matrix[behind, block].T
        own = np.tril(matrix[block, block])
        matrix[block, block] = own + np.tril(own, -1).T


def _explain(
    inverse: NDArray[np.float32],
    left: NDArray[np.float32] | None,
    history: sparse.csr_matrix,
    target: sparse.csr_matrix,
) -> NDArray[np.float32]:
    """Return ``P X'Y - P diag(diag(P X'Y) / diag(P))``."""
    if left is None:
        product = np.asarray(inverse @ (history.T @ target).toarray(), dtype=np.float32)
    else:  # times what few bought lately, not times all products: a tenth of the time
        product = np.empty_like(inverse)
        transposed = target.T.tocsr()
        for start in range(0, len(product), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            product[block] = (transposed @ left[block].T).T
    share = np.diag(product) / np.diag(inverse)
    for start in range(0, len(product), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        product[block] -= inverse[block] * share[None, :]
    return product


def _keep_best(weights: NDArray[np.float32], rows: NDArray[np.int64], product_count: int, limit: int) -> Neighbours:
    counts = np.zeros(product_count, np.int64)
    found: list[NDArray[np.int32]] = []
    scores: list[NDArray[np.float32]] = []
    for index, row in enumerate(rows.tolist()):
        line = weights[index]
        positive = np.flatnonzero(line > 0)
        if len(positive) > limit:
            threshold = np.partition(line[positive], len(positive) - limit)[len(positive) - limit]
            positive = positive[line[positive] >= threshold]
        best = positive[np.argsort(-line[positive], kind="stable")][:limit]
        counts[row] = len(best)
        found.append(rows[best].astype(np.int32))
        scores.append(line[best])
    return Neighbours(
        indptr=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        neighbours=np.concatenate(found) if found else np.zeros(0, np.int32),
        scores=np.concatenate(scores) if scores else np.zeros(0, np.float32),
    )
