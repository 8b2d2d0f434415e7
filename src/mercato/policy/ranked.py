"""The candidates of a request in the order in which they would be shown; policies change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float32
from mercato.requests.retrieval import Retrieved, SourceFlags

TAIL_STEP = np.float32(1e-3)
"""By how much the score falls from one product to the next where there is no other."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """All that can be shown of a request, in order.

    Attributes:
        rows: int32 [n].
        scores: float32 [n], descending.
        sources: uint32 [n], as of `Retrieved`.
        variants: for a row the rows of its near-duplicates, which are not shown.
        folded: how many near-duplicates are not shown.
        pinned: rows whose positions the shop decided.
        seated: cold-start products that were moved up to a slot of their own.
    """

    rows: npt.NDArray[np.int32]
    scores: Float32
    sources: npt.NDArray[SourceFlags]
    variants: Mapping[int, Sequence[int]] = field(default_factory=dict)
    folded: int = 0
    pinned: frozenset[int] = frozenset()
    seated: frozenset[int] = frozenset()


def order_candidates(retrieved: Retrieved, scores: Float32 | None) -> Ranked:
    """Order a request's candidates by the ranker's scores; without them the order of retrieval stays.

    What follows the window keeps its order and scores just below it. Equal scores keep the order of retrieval.

    Args:
        retrieved: the candidates.
        scores: float32 [w]; None if they were not ranked.
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
    )
