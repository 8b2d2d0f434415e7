"""Intervals that cover what they should, and a test that knows the number of coin flips."""

from __future__ import annotations

import numpy as np
import pytest

from mercato.evaluation.intervals import compare_values, estimate_mean


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(60):
        found = estimate_mean(rng.random(40))  # true mean 0.5
        covered += found.low <= 0.5 <= found.high
    # 57 expected of 60, standard deviation sqrt(60 * 0.95 * 0.05) = 1.7: four of them
    assert covered >= 50


def test_nan_is_left_out_and_the_same_seed_gives_the_same_interval() -> None:
    values = np.array([0.2, np.nan, 0.4, 0.9])
    found = estimate_mean(values)
    assert found.mean == pytest.approx((0.2 + 0.4 + 0.9) / 3)
    assert found.count == 3
    assert found == estimate_mean(values)


def test_few_and_equal_values_have_the_interval_that_they_allow() -> None:
    equal = estimate_mean(np.ones(5))
    assert (equal.mean, equal.low, equal.high) == (1.0, 1.0, 1.0)
    one = estimate_mean(np.array([0.5]))
    assert one.mean == 0.5
    assert np.isnan(one.low)
    assert np.isnan(estimate_mean(np.array([np.nan])).mean)


def test_few_pairs_are_tested_exactly() -> None:
    ours, theirs = np.array([0.5, 0.6, 0.7, 0.8, 0.3]), np.array([0.1, 0.2, 0.3, 0.4, 0.3])
    found = compare_values(ours, theirs)
    assert found.difference.mean == pytest.approx(4 * 0.4 / 5)
    assert (found.wins, found.losses, found.ties) == (4, 0, 1)
    # of the 2 ** 4 signs of four equal gains two are as extreme: all better, all worse
    assert found.p_value == pytest.approx(2 / 16)


def test_a_clear_gain_is_seen_and_noise_is_not() -> None:
    rng = np.random.default_rng(6)
    theirs = rng.random(200)
    better = compare_values(theirs + 0.05 + 0.02 * rng.standard_normal(200), theirs)
    assert better.p_value < 0.01
    assert better.difference.low > 0
    shuffled = compare_values(theirs + 0.2 * rng.standard_normal(200), theirs)
    assert shuffled.difference.low < 0 < shuffled.difference.high


def test_a_run_against_itself_and_against_nothing() -> None:
    values = np.array([0.1, 0.2, np.nan])
    same = compare_values(values, values)
    assert (same.p_value, same.difference.mean, same.ties) == (1.0, 0.0, 2)
    assert np.isnan(compare_values(values, np.full(3, np.nan)).p_value)
