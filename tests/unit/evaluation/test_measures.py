"""Metrics from the library, with the definitions that are promised."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mercato.errors import InvalidInputError
from mercato.evaluation.asking import Answer, ReturnedProduct
from mercato.evaluation.measures import MeasurePlan, measure_orders, plan_measures
from mercato.evaluation.result import summarize_answers

PLAN = MeasurePlan(cutoffs=(2, 10), relevant=1, recall_relevant=2, levels=(1, 2, 3))
# gains 2 ** rating - 1
GAIN_3, GAIN_1 = 7, 1


def measure(ratings: dict[str, int], *order: str, plan: MeasurePlan = PLAN) -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure_orders([ratings], [order], plan).items()}


def test_ndcg_has_exponential_gains_and_gives_nothing_for_what_is_not_rated() -> None:
    found = measure({"a": 3, "b": 1}, "x", "b", "a")
    ideal = GAIN_3 / math.log2(2) + GAIN_1 / math.log2(3)
    assert found["ndcg@10"] == pytest.approx((GAIN_1 / math.log2(3) + GAIN_3 / math.log2(4)) / ideal)
    assert found["ndcg@2"] == pytest.approx((GAIN_1 / math.log2(3)) / ideal)


def test_condensed_takes_out_what_is_not_rated_before_it_cuts() -> None:
    found = measure({"a": 3, "b": 1}, "x", "y", "b", "a")
    ideal = GAIN_3 / math.log2(2) + GAIN_1 / math.log2(3)
    assert found["ndcg@2_condensed"] == pytest.approx((GAIN_1 / math.log2(2) + GAIN_3 / math.log2(3)) / ideal)


def test_relevant_means_a_rating_from_the_threshold() -> None:
    found = measure({"a": 3, "b": 1, "c": 0}, "c", "b", "a")
    assert found["mrr"] == pytest.approx(1 / 2)
    assert found["map"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found["precision@2"] == pytest.approx(1 / 2)
    assert found["f1@2"] == pytest.approx(2 * (1 / 2 * 1 / 2) / (1 / 2 + 1 / 2))
    assert found["success@2"] == 1.0
    stricter = measure({"a": 3, "b": 1, "c": 0}, "c", "b", "a", plan=plan_measures([0, 1, 3], relevant=2))
    assert stricter["mrr"] == pytest.approx(1 / 3)


def test_recall_has_a_threshold_of_its_own_and_one_for_each_rating() -> None:
    found = measure({"a": 3, "b": 1, "c": 2}, "b", "a")
    assert found["recall@2"] == pytest.approx(1 / 2)  # of a and c
    assert found["recall@2_rated1"] == pytest.approx(2 / 3)
    assert found["recall@2_rated3"] == pytest.approx(1 / 1)


def test_judged_is_the_share_that_has_a_rating() -> None:
    assert measure({"a": 3, "c": 0}, "a", "x", "c")["judged@10"] == pytest.approx(2 / 3)


def test_what_a_query_cannot_tell_is_not_counted() -> None:
    values = measure_orders([{"a": 1}, {"a": 0}, {}, {"a": 2}], [["a"], ["a"], ["a"], []], PLAN)
    assert np.isnan(values["ndcg@10"]).tolist() == [False, True, True, False]
    assert np.isnan(values["recall@10"]).tolist() == [True, True, True, False]
    assert values["ndcg@10"][3] == 0.0
    assert np.isnan(values["judged@10"]).tolist() == [False, False, False, True]


def test_no_ratings_at_all_give_no_figures_and_no_error() -> None:
    values = measure_orders([{}, {}], [["a"], []], PLAN)
    assert np.isnan(values["ndcg@10"]).all()


def test_all_equal_ratings_are_measured() -> None:
    found = measure({"a": 2, "b": 2}, "x", "a")
    ideal = 3 / math.log2(2) + 3 / math.log2(3)
    assert found["ndcg@10"] == pytest.approx((3 / math.log2(3)) / ideal)
    assert found["ndcg@10_condensed"] == pytest.approx((3 / math.log2(2)) / ideal)


def test_ids_may_hold_anything() -> None:
    assert measure({"a b\t": 1, "\u00e9": 1}, "\u00e9", "a b\t")["ndcg@10"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("levels", "threshold"), [([0, 1], 1), ([0, 1, 2], 1), ([0, 1, 2, 3], 2), ([0, 4], 2), ([], 1)]
)
def test_recall_asks_for_half_of_the_highest_rating(levels: list[int], threshold: int) -> None:
    assert plan_measures(levels).recall_relevant == threshold


@pytest.mark.parametrize("cutoffs", [[], [0], [1_001]])
def test_cutoffs_out_of_range_are_refused(cutoffs: list[int]) -> None:
    with pytest.raises(InvalidInputError, match="from 1 to 1,000"):
        plan_measures([1], cutoffs=cutoffs)


def test_what_only_follows_the_result_is_neither_a_result_nor_covered() -> None:
    near = ReturnedProduct(id="a", beyond=True)
    found = ReturnedProduct(id="b")
    totals = summarize_answers([Answer(results=(near,)), Answer(results=(found, near), total=1)], [2], catalogue=4)
    assert totals["zero_result_share"] == 1 / 2
    assert totals["coverage@2"] == 1 / 4
