"""What well-known methods recommend from purchases alone: popularity, habit, ItemKNN, EASE, ALS, BPR, a blend."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mercato.arrays import Float32, Int64

SEED = 7
DAY = 86_400.0
BLENDS = 300  # random weights that are tried


@dataclass(frozen=True, kw_only=True)
class Purchases:
    """Who bought what and when; one row for each line of an invoice.

    Attributes:
        user: int64 [rows], code of the customer.
        product: int64 [rows], code of the product.
        time: float64 [rows], seconds since 1970.
        users: how many customers there are.
        products: how many products there are.
    """

    user: Int64
    product: Int64
    time: npt.NDArray[np.float64]
    users: int
    products: int

    def before(self, moment: float) -> Purchases:
        """Keep what was bought before a moment."""
        return self._select(self.time < moment)

    def between(self, start: float, stop: float) -> Purchases:
        """Keep what was bought from one moment on, before another."""
        return self._select((self.time >= start) & (self.time < stop))

    def counts(self) -> sparse.csr_matrix:
        """Count how often each customer bought each product, float32 [users, products]."""
        ones = np.ones(len(self.user), np.float32)
        table = sparse.csr_matrix((ones, (self.user, self.product)), shape=(self.users, self.products))
        table.sum_duplicates()
        return table

    def _select(self, keep: npt.NDArray[np.bool_]) -> Purchases:
        return Purchases(
            user=self.user[keep],
            product=self.product[keep],
            time=self.time[keep],
            users=self.users,
            products=self.products,
        )


Method = Callable[[Purchases, Int64, float], Float32]
"""Scores all products for some customers as of a moment: float32 [customers, products]."""


def score_popularity(past: Purchases, asked: Int64, moment: float, *, days: float = 14.0) -> Float32:
    """Score by the distinct buyers of the last days before the moment."""
    recent = past.between(moment - days * DAY, moment).counts()
    buyers = np.asarray((recent > 0).sum(axis=0), np.float32).ravel()
    return np.tile(buyers, (len(asked), 1))


def score_habit(past: Purchases, asked: Int64, moment: float) -> Float32:
    """Score by how often the customer bought the product; equal ones, and all others, by recent popularity."""
    habit = past.counts()[asked].toarray()
    popularity = score_popularity(past, asked, moment)
    scores: Float32 = habit + popularity / (1.0 + popularity.max())
    return scores


def score_item_knn(past: Purchases, asked: Int64, moment: float, *, neighbours: int = 100) -> Float32:
    """Score by cosine ItemKNN with TF-IDF weights (``implicit``)."""
    from implicit.nearest_neighbours import TFIDFRecommender

    counts = past.counts()
    model = TFIDFRecommender(K=neighbours, num_threads=1)
    with warnings.catch_warnings():  # it converts a matrix of its own making, and warns of it
        warnings.simplefilter("ignore")
        model.fit(counts, show_progress=False)
    return np.asarray((counts[asked] @ model.similarity.tocsr()).toarray(), np.float32)


def score_ease(past: Purchases, asked: Int64, moment: float, *, regularisation: float = 300.0) -> Float32:
    """Score by EASE (Steck 2019): B = I - P / diag(P) with P the inverse of X'X + lambda I, X binary; scores X B."""
    table = (past.counts() > 0).astype(np.float32)
    gram = (table.T @ table).toarray()
    gram[np.diag_indices_from(gram)] += regularisation
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0.0
    return np.asarray(table[asked] @ weights, np.float32)


def score_als(past: Purchases, asked: Int64, moment: float, *, factors: int = 64) -> Float32:
    """Score by alternating least squares (Hu, Koren and Volinsky 2008; ``implicit``)."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=factors, regularization=0.05, alpha=10.0, iterations=15, num_threads=1, random_state=SEED
    )
    model.fit(past.counts(), show_progress=False)
    scores: Float32 = model.user_factors[asked] @ model.item_factors.T
    return scores


def score_bpr(past: Purchases, asked: Int64, moment: float, *, factors: int = 64) -> Float32:
    """Score by Bayesian personalised ranking (Rendle et al. 2009; ``implicit``)."""
    from implicit.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(factors=factors, iterations=100, num_threads=1, random_state=SEED)
    model.fit(sparse.csr_matrix(past.counts() > 0, dtype=np.float32), show_progress=False)
    scores: Float32 = model.user_factors[asked] @ model.item_factors.T
    return scores


METHODS: Mapping[str, Method] = {
    "popularity": score_popularity,
    "habit": score_habit,
    "item_knn": score_item_knn,
    "ease": score_ease,
    "als": score_als,
    "bpr": score_bpr,
}


def scale_rows(scores: Float32) -> Float32:
    """Scale each customer's scores to 0..1, so that they can be added; rows of equal scores become 0."""
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    scaled: Float32 = (scores - low) / np.where(high > low, high - low, 1.0)
    return scaled


def blend(scaled: Mapping[str, Float32], weights: Mapping[str, float]) -> Float32:
    """Add scaled scores with weights."""
    total = np.zeros_like(next(iter(scaled.values())))
    for name, scores in scaled.items():
        if weights[name]:
            total += np.float32(weights[name]) * scores
    return total


def tune_blend(
    scaled: Mapping[str, Float32], quality: Callable[[Float32], float], rng: np.random.Generator, tries: int = BLENDS
) -> dict[str, float]:
    """Find weights by random search: the methods alone, then points of the simplex, half of them near its edges.

    Args:
        scaled: method -> float32 [customers, products], 0 to 1.
        quality: of a blend, higher is better; measured on validation weeks, never on the test's.
        rng: draws the weights.
        tries: how many blends.

    Returns:
        Method -> weight; they sum to 1.
    """
    names = list(scaled)
    candidates = [*np.eye(len(names))]
    candidates += [rng.dirichlet(np.full(len(names), 0.4 if draw % 2 else 1.0)) for draw in range(tries)]
    best = max(candidates, key=lambda weights: quality(blend(scaled, dict(zip(names, weights, strict=True)))))
    return {name: round(float(weight), 4) for name, weight in zip(names, best, strict=True)}
