"""Fitting the map from scores to probabilities, on lists that the ranker neither learned from nor stopped by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.special import expit

from mercato.arrays import Float64
from mercato.features.features import COLUMN
from mercato.models.ranker.calibration import Calibration
from mercato_training.ranker.examples import ExampleSet
from mercato_training.ranker.reliability import compute_log_loss

SHOPPER_FEATURES = (
    "log_orders",
    "log_order_size",
    "repeat_share",
    "log_days_since_order",
    "log_order_interval",
    "log_distinct_products",
    "log_history_length",
)
"""Features that are the same for every candidate of a list."""
METHODS = ("score", "score, isotonic", "shopper", "shopper, isotonic")
"""Of the logit, the score alone or the shopper's features too; then its own curve, or knots."""
FOLDS = 5
LEAST_PURCHASES = 50
"""Fewer purchases among the candidates tell no probability from another."""
RIDGE = 30.0
"""Penalty of the squares of the shopper's standardised weights, beside a sum over candidates. What is known of shoppers
goes together, and there are few of them beside their candidates (decision 0015)."""
SCORE_RIDGE = 1.0
"""The same for the score, which hardly needs any."""
NEWTON_STEPS = 50
LEAST_STEP = 1e-8


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The candidates of whole lists, one after the other, padding left out.

    Attributes:
        scores: float32 [n].
        features: float32 [n, F].
        bought: bool [n].
        actor: int64 [n], whose list it is.
    """

    scores: NDArray[np.float32]
    features: NDArray[np.float32]
    bought: NDArray[np.bool_]
    actor: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self.scores)

    def select(self, keep: NDArray[np.bool_]) -> Candidates:
        """Return the candidates of a mask."""
        return Candidates(
            scores=self.scores[keep], features=self.features[keep], bought=self.bought[keep], actor=self.actor[keep]
        )


@dataclass(frozen=True, kw_only=True)
class CalibrationFit:
    """A fitted calibration and what it reaches on shoppers that it was not fitted to.

    Attributes:
        calibration: fitted to all candidates.
        method: one of :data:`METHODS`.
        log_losses: method to the cross-fitted log loss, by which it was chosen.
        candidates: what it was fitted to.
        probabilities: float64 [n], of each candidate by a calibration fitted to the other folds' shoppers.
    """

    calibration: Calibration
    method: str
    log_losses: Mapping[str, float]
    candidates: Candidates
    probabilities: Float64


def join_candidates(examples: ExampleSet, scores: NDArray[np.float32]) -> Candidates:
    """Put the candidates of lists one after the other.

    Args:
        examples: whole lists, also those in which nothing was bought: leaving any out would promise too much.
        scores: float32 [examples, width].
    """
    listed = examples.rows >= 0
    actors = np.array([task.actor for task in examples.tasks], dtype=np.int64)
    return Candidates(
        scores=scores[listed],
        features=examples.features[listed],
        bought=examples.bought[listed],
        actor=np.broadcast_to(actors[:, None], listed.shape)[listed],
    )


def fit_calibration(candidates: Candidates, event: str, *, seed: int) -> CalibrationFit | None:
    """Fit each method, choose the one with the lowest log loss on shoppers it was not fitted to, and fit that to all.

    Args:
        candidates: of lists that the network neither learned from nor stopped by.
        event: what has the probability, for people.
        seed: of the folds, each of whole shoppers.

    Returns:
        None where there is too little to fit to (:data:`LEAST_PURCHASES`, a shopper a fold), or scores that do not
        rise with what is bought.
    """
    shoppers, number = np.unique(candidates.actor, return_inverse=True)
    if candidates.bought.sum() < LEAST_PURCHASES or len(shoppers) < FOLDS or candidates.bought.all():
        return None
    fold = (np.random.default_rng(seed).permutation(len(shoppers)) % FOLDS)[number]
    apart = {method: np.zeros(len(candidates)) for method in METHODS}
    for part in range(FOLDS):
        left_out = fold == part
        own = candidates.select(left_out)
        fitted = fit_methods(candidates.select(~left_out), event)
        if fitted is None:
            return None
        for method, calibration in fitted.items():
            apart[method][left_out] = calibration.compute_probabilities(own.scores, own.features)
    losses = {method: compute_log_loss(values, candidates.bought) for method, values in apart.items()}
    best = min(METHODS, key=losses.__getitem__)
    fitted = fit_methods(candidates, event)
    if fitted is None:
        return None
    return CalibrationFit(
        calibration=fitted[best], method=best, log_losses=losses, candidates=candidates, probabilities=apart[best]
    )


def fit_methods(candidates: Candidates, event: str) -> dict[str, Calibration] | None:
    """Fit each of :data:`METHODS`; None where the scores do not rise with what is bought."""
    fitted: dict[str, Calibration] = {}
    for method, names in (("score", ()), ("shopper", SHOPPER_FEATURES)):
        inputs = np.empty((len(candidates), 1 + len(names)))
        inputs[:, 0] = candidates.scores
        inputs[:, 1:] = candidates.features[:, [COLUMN[name] for name in names]]
        offset, (slope, *weights) = fit_logistic(inputs, candidates.bought)
        if not slope > 0:
            return None
        curve = Calibration(event=event, offset=offset, slope=slope, shopper=dict(zip(names, weights, strict=True)))
        logits, probabilities = fit_knots(
            curve.compute_logits(candidates.scores, candidates.features), candidates.bought
        )
        fitted[method] = curve
        fitted[f"{method}, isotonic"] = (
            replace(curve, logits=logits, probabilities=probabilities) if len(logits) > 1 else curve
        )
    return fitted


def fit_logistic(inputs: Float64, bought: NDArray[np.bool_]) -> tuple[float, list[float]]:
    """Fit a logistic regression by Newton's method, with :data:`RIDGE` on standardised weights.

    Args:
        inputs: float64 [n, columns], the score first, which has :data:`SCORE_RIDGE`.
        bought: bool [n], some of either.

    Returns:
        The offset, and a weight for each column; 0 for one that never varies.
    """
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)
    columns = np.concatenate((np.ones((len(inputs), 1)), (inputs - mean) * scale), axis=1)
    penalty = np.full(columns.shape[1], RIDGE)
    penalty[:2] = 0.0, SCORE_RIDGE
    weights = np.zeros(columns.shape[1])
    weights[0] = np.log(bought.mean() / (1 - bought.mean()))

    def measure(tried: Float64) -> float:
        logits = columns @ tried
        return float(np.logaddexp(0.0, logits).sum() - logits[bought].sum() + 0.5 * (penalty * tried**2).sum())

    loss = measure(weights)
    for _ in range(NEWTON_STEPS):
        chance = expit(columns @ weights)
        slope = columns.T @ (chance - bought) + penalty * weights
        bend = (columns * (chance * (1 - chance))[:, None]).T @ columns + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        # Far from the optimum a whole step may overshoot; half of it, or half of that, does not.
        while (after := measure(weights - step)) > loss and np.abs(step).max() > LEAST_STEP:
            step /= 2
        if after >= loss or np.abs(step).max() <= LEAST_STEP:
            break
        weights, loss = weights - step, after
    own = weights[1:] * scale
    return float(weights[0] - own @ mean), own.tolist()


def fit_knots(logits: Float64, bought: NDArray[np.bool_]) -> tuple[Sequence[float], Sequence[float]]:
    """Fit probabilities that never fall with the logit (isotonic regression): a knot at the middle of each step.

    Args:
        logits: float64 [n].
        bought: bool [n].

    Returns:
        Logits, rising, and the probability at each.
    """
    order = np.argsort(logits, kind="stable")
    sorted_logits = logits[order]
    # Equal logits get one probability: theirs together.
    distinct, first, count = np.unique(sorted_logits, return_index=True, return_counts=True)
    rate = np.add.reduceat(bought[order].astype(np.float64), first) / count
    fitted = isotonic_regression(rate, weights=count.astype(np.float64))
    starts = fitted.blocks[:-1]
    weight = np.add.reduceat(count, starts)
    middle = np.add.reduceat(distinct * count, starts) / weight
    return middle.tolist(), np.clip(fitted.x[starts], 0.0, 1.0).tolist()
