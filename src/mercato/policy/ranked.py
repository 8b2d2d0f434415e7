"""The candidates of a request in the order in which they would be shown; policies change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mercato.requests.retrieval import Retrieved, SourceFlags

Float32 = npt.NDArray[np.float32]

TAIL_STEP = np.float32(1e-3)
"""By how much the score falls from one product to the next where there is no other."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """All that can be shown of a request, in order.

    Attributes:
        rows: int32 [n].
        scores: float32 [n], descending.
        sources: uint32 [n], as of `Retrieved`.
        degraded: stages that were left out.
        variants: for a row the rows of its near-duplicates, which are not shown.
        folded: how many near-duplicates are not shown.
        pinned: rows whose positions the shop decided.
        seated: cold-start products that were moved up to a slot of their own.
        probabilities: row to the probability that the shopper buys it, 0 to 1; empty where nothing can be said.
    """

    rows: npt.NDArray[np.int32]
    scores: Float32
    sources: npt.NDArray[SourceFlags]
    degraded: list[str] = field(default_factory=list)
    variants: Mapping[int, Sequence[int]] = field(default_factory=dict)
    folded: int = 0
    pinned: frozenset[int] = frozenset()
    seated: frozenset[int] = frozenset()
    probabilities: Mapping[int, float] = field(default_factory=dict)


def order_candidates(retrieved: Retrieved, scores: Float32 | None, degraded: Sequence[str] = ()) -> Ranked:
    """Order a request's candidates by the ranker's scores; without them the order of retrieval stays.

    What follows the window keeps its order and scores just below it. Equal scores keep the order of retrieval.

    Args:
        retrieved: the candidates.
        scores: float32 [w]; None if they were not ranked.
        degraded: stages that were left out, besides those that retrieval names.
    """
    window = retrieved.fused if scores is None else scores
    order = np.argsort(-window, kind="stable")
    ordered = window[order]
    floor = ordered[-1] if len(ordered) else np.float32(0.0)
    after = floor - TAIL_STEP * np.arange(1, len(retrieved.tail) + 1, dtype=np.float32)
    return Ranked(
        rows=np.concatenate([retrieved.rows[order], retrieved.tail]),
        scores=np.concatenate([ordered, after]).astype(np.float32),
        sources=np.concatenate([retrieved.sources[order], retrieved.sources[len(order) :]]),
        degraded=[*retrieved.degraded, *degraded],
    )
