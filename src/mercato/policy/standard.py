"""Scores made comparable across models and queries."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


def standardize(scores: Float32) -> Float32:
    """Subtract the mean and divide by the standard deviation; equal scores become zeros.

    Args:
        scores: float32 [n], finite, n from 1.
    """
    spread = float(scores.std())
    if spread <= 1e-12 * max(1.0, float(np.abs(scores).max())):
        return np.zeros_like(scores)
    centred: Float32 = (scores - scores.mean()) / np.float32(spread)
    return centred
