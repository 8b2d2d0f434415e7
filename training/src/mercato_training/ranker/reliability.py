"""How well probabilities agree with what happened: log loss, Brier score, calibration error and the table behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercato.arrays import Float64

BINS = 15
LEAST_PROBABILITY = 1e-6
"""Probabilities are taken to be at least so far from 0 and 1 where a logarithm is taken of them."""


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Candidates whose probabilities are next to each other.

    Attributes:
        count: how many.
        least: lowest probability.
        most: highest probability.
        predicted: mean probability.
        observed: share of them that was bought.
    """

    count: int
    least: float
    most: float
    predicted: float
    observed: float


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """What probabilities are worth.

    Attributes:
        count: candidates.
        base_rate: share of them that was bought: what is known without a model.
        predicted: mean probability.
        log_loss: mean of ``-log`` of the probability of what happened.
        base_log_loss: the same where every probability is the base rate.
        brier: mean squared difference to what happened (Brier 1950).
        base_brier: the same for the base rate.
        ece: expected calibration error, the mean over candidates of the difference between prediction and share in
            their bin (Naeini et al. 2015), over bins of equal mass (Nixon et al. 2019).
        bins: from the lowest probabilities to the highest.
    """

    count: int
    base_rate: float
    predicted: float
    log_loss: float
    base_log_loss: float
    brier: float
    base_brier: float
    ece: float
    bins: list[Bin]


def compute_log_loss(probabilities: Float64, bought: NDArray[np.bool_]) -> float:
    """Return the mean of ``-log`` of the probability of what happened, of probabilities float64 [n]."""
    chance = np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return float(-np.log(np.where(bought, chance, 1 - chance)).mean())


def measure_reliability(probabilities: Float64, bought: NDArray[np.bool_], *, bins: int = BINS) -> Reliability:
    """Measure probabilities against what happened.

    Args:
        probabilities: float64 [n], at least one.
        bought: bool [n].
        bins: of equal mass, as nearly as n allows; fewer where there are fewer candidates.
    """
    rate = float(bought.mean())
    parts = [part for part in np.array_split(np.argsort(probabilities, kind="stable"), bins) if len(part)]
    table = [
        Bin(
            count=len(part),
            least=float(probabilities[part[0]]),
            most=float(probabilities[part[-1]]),
            predicted=float(probabilities[part].mean()),
            observed=float(bought[part].mean()),
        )
        for part in parts
    ]
    return Reliability(
        count=len(bought),
        base_rate=rate,
        predicted=float(probabilities.mean()),
        log_loss=compute_log_loss(probabilities, bought),
        base_log_loss=compute_log_loss(np.full(len(bought), rate), bought),
        brier=float(((probabilities - bought) ** 2).mean()),
        base_brier=rate * (1 - rate),
        ece=sum(one.count * abs(one.predicted - one.observed) for one in table) / len(bought),
        bins=table,
    )
