"""The z-score: scores made comparable across models and queries.

A boundary of its own: the reranker's blend, the shop's boosts and training stand on it, and none of them on another.
"""

from __future__ import annotations

import math

import numpy as np

from mercato.arrays import Float32

_LEAST_SPREAD = 1e-6  # of float32 scores around 1: less than rounding of the mean itself is no difference between them


def standardize_scores(scores: Float32) -> Float32:
    """Return ``(s - mean(s)) / std(s)``; zeros where all scores are equal.

    Args:
        scores: float32 [n], finite.
    """
    if not len(scores):
        return scores.copy()
    exact = scores.astype(np.float64)
    exact -= exact.sum() / len(exact)
    spread = math.sqrt(float(exact @ exact) / len(exact))
    if spread <= _LEAST_SPREAD * max(1.0, float(scores.max()), -float(scores.min())):
        return np.zeros_like(scores)
    exact /= spread
    return exact.astype(np.float32)
