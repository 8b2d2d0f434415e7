"""How good the order is before and after the reranker, and how much of each is best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercato.evaluation.measures import measure_orders, plan_measures
from mercato.models.reranker import PairTokenizer, blend_order
from mercato_export.networks.reranker import RerankerNetwork
from mercato_training.reranker.data import RatedQuery
from mercato_training.reranker.fit import compute_scores
from mercato_training.reranker.groups import ProductTexts

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
METRICS = ("ndcg@10", "ndcg@10_condensed")
DEFAULT_WEIGHT = 0.1
"""Where there are too few ratings to choose by: little, because a small reranker that knows the catalogue alone gains
little and can lose (docs/decisions/0010-reranker.md)."""
LEAST_QUERIES = 8
"""Fewer rated queries than these do not choose a weight: it would be theirs alone."""


@dataclass(frozen=True, kw_only=True)
class ScoredQuery:
    """A rated query with the reranker's scores of its best candidates.

    Attributes:
        rated: the query, its candidates and ratings.
        scores: float32 [n], of the first n candidates.
    """

    rated: RatedQuery
    scores: NDArray[np.float32]


def score_queries(
    network: RerankerNetwork,
    queries: Sequence[RatedQuery],
    texts: ProductTexts,
    tokenizer: PairTokenizer,
    *,
    depth: int,
) -> list[ScoredQuery]:
    """Score the best candidates of some queries.

    Args:
        network: the reranker.
        queries: with candidates.
        texts: the products as texts.
        tokenizer: makes pairs.
        depth: candidates to read.
    """
    scored = []
    for one in queries:
        read = [texts.text(row) for row in one.candidates.rows[:depth].tolist()]
        scored.append(ScoredQuery(rated=one, scores=compute_scores(network, one.candidates.query, read, tokenizer)))
    return scored


def measure_blend(scored: Sequence[ScoredQuery], weight: float) -> dict[str, float]:
    """Measure the order that a weight gives, with unrated products as 0 and (condensed) without them.

    Args:
        scored: the queries.
        weight: share of the reranker's score.

    Returns:
        Means over the queries that have a relevant product; NaN where none has.
    """
    if not scored:
        return dict.fromkeys(METRICS, float("nan"))
    orders, ratings = [], []
    for one in scored:
        candidates = one.rated.candidates
        blended = blend_order(candidates.before, np.arange(len(one.scores)), one.scores, weight)
        orders.append([str(row) for row in candidates.rows[np.argsort(-blended, kind="stable")].tolist()])
        ratings.append({str(row): rating for row, rating in one.rated.ratings.items()})
    levels = sorted({rating for rated in ratings for rating in rated.values()})
    values = measure_orders(ratings, orders, plan_measures(levels, cutoffs=(10,)))
    known = {name: values[name][np.isfinite(values[name])] for name in METRICS}
    return {name: float(value.mean()) if len(value) else float("nan") for name, value in known.items()}


def choose_weight(scored: Sequence[ScoredQuery]) -> float:
    """Choose the weight with the best sum of the two metrics; the smallest of equal ones.

    Args:
        scored: rated queries that were not learned from.
    """
    ordered = [one for one in scored if len(set(one.rated.ratings.values())) > 1]
    if len(ordered) < LEAST_QUERIES:
        return DEFAULT_WEIGHT
    sums = [sum(measure_blend(ordered, weight).values()) for weight in WEIGHTS]
    return WEIGHTS[int(np.argmax(np.round(sums, 6)))]


def compare_orders(scored: Sequence[ScoredQuery], weight: float) -> Mapping[str, Mapping[str, float]]:
    """Measure the order before, the reranker's own and the blend."""
    return {
        "before": measure_blend(scored, 0.0),
        "reranker alone": measure_blend(scored, 1.0),
        "blend": measure_blend(scored, weight),
    }
