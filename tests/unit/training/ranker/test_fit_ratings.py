from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mercato.errors import DataError
from mercato.features.features import COLUMN, FEATURE_NAMES
from mercato_training.ranker.fit_ratings import RatingFitOptions, compute_gains, fit_ratings, score_list
from mercato_training.ranker.rated_lists import UNRATED, RatedList

DIMENSION = 4
OPTIONS = RatingFitOptions(members=4, width=8, bins=4, epochs=30, queries_a_step=4, seed=3)


def make_list(number: int, *, width: int = 24) -> RatedList:
    """Make a query whose better products have the higher word score, and whose retrieval knows nothing."""
    rng = np.random.default_rng(number)
    features = np.zeros((width, len(FEATURE_NAMES)), np.float32)
    features[:, COLUMN["fused"]] = np.sort(rng.random(width))[::-1]
    features[:, COLUMN["has_query"]] = 1.0
    features[:, COLUMN["word_score"]] = rng.random(width)
    rating = np.floor(features[:, COLUMN["word_score"]] * 4).astype(np.int64)
    rating[rng.random(width) < 0.25] = UNRATED
    ids = [f"{number}-{index}" for index in range(width)]
    unit = rng.normal(size=(width + 1, DIMENSION))
    unit = (unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float32)
    return RatedList(
        query=f"query {number}",
        ratings={ids[index]: int(one) for index, one in enumerate(rating) if one >= 0},
        ids=ids,
        vector=unit[0],
        candidates=unit[1:],
        features=features,
        rating=rating,
        window=np.arange(width),
    )


def agreement(scores: NDArray[np.float32], rating: NDArray[np.int64]) -> float:
    """Return the share of pairs of rated products that are in the right order."""
    rated = np.flatnonzero(rating >= 0)
    pairs = [(a, b) for a in rated for b in rated if rating[a] > rating[b]]
    return float(np.mean([scores[a] > scores[b] for a, b in pairs]))


def test_gains_are_those_of_ndcg_scaled_to_one() -> None:
    gains = compute_gains(np.array([3, 1, 0, UNRATED]), 3)
    assert gains.tolist() == pytest.approx([1.0, (2 - 1) / (8 - 1), 0.0, 0.0])


def test_it_learns_from_ratings_what_holds_for_other_queries() -> None:
    fit = fit_ratings([make_list(number) for number in range(30)], DIMENSION, OPTIONS)
    test = [make_list(number) for number in range(100, 110)]
    before = np.mean([agreement(one.features[:, COLUMN["fused"]], one.rating) for one in test])
    after = np.mean([agreement(score_list(fit.network, one), one.rating) for one in test])
    assert before < 0.65
    assert after > 0.8
    assert fit.validation_loss[fit.best_epoch - 1] == min(fit.validation_loss) < fit.start_loss


def test_a_single_member_would_have_nothing_to_stop_by() -> None:
    with pytest.raises(ValueError, match="members must be at least 2, got 1"):
        RatingFitOptions(members=1)


def test_one_seed_gives_one_network() -> None:
    lists = [make_list(number) for number in range(6)]
    first, again, other = (
        fit_ratings(lists, DIMENSION, replace(OPTIONS, epochs=2, seed=seed)).train_loss for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_ratings_that_teach_no_order_are_refused_with_the_reason() -> None:
    one = make_list(1)
    alike = replace(make_list(2), rating=np.full(24, 2), ratings={"2-0": 2})
    unfound = replace(make_list(3), rating=np.full(24, UNRATED), ratings={"elsewhere": 3})
    with pytest.raises(DataError, match="at least 2 queries.*got 1: 1 queries, 1 with ratings"):
        fit_ratings([one], DIMENSION, OPTIONS)
    with pytest.raises(DataError, match="got 0: 2 queries, 2 with ratings, 1 with a rated product among those found"):
        fit_ratings([alike, unfound], DIMENSION, OPTIONS)


def test_unrated_products_count_as_worse_by_their_weight() -> None:
    lists = [make_list(number) for number in range(12)]
    levels = []
    for weight in (0.0, 0.15, 1.0):
        fit = fit_ratings(lists, DIMENSION, replace(OPTIONS, unrated_weight=weight))
        levels.append(np.mean([score_list(fit.network, one)[one.rating == UNRATED].mean() for one in lists]))
    assert levels[0] > levels[1] > levels[2]
