"""How sure a mean is, and whether two runs differ: bootstrap and randomisation tests of SciPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from mercato.arrays import Float64

CONFIDENCE = 0.95
RESAMPLES = 4_999
SEED = 20_240_229
_BATCH = 500  # resamples at a time: bounds the memory for many queries


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its bootstrap interval.

    Attributes:
        mean: over what is not NaN; NaN where there is nothing.
        low: lower end of the interval; NaN where there are fewer than two values.
        high: upper end.
        count: how many values it is over.
    """

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One run against another, query by query.

    Attributes:
        difference: mean of (this - other), with its paired bootstrap interval.
        p_value: two-sided, of the paired randomisation test; 1 where all are equal, NaN without queries.
        wins: queries in which this one is better.
        losses: queries in which it is worse.
        ties: queries in which both are equal.
    """

    difference: Estimate
    p_value: float
    wins: int
    losses: int
    ties: int


def estimate_mean(values: Float64, *, seed: int = SEED) -> Estimate:
    """Estimate a mean over queries.

    The interval is the bias-corrected and accelerated bootstrap (Efron 1987) over queries, 95 %.

    Args:
        values: float64 [queries]; NaN is left out.
        seed: of the resampling, so that a figure repeats.
    """
    kept = values[~np.isnan(values)]
    if not len(kept):
        return Estimate(mean=np.nan, low=np.nan, high=np.nan, count=0)
    mean = float(kept.mean())
    if len(kept) == 1:
        return Estimate(mean=mean, low=np.nan, high=np.nan, count=1)
    if np.ptp(kept) < 1e-12:
        return Estimate(mean=mean, low=mean, high=mean, count=len(kept))
    found = stats.bootstrap(
        (kept,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=_BATCH,
        confidence_level=CONFIDENCE,
        method="BCa" if len(kept) <= 5_000 else "percentile",  # the jackknife of BCa takes n * n numbers
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(mean=mean, low=float(found.low), high=float(found.high), count=len(kept))


def compare_values(ours: Float64, theirs: Float64, *, seed: int = SEED) -> Comparison:
    """Compare two runs on the same queries.

    The test is Fisher's randomisation test for pairs (Smucker, Allan and Carterette 2007): the signs of the
    differences are exchanged at random, or in every way where there are few.

    Args:
        ours: float64 [queries].
        theirs: float64 [queries], the same queries; a query that is NaN in either is left out.
        seed: of both resamplings.
    """
    both = ~(np.isnan(ours) | np.isnan(theirs))
    ours, theirs = ours[both], theirs[both]
    gains = ours - theirs
    gains[np.abs(gains) < 1e-12] = 0.0
    difference = estimate_mean(gains, seed=seed)
    return Comparison(
        difference=difference,
        p_value=_test_pairs(gains, seed),
        wins=int((gains > 0).sum()),
        losses=int((gains < 0).sum()),
        ties=int((gains == 0).sum()),
    )


def _test_pairs(gains: Float64, seed: int) -> float:
    if not len(gains):
        return float("nan")
    if not gains.any():
        return 1.0

    def mean(sample: Float64, axis: int) -> Float64:
        averaged: Float64 = np.mean(sample, axis=axis)
        return averaged

    found = stats.permutation_test(
        (gains,),
        mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_BATCH,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)
