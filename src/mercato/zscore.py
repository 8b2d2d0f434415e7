"""The z-score: scores made comparable across models and queries.

A boundary of its own: the reranker's blend, the shop's boosts and training stand on it, and none of them on another.
"""

from __future__ import annotations

import numpy as np

from mercato.arrays import Float32

_LEAST_SPREAD = 1e-6  # of float32 scores around 1: less than rounding of the mean itself is no difference between them


def standardize_scores(scores: Float32) -> Float32:
    """Return ``(s - mean(s)) / std(s)``; zeros where all scores are equal.

    Args:
        scores: float32 [n], finite.
    """
    centred = scores - scores.mean() if len(scores) else scores
    spread = np.float32(np.sqrt(np.mean(np.square(centred, dtype=np.float64)))) if len(scores) else np.float32(0.0)
    if spread <= _LEAST_SPREAD * max(1.0, float(np.abs(scores).max(initial=0.0))):
        return np.zeros_like(scores)
    standardized: Float32 = (centred / spread).astype(np.float32)
    return standardized
