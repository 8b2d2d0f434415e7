"""What kinds of shoppers buy a product: a truncated singular value decomposition of who bought what, and how lately."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse.linalg import svds

from mercato.events.event_order import count_days
from mercato.signals.events import EventColumns
from mercato.signals.neighbours import find_positions

FACTORS = 64
HALF_LIFE_DAYS = 90.0
"""Age at which a purchase counts half: tastes, and the season."""
REPEAT_SCALE = 4.0
"""What a shopper has of a product is log1p of this times the decayed number of purchases: the first says most."""
MAX_PRODUCTS = 100_000
"""Products with the most buyers that take part: 25.6 MB."""
MIN_BUYERS = 3
DENSE_FACTORS = 8
"""With less than so many times as many actors or products as factors all singular vectors are computed."""
RANK_TOLERANCE = 1e-6
SEED = 17


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Vectors of products such that those of one shopper's products lie near those of what the shopper will buy.

    Attributes:
        rows: int32 [m], ascending, the products that take part.
        vectors: float32 [m, factors], the right singular vectors.
        norms: float32 [m], > 0, what each product's column was divided by: the root of its length, so that popular
            products do not make all the factors.
    """

    rows: NDArray[np.int32]
    vectors: NDArray[np.float32]
    norms: NDArray[np.float32]

    @classmethod
    def empty(cls) -> "Factors":
        """Return what is known where nothing happened yet."""
        return cls(rows=np.zeros(0, np.int32), vectors=np.zeros((0, 0), np.float32), norms=np.zeros(0, np.float32))

    def fold_in(self, rows: NDArray[np.int32], weights: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the vector of someone who has some products.

        Args:
            rows: int32 [n], distinct products; those that do not take part are left out.
            weights: float [n], what the someone has of each, as :func:`weigh_purchases` counts.

        Returns:
            float32 [factors]; zeros where no product takes part.
        """
        if not len(rows):
            return np.zeros(self.vectors.shape[1], np.float32)
        at, known = self._find(rows)
        return ((weights[known] / self.norms[at]).astype(np.float32) @ self.vectors[at]).astype(np.float32)

    def score(self, vector: NDArray[np.float32], candidates: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return how much of each candidate the decomposition expects someone to have.

        Args:
            vector: float32 [factors], of :meth:`fold_in`.
            candidates: int32 [n], product rows.

        Returns:
            float32 [n], of either sign; 0 for products that do not take part.
        """
        result = np.zeros(len(candidates), np.float32)
        if not vector.any():  # strangers need not wait
            return result
        at, known = self._find(candidates)
        result[known] = (self.vectors[at] @ vector) * self.norms[at]
        return result

    def _find(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where products stand here, int64 [k], and which of them those are, int64 [k]."""
        if not len(self.rows):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        at, found = find_positions(self.rows, rows)
        known = np.flatnonzero(found)
        return at[known], known


def weigh_purchases(
    index: NDArray[np.integer[Any]], age_days: NDArray[np.floating[Any]], weight: NDArray[np.floating[Any]], size: int
) -> NDArray[np.float32]:
    """Return what a shopper has of each product.

    ``log1p(4 * sum of weight * 0.5 ** (age / 90 days))``.

    Args:
        index: int [n], which product each event is of, 0..size-1.
        age_days: float [n], >= 0.
        weight: float [n], how much each event says, >= 0.
        size: number of products.

    Returns:
        float32 [size], >= 0.
    """
    decayed = np.bincount(index, weights=weight * 0.5 ** (age_days / HALF_LIFE_DAYS), minlength=size)
    amounts: NDArray[np.float32] = np.log1p(REPEAT_SCALE * decayed).astype(np.float32)
    return amounts


def compute_factors(events: EventColumns, product_count: int, *, until: float, factors: int = FACTORS) -> Factors:
    """Decompose who bought what before a moment.

    With ``X`` what each actor has of each product (:func:`weigh_purchases`), ``c`` and ``d`` the lengths of its columns
    and rows, ``V`` are the right singular vectors of ``diag(d)^-1/2 X diag(c)^-1/2`` that belong to the largest
    singular values; someone with ``x`` is expected to have ``x diag(c)^-1/2 V V' diag(c)^1/2``.
    Source: PureSVD (Cremonesi, Koren and Turrin, "Performance of recommender algorithms on top-n recommendation tasks",
    RecSys 2010), its columns scaled as in EigenRec (Nikolakopoulos et al. 2019).

    Args:
        events: the events with weight > 0 count; rows outside 0..product_count-1 are ignored.
        product_count: number of products.
        until: seconds since 1970 UTC; only strictly earlier events count.
        factors: how many; fewer where there are not more actors and products than that.

    Returns:
        The factors; none where fewer than two products or actors take part.

    Raises:
        ValueError: factors is not positive.
    """
    if factors < 1:
        raise ValueError(f"factors must be positive, given {factors}")
    known = (events.product >= 0) & (events.product < product_count) & (events.time < until) & (events.weight > 0)
    amounts, rows = _amounts(events.select(known), product_count, until)
    factors = min(factors, min(amounts.shape) - 1)
    if factors < 1:
        return Factors.empty()
    column_length = np.sqrt(np.asarray(amounts.power(2).sum(axis=0)).ravel())
    row_length = np.sqrt(np.asarray(amounts.power(2).sum(axis=1)).ravel())
    norms = np.sqrt(column_length)
    scaled = sparse.diags(1.0 / np.sqrt(row_length)) @ amounts @ sparse.diags(1.0 / norms)
    vectors = _decompose(scaled.tocsr(), factors)
    return Factors(rows=rows.astype(np.int32), vectors=vectors, norms=norms.astype(np.float32))


def _decompose(matrix: sparse.csr_matrix, factors: int) -> NDArray[np.float32]:
    """Return the right singular vectors of the largest singular values, float32 [columns, at most ``factors``]."""
    if min(matrix.shape) <= DENSE_FACTORS * factors:
        _, values, vectors = linalg.svd(matrix.toarray(), full_matrices=False, lapack_driver="gesvd")
    else:
        # A start of its own: ARPACK's would be another one every time.
        start = np.random.default_rng(SEED).standard_normal(min(matrix.shape))
        _, values, vectors = svds(matrix, k=factors, v0=start, return_singular_vectors="vh")
    best = np.argsort(-values, kind="stable")[:factors]
    # Below this a direction is noise of the arithmetic and says nothing of anybody.
    best = best[values[best] > RANK_TOLERANCE * values.max()]
    return np.ascontiguousarray(vectors[best].T, dtype=np.float32)


def _amounts(past: EventColumns, product_count: int, until: float) -> tuple[sparse.csr_matrix, NDArray[np.int64]]:
    """Return what each actor has of each product that takes part, float64 [actors, m], and those products' rows."""
    size = max(product_count, 1)
    pairs, index = np.unique(past.actor.astype(np.int64) * size + past.product, return_inverse=True)
    age_days = count_days(past.time, until, without_time=HALF_LIFE_DAYS)
    amount = weigh_purchases(index, age_days, past.weight, len(pairs))
    product = pairs % size
    buyers = np.bincount(product, minlength=product_count)
    order = np.argsort(-buyers, kind="stable")[:MAX_PRODUCTS]
    rows = np.sort(order[buyers[order] >= MIN_BUYERS])
    # What was bought so long ago that nothing is left of it is not there.
    chosen = np.flatnonzero(np.isin(product, rows) & (amount > 0))
    rows = np.unique(product[chosen])
    _, actor = np.unique(pairs[chosen] // size, return_inverse=True)
    column = np.searchsorted(rows, product[chosen])
    shape = (int(actor.max()) + 1 if len(actor) else 0, len(rows))
    return sparse.csr_matrix((amount[chosen].astype(np.float64), (actor, column)), shape=shape), rows
