"""The reranker's scores joined with those of the stage before.

Apart from the network, because it is done where the pipeline is, wherever the reranker lives.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float32
from mercato.zscore import standardize_scores

_STEP = np.float32(1e-3)


def blend_order(before: Float32, head: npt.NDArray[np.int64], reranked: Float32, weight: float) -> Float32:
    """Return scores of a window whose best candidates were read again.

    The head's scores become ``w z(r) + (1 - w) z(b)`` with ``z`` the z-score, brought back to the mean and
    spread that they had before; so they stay comparable with the rest, above which they are kept.

    Args:
        before: float32 [w], scores of the stage before.
        head: int64 [n], positions of the best candidates in ``before``.
        reranked: float32 [n], the reranker's scores of them.
        weight: share of the reranker, 0 to 1.

    Returns:
        float32 [w]; what is not in the head keeps its score.
    """
    scores = before.astype(np.float32, copy=True)
    if len(head) < 2:
        return scores
    old = before[head]
    blended = weight * standardize_scores(reranked) + (1.0 - weight) * standardize_scores(old)
    spread = float(old.std()) or 1.0
    fresh = blended.astype(np.float32) * np.float32(spread) + old.mean()
    rest = np.ones(len(before), np.bool_)
    rest[head] = False
    if rest.any():
        fresh += max(np.float32(0.0), before[rest].max() + _STEP - fresh.min())
    scores[head] = fresh
    return scores
