"""Joining the reranker's scores with those before it."""

import numpy as np
import pytest

from mercato.models.reranker.blend import blend_order
from mercato.zscore import standardize_scores

ROUNDING = 1e-5


def f32(*values: float) -> np.ndarray:  # type: ignore[type-arg]
    return np.array(values, np.float32)


def test_standardized_scores_have_mean_zero_and_spread_one() -> None:
    # mean 4, squared distances 4 and 4: spread 2
    assert standardize_scores(f32(2.0, 6.0)).tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("value", [0.0, 0.1, -3e7])
def test_equal_scores_say_nothing(value: float) -> None:
    assert standardize_scores(f32(value, value, value)).tolist() == [0.0, 0.0, 0.0]
    assert standardize_scores(f32()).tolist() == []


def test_weight_one_is_the_rerankers_order_and_weight_zero_the_order_before() -> None:
    before, head, own = f32(4.0, 3.0, 2.0), np.arange(3), f32(0.0, 5.0, 9.0)
    assert np.argsort(-blend_order(before, head, own, 1.0)).tolist() == [2, 1, 0]
    assert blend_order(before, head, own, 0.0).tolist() == pytest.approx([4.0, 3.0, 2.0], abs=ROUNDING)


def test_blend_is_the_weighted_sum_of_standardized_scores_in_the_units_before() -> None:
    # before: mean 3, spread 1 -> +1, -1; own: -1, +1; blend 0.75: -0.5, +0.5; back: 3 - 0.5, 3 + 0.5
    assert blend_order(f32(4.0, 2.0), np.arange(2), f32(10.0, 20.0), 0.75).tolist() == pytest.approx([2.5, 3.5])


def test_what_is_not_in_the_head_keeps_its_score_below_it() -> None:
    before = f32(1.0, 9.0, 5.0, 8.9)
    head = np.array([1, 3])
    scores = blend_order(before, head, f32(0.0, 1.0), 1.0)
    assert scores[[0, 2]].tolist() == [1.0, 5.0]
    assert scores[3] > scores[1] > 5.0


def test_head_that_falls_below_the_rest_is_lifted_above_it() -> None:
    # the head's spread is 2.5 around 2.5, and the rest is at 4.9
    before = f32(0.0, 5.0, 4.9)
    scores = blend_order(before, np.array([0, 1]), f32(0.0, 1.0), 0.5)
    assert scores[[0, 1]].min() > 4.9


def test_one_candidate_has_no_order() -> None:
    assert blend_order(f32(3.0, 1.0), np.array([0]), f32(-7.0), 1.0).tolist() == [3.0, 1.0]


def test_equal_scores_before_do_not_hide_the_rerankers() -> None:
    assert np.argsort(-blend_order(f32(2.0, 2.0), np.arange(2), f32(0.0, 1.0), 0.1)).tolist() == [1, 0]
