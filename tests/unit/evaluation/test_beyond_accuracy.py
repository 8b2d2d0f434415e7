"""Novelty, variety, concentration and order, with values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mercato.evaluation import beyond_accuracy
from mercato.evaluation.asking import Answer, ReturnedProduct
from mercato.evaluation.holdout import Interactions


def listed(*products: str, **categories: tuple[str, ...]) -> Answer:
    return Answer(results=tuple(ReturnedProduct(id=name, categories=categories.get(name, ())) for name in products))


def test_buyers_are_counted_once_each() -> None:
    known = Interactions(users=["u", "u", "v"], products=["a", "a", "a"])
    assert beyond_accuracy.count_buyers(known) == ({"a": 2}, 2)


def test_novelty_is_the_mean_self_information_of_the_first_k() -> None:
    # share of users, smoothed: a (3 + 1) / (7 + 1), b (0 + 1) / (7 + 1)
    found = beyond_accuracy.measure_novelty([listed("a", "b", "c"), listed()], 2, {"a": 3}, 7)
    assert found[0] == pytest.approx((-math.log2(4 / 8) - math.log2(1 / 8)) / 2)
    assert np.isnan(found[1])


def test_popularity_is_the_mean_share_of_users() -> None:
    assert beyond_accuracy.measure_popularity([listed("a", "b")], 2, {"a": 3}, 6)[0] == pytest.approx((3 / 6 + 0) / 2)


def test_popularity_lift_compares_a_list_with_its_users_own_purchases() -> None:
    buyers = {"hit": 8, "niche": 2, "other": 6}
    answers = [listed("hit", "other"), listed("niche"), listed("hit"), Answer()]
    before = [frozenset({"niche", "other"}), frozenset({"hit"}), frozenset(), frozenset({"hit"})]
    lift = beyond_accuracy.measure_popularity_lift(answers, before, 2, buyers, 10)
    # mean of 8 and 6 against mean of 2 and 6; 2 against 8; nothing known; nothing shown
    np.testing.assert_allclose(lift, [7 / 4 - 1, 2 / 8 - 1, np.nan, np.nan])


def test_titles_tell_products_apart_where_there_are_no_categories() -> None:
    titles = {"a": "Red mug", "b": "red MUG large", "c": "lamp"}
    answer = Answer(results=tuple(ReturnedProduct(id=name, title=title) for name, title in titles.items()))
    # a and b share two of three words, c shares none
    expected = ((1 - 2 / 3) + 1 + 1) / 3
    assert beyond_accuracy.measure_diversity([answer], 3, beyond_accuracy.read_title)[0] == pytest.approx(expected)
    assert np.isnan(beyond_accuracy.measure_diversity([answer], 3)[0])


def test_diversity_is_the_mean_distance_of_categories() -> None:
    answer = listed("a", "b", "c", a=("x", "y"), b=("x",), c=("z",))
    # Jaccard distances: a-b 1 - 1/2, a-c 1, b-c 1
    assert beyond_accuracy.measure_diversity([answer], 3)[0] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert np.isnan(beyond_accuracy.measure_diversity([listed("a", "b", a=("x",))], 2)[0])


def test_gini_tells_one_for_all_from_all_alike() -> None:
    alike = [listed("a"), listed("b"), listed("c"), listed("d")]
    assert beyond_accuracy.compute_gini(alike, 1, 4) == pytest.approx(0.0)
    # shares 0, 0, 0, 1: area under the Lorenz curve (0 + 0 + 0 + 1/2) / 4
    assert beyond_accuracy.compute_gini([listed("a")] * 4, 1, 4) == pytest.approx(1 - 2 * (1 / 2) / 4)
    assert math.isnan(beyond_accuracy.compute_gini([listed()], 1, 4))


def test_auc_counts_pairs_in_the_right_order() -> None:
    # of the pairs (a, x), (a, y), (b, x), (b, y) only (b, x) stands wrong
    found = beyond_accuracy.measure_auc(
        [listed("a", "x", "b", "y"), listed("a"), listed("x")], [{"a": 1, "b": 1}, {"a": 1}, {}]
    )
    assert found[0] == pytest.approx(3 / 4)
    assert np.isnan(found[1:]).all()


def test_rating_errors_are_learned_from_the_other_half() -> None:
    answers = [listed("a", "b")] * 4
    exact: list[dict[str, float]] = [{"a": 5.0, "b": 1.0}] * 4
    assert beyond_accuracy.measure_rating_error(answers, exact) == pytest.approx(np.zeros(4))
    # the odd ones say 4 and 2 where the even ones say 5 and 1: one star off each
    mixed: list[dict[str, float]] = [{"a": 5.0, "b": 1.0}, {"a": 4.0, "b": 2.0}] * 2
    assert beyond_accuracy.measure_rating_error(answers, mixed) == pytest.approx(np.ones(4))
    assert np.isnan(beyond_accuracy.measure_rating_error(answers, [{}] * 4)).all()
