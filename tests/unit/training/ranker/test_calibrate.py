"""Probabilities that agree with what happens, on shoppers they were not fitted to."""

import numpy as np
import pytest

from mercato.features.features import COLUMN, FEATURE_NAMES
from mercato_training.ranker.calibrate import (
    FOLDS,
    Candidates,
    fit_calibration,
    fit_knots,
    fit_logistic,
    fit_methods,
    join_candidates,
)
from mercato_training.ranker.examples import ExampleSet, Task
from mercato_training.ranker.reliability import compute_log_loss, measure_reliability

SHOPPERS, LIST = 300, 40


def make_candidates(seed: int = 0, *, slope: float = 1.5, bend: bool = False) -> Candidates:
    """Draw lists whose purchases follow ``logit = slope * score + log_orders - 4``, or its square root where bent."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 1, (SHOPPERS, LIST)).astype(np.float32)
    orders = np.repeat(rng.normal(1, 1, (SHOPPERS, 1)).astype(np.float32), LIST, axis=1)
    features = np.zeros((SHOPPERS, LIST, len(FEATURE_NAMES)), np.float32)
    features[..., COLUMN["log_orders"]] = orders
    chance = 1 / (1 + np.exp(-(slope * scores + orders - 4.0)))
    if bend:
        chance = 0.05 + 0.5 * (scores > 1.0)
    return Candidates(
        scores=scores.ravel(),
        features=features.reshape(-1, len(FEATURE_NAMES)),
        bought=(rng.random((SHOPPERS, LIST)) < chance).ravel(),
        actor=np.repeat(np.arange(SHOPPERS), LIST),
    )


def test_logistic_regression_finds_what_the_outcomes_were_drawn_from() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.normal(3, 2, (40_000, 3))
    inputs[:, 2] = 7.0  # never varies
    bought = rng.random(40_000) < 1 / (1 + np.exp(-(0.5 * inputs[:, 0] - 1.0 * inputs[:, 1] + 0.3)))
    offset, weights = fit_logistic(inputs, bought)
    # A standard error of 0.01 of the weights and 0.03 of the offset.
    assert weights == pytest.approx([0.5, -1.0, 0.0], abs=0.04)
    assert weights[2] == 0.0
    assert offset == pytest.approx(0.3, abs=0.12)


def test_logistic_regression_comes_to_an_end_where_whole_steps_of_newton_overshoot() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(-6.0, 2.5, 20_000)
    bought = rng.random(20_000) < 1 / (1 + np.exp(-logits))
    inputs = np.stack((-np.logaddexp(0, -logits), np.logaddexp(0, logits)), axis=1)
    offset, weights = fit_logistic(inputs, bought)
    chance = 1 / (1 + np.exp(-(offset + inputs @ weights)))
    # At the optimum the mean probability is the share that was bought: the offset has no penalty.
    assert chance.mean() == pytest.approx(bought.mean(), rel=1e-4)
    assert compute_log_loss(chance, bought) < compute_log_loss(np.full(20_000, bought.mean()), bought)


def test_knots_are_means_of_steps_that_never_fall() -> None:
    logits = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 4.0])
    bought = np.array([False, True, False, False, True, True])
    # 0 | 1, 0, 0 -> 1/3 | 1, 1: the middles are 0, (1 + 2 + 3) / 3 and 4.
    assert fit_knots(logits, bought) == ([0.0, 2.0, 4.0], [0.0, pytest.approx(1 / 3), 1.0])


def test_the_shopper_is_taken_into_account_where_that_predicts_better() -> None:
    fit = fit_calibration(make_candidates(), "bought", seed=1)
    assert fit is not None
    assert fit.method.startswith("shopper")
    assert fit.log_losses["shopper"] < fit.log_losses["score"]
    assert fit.calibration.shopper["log_orders"] == pytest.approx(1.0, abs=0.15)
    assert fit.calibration.slope == pytest.approx(1.5, abs=0.15)
    other = make_candidates(7)
    reached = measure_reliability(fit.calibration.compute_probabilities(other.scores, other.features), other.bought)
    # 12,000 candidates, 800 a bin: a standard error of at most 0.018 a bin.
    assert reached.ece < 0.015
    assert reached.log_loss < reached.base_log_loss - 0.02
    assert reached.brier < reached.base_brier


def test_a_curve_of_another_shape_gets_knots() -> None:
    fit = fit_calibration(make_candidates(bend=True), "bought", seed=1)
    assert fit is not None
    assert fit.method.endswith("isotonic")
    other = make_candidates(8, bend=True)
    found = fit.calibration.compute_probabilities(other.scores, other.features)
    assert found[other.scores > 1.3].mean() == pytest.approx(0.55, abs=0.05)
    assert found[other.scores < 0.7].mean() == pytest.approx(0.05, abs=0.02)


def test_figures_are_of_shoppers_left_out() -> None:
    candidates = make_candidates()
    fit = fit_calibration(candidates, "bought", seed=1)
    assert fit is not None
    assert fit.log_losses[fit.method] == compute_log_loss(fit.probabilities, candidates.bought)
    again = fit.calibration.compute_probabilities(candidates.scores, candidates.features)
    assert not np.array_equal(again, fit.probabilities)


def test_a_shopper_is_in_one_fold() -> None:
    candidates = make_candidates()
    fit = fit_calibration(candidates, "bought", seed=1)
    assert fit is not None and fit.method == "shopper"
    logits = np.log(fit.probabilities / (1 - fit.probabilities))
    lines = []
    for actor in range(SHOPPERS):
        own = candidates.actor == actor
        slope, offset = np.polyfit(candidates.scores[own].astype(np.float64), logits[own], 1)
        # All of a shopper's candidates are on one line: that of the calibration that was fitted to the other folds.
        np.testing.assert_allclose(offset + slope * candidates.scores[own], logits[own], atol=1e-4)
        lines.append(round(slope, 4))
    assert len(set(lines)) == FOLDS


def test_scores_that_say_nothing_or_the_opposite_give_no_probability() -> None:
    assert fit_methods(make_candidates(slope=-1.5), "bought") is None
    assert fit_calibration(make_candidates(slope=-1.5), "bought", seed=1) is None


def test_too_few_purchases_give_no_probability() -> None:
    candidates = make_candidates()
    few = np.zeros(len(candidates), np.bool_)
    few[:49] = True
    rare = Candidates(scores=candidates.scores, features=candidates.features, bought=few, actor=candidates.actor)
    assert fit_calibration(rare, "bought", seed=1) is None


def test_lists_in_which_nothing_was_bought_count_and_padding_does_not() -> None:
    examples = ExampleSet(
        rows=np.array([[4, 5, -1], [6, 7, 8]], np.int32),
        features=np.zeros((2, 3, len(FEATURE_NAMES)), np.float32),
        bought=np.array([[False, True, False], [False, False, False]]),
        query=np.full(2, -1, np.int32),
        history=np.zeros((2, 4), np.float32),
        tasks=[Task(actor=actor, time=0.0, query=-1, bought=np.zeros(0, np.int32)) for actor in (3, 9)],
    )
    joined = join_candidates(examples, np.array([[1.0, 2.0, -np.inf], [3.0, 4.0, 5.0]], np.float32))
    assert joined.scores.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert joined.bought.tolist() == [False, True, False, False, False]
    assert joined.actor.tolist() == [3, 3, 9, 9, 9]


def test_reliability_by_hand() -> None:
    probabilities = np.array([0.1, 0.2, 0.6, 0.9])
    bought = np.array([False, False, True, False])
    reached = measure_reliability(probabilities, bought, bins=2)
    assert [one.count for one in reached.bins] == [2, 2]
    assert [one.predicted for one in reached.bins] == pytest.approx([(0.1 + 0.2) / 2, (0.6 + 0.9) / 2])
    assert [one.observed for one in reached.bins] == [0.0, 0.5]
    assert reached.ece == pytest.approx((2 * 0.15 + 2 * 0.25) / 4)
    assert reached.brier == pytest.approx((0.1**2 + 0.2**2 + 0.4**2 + 0.9**2) / 4)
    assert reached.base_rate == 0.25
    assert reached.base_brier == pytest.approx(0.25 * 0.75)
    assert reached.log_loss == pytest.approx(-np.log([0.9, 0.8, 0.6, 0.1]).mean())
    assert reached.base_log_loss == pytest.approx(-(np.log(0.25) + 3 * np.log(0.75)) / 4)


def test_a_certainty_that_was_wrong_costs_much_and_not_everything() -> None:
    assert compute_log_loss(np.array([0.0, 1.0]), np.array([True, True])) == pytest.approx(-np.log(1e-6) / 2, rel=1e-6)
