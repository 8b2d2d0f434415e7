"""Finding the weights of sources by coordinate search over visits that were held back, and what they bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mercato.arrays import Float32, Float64
from mercato.index.source_tuning import Gain
from mercato.indexing.source_lists import SourceLists, measure
from mercato.requests.retrieval import WINDOW
from mercato.retrieval.source_weights import Weighing

CUTOFF = 20
METRIC = f"mean of nDCG@{CUTOFF} and recall@{CUTOFF}"
WINDOW_SHARE = 0.25
"""What counts of the same figures within the window that a ranker orders."""
FACTORS = (0.0, 0.3, 0.6, 0.8, 1.25, 1.7, 3.3)
"""What a weight is multiplied with in turn."""
AWAKE = (0.05, 0.4)
"""What a weight of 0 is tried at, as a share of all others together."""
ROUNDS = 5
HOPE = 1.05
"""The window is measured where it would make up for the first places if it were so much better than it is."""
LEAST_STEP = 2e-4
"""What a step must bring to be taken."""
WHISPER = 0.002
"""Share of all sources together that one keeps which the defaults ask, however little it brings."""
FOLDS, FEW_FOLDS, FEW_VISITS = 2, 5, 400
"""Parts of which each is weighed with what all others found; of few visits half would find too little, and the search
is quick."""
STANDARD_ERRORS = 1.96


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The weights that were found, and what they bring on visits that they were not found with.

    Attributes:
        weights: by source, of its ranks; those of 0 too.
        slopes: by source, of its scores; likewise.
        gain: over the weights that the search started from.
    """

    weights: dict[str, float]
    slopes: dict[str, float]
    gain: Gain


def fit_weights(lists: SourceLists, start: Weighing, random: np.random.Generator) -> Fit:
    """Find weights with all visits, and measure the search on each part of them by what it finds with the others.

    Args:
        lists: the visits.
        start: the weights to start from, and to be better than.
        random: parts the visits.
    """
    initial = np.array([given.get(label, 0.0) for given in (start.weights, start.slopes) for label in lists.labels])
    folds = FOLDS if len(lists) > FEW_VISITS else FEW_FOLDS
    part = random.permutation(len(lists)) % folds
    before, after = np.zeros(len(lists)), np.zeros(len(lists))
    for fold in range(folds):
        found = _search(lists.take(part != fold), initial)
        asked = part == fold
        inside = lists.take(asked)
        before[asked] = measure(inside, _weigh(inside, initial), CUTOFF)
        after[asked] = measure(inside, _weigh(inside, found), CUTOFF)
    weights = _search(lists, initial)
    count = len(lists.labels)
    return Fit(
        weights=_name(lists.labels, weights[:count]),
        slopes=_name(lists.labels, weights[count:]),
        gain=compare(before, after),
    )


def _name(labels: Sequence[str], weights: Float64) -> dict[str, float]:
    return {label: float(f"{weight:.4g}") for label, weight in zip(labels, weights, strict=True)}


def compare(before: Float64, after: Float64) -> Gain:
    """Compare the figures of visits (float64 [visits]) with the defaults and with what was learned."""
    less = after - before
    error = STANDARD_ERRORS * float(less.std(ddof=1)) / np.sqrt(len(less)) if len(less) > 1 else float("inf")
    mean = float(less.mean()) if len(less) else 0.0
    return Gain(
        metric=METRIC,
        before=round(float(before.mean()), 4) if len(less) else 0.0,
        after=round(float(after.mean()), 4) if len(less) else 0.0,
        low=round(mean - error, 4),
        high=round(mean + error, 4),
    )


def _weigh(lists: SourceLists, weights: Float64) -> Float32:
    scores: Float32 = np.einsum("svc,s->vc", lists.parts, weights.astype(np.float32))
    return scores


def _value(lists: SourceLists, scores: Float32) -> float:
    first = measure(lists, scores, CUTOFF).mean()
    return float(first + WINDOW_SHARE * measure(lists, scores, WINDOW).mean())


def _search(lists: SourceLists, start: Float64) -> Float64:
    """Improve one weight after the other until none of the steps brings anything.

    What is found first depends on where the search starts, so it starts twice: from the defaults, and from the scores
    of the best source. A weight of 0 is tried where it would speak as loud as a share of all others together.
    """
    loud = np.array([_measure_loudness(part) for part in lists.parts])
    if not len(lists) or not loud.any():
        return start
    alone = [_value(lists, part) if heard else -1.0 for part, heard in zip(lists.parts, loud, strict=True)]
    half = len(start) // 2
    best = half + int(np.argmax(alone[half:]))
    single = np.zeros(len(start))
    single[best] = 1.0 / loud[best]
    climbed = [_climb(lists, weights, loud) for weights in (start, single)]
    found: Float64 = max(climbed, key=lambda one: one[1])[0]
    # What ends at 0 still fills the window that a ranker orders, behind all others.
    whisper = WHISPER * float((found * loud).sum())
    silent = (found[:half] + found[half:] == 0) & (start[:half] > 0) & (loud[:half] > 0)
    found[:half][silent] = whisper / loud[:half][silent]
    scale = float((start * loud).sum() / max((found * loud).sum(), 1e-12))
    return np.where(loud > 0, found * scale, start)  # of what nobody heard nothing was learned


def _measure_loudness(part: Float32) -> float:
    """Return the mean of what the best candidate of a visit gets, where there is one."""
    best = part.max(axis=1)
    return float(best[best > 0].mean()) if (best > 0).any() else 0.0


def _climb(lists: SourceLists, start: Float64, loud: Float64) -> tuple[Float64, float]:
    weights = start.astype(np.float64).copy()
    scores = _weigh(lists, weights)
    window = WINDOW_SHARE * measure(lists, scores, WINDOW).mean()
    value = measure(lists, scores, CUTOFF).mean() + window
    for _ in range(ROUNDS):
        before = value
        for source in np.flatnonzero(loud):
            own = weights[source]
            total = float((weights * loud).sum())
            tries = [own * factor for factor in FACTORS] if own > 0 else [total * up / loud[source] for up in AWAKE]
            rest = scores - np.float32(own) * lists.parts[source]
            for tried in tries:
                mixed = rest + np.float32(tried) * lists.parts[source]
                first = measure(lists, mixed, CUTOFF).mean()
                if first + HOPE * window <= value:
                    continue
                wide = WINDOW_SHARE * measure(lists, mixed, WINDOW).mean()
                if first + wide > value + LEAST_STEP:
                    value, window, weights[source], scores = first + wide, wide, tried, mixed
        if value - before < LEAST_STEP or not weights.any():
            break
    return weights, float(value)
