"""What moved a product: the real ranker asked again, each time with one group of features taken away.

"Taken away" means that every product of the window gets the window's mean of the group, so that the group no longer
tells them apart. The effect of a group on a product is what its score loses by that, in standard deviations of the
window's scores: above 0 the group speaks for the product, below 0 against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mercato.arrays import Float32
from mercato.explain.groups import GROUPS, FeatureGroup, Vector
from mercato.models.stages import RankerStage

MAX_BATCH = 64
"""Lists that one call of the ranker takes; as ``max_batch_size`` of its Triton model."""
SMALLEST_DEVIATION = 1e-6
"""A window whose scores differ by less has no scale: nothing moved anything."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """What the ranker was given for one request, and what it answered.

    Attributes:
        is_search: whether there is a query.
        query: float32 [D], zeros without.
        history: float32 [D], zeros without.
        candidates: float32 [w, D].
        features: float32 [w, F].
        scores: float32 [w].
    """

    is_search: bool
    query: Float32
    history: Float32
    candidates: Float32
    features: Float32
    scores: Float32


def compute_effects(ranker: RankerStage, windows: Sequence[Window]) -> list[Float32]:
    """Compute the effect of each group on each product, all windows in one call (of at most `MAX_BATCH` lists each).

    With score ``s`` and score ``t`` without the group: ``(s - t) / std(s)``; for a group that is common to the window
    ``(s - t - mean(s - t)) / std(s)``.

    Args:
        ranker: what scored the windows.
        windows: each with at least one product.

    Returns:
        For each window float32 [groups, w], rows as `GROUPS`.

    Raises:
        ModelError: the ranker failed.
    """
    widest = max((len(window.scores) for window in windows), default=0)
    lists = [_vary(window, group, widest) for window in windows for group in GROUPS]
    scores: list[Float32] = []
    for start in range(0, len(lists), MAX_BATCH):
        query, history, candidates, features = zip(*lists[start : start + MAX_BATCH], strict=True)
        scores += list(ranker.score(np.stack(query), np.stack(history), np.stack(candidates), np.stack(features)))
    effects = []
    for index, window in enumerate(windows):
        width, deviation = len(window.scores), float(window.scores.std())
        without = np.stack(scores[index * len(GROUPS) : (index + 1) * len(GROUPS)])[:, :width]
        lost = window.scores - without
        common = np.array([group.common for group in GROUPS])
        lost[common] -= lost[common].mean(axis=1, keepdims=True)
        scaled = lost / deviation if deviation > SMALLEST_DEVIATION else np.zeros_like(lost)
        effects.append(np.nan_to_num(scaled.astype(np.float32), posinf=0.0, neginf=0.0))
    return effects


def compute_cosines(window: Window, vector: Vector) -> Float32:
    """Return the cosine of each candidate with one of the request's vectors, float32 [w]."""
    cosines: Float32 = window.candidates @ (window.query if vector is Vector.QUERY else window.history)
    return cosines


def _vary(window: Window, group: FeatureGroup, widest: int) -> tuple[Float32, Float32, Float32, Float32]:
    """Return the ranker's input with a group taken away, padded to the widest window."""
    width = len(window.scores)
    candidates = np.zeros((widest, window.candidates.shape[1]), np.float32)
    features = np.zeros((widest, window.features.shape[1]), np.float32)
    candidates[:width], features[:width] = window.candidates, window.features
    columns = group.positions()
    features[:width, columns] = 0.0 if group.common else window.features[:, columns].mean(axis=0)
    vector = group.vector(is_search=window.is_search)
    if vector is not None:
        candidates[:width] = _level_cosines(window, vector)
    return window.query, window.history, candidates, features


def _level_cosines(window: Window, vector: Vector) -> Float32:
    """Move each candidate as little as possible so that its cosine with one vector is the window's mean.

    Its cosine with the other vector stays. With the request's vectors as rows of ``V`` and the wanted changes ``t`` of
    the cosines, a candidate moves by ``t pinv(V)^T``, the shortest such step.
    """
    both = np.stack([window.query, window.history]).astype(np.float64)
    cosines = window.candidates @ both.T
    changes = np.zeros_like(cosines)
    column = 0 if vector is Vector.QUERY else 1
    changes[:, column] = cosines[:, column].mean() - cosines[:, column]
    moved: Float32 = (window.candidates + changes @ np.linalg.pinv(both).T).astype(np.float32)
    return moved
