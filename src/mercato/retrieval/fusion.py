"""Joining ranked lists of several sources into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float32, Int32

RRF_K = 60  # Cormack, Clarke & Buettcher 2009


@dataclass(frozen=True, kw_only=True)
class RankedList:
    """One source's candidates, best first.

    Attributes:
        rows: int32 [n], distinct.
        scores: float32 [n], descending.
        weight: the source's share in the fusion by rank, 0 or more.
        shares: float32 [n], what of the weight each candidate gets, 0 to 1; None for all of it.
        slope: what a score of 1 adds besides; 0 where ranks alone count.
    """

    rows: Int32
    scores: Float32
    weight: float = 1.0
    shares: Float32 | None = None
    slope: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FusedList:
    """The union of several lists, best first.

    Attributes:
        rows: int32 [n], distinct.
        fused: float32 [n], descending; equal scores in row order.
        scores: float32 [sources, n]; 0 where a source does not hold the row.
        ranks: int32 [sources, n], from 1; 0 where a source does not hold the row.
    """

    rows: Int32
    fused: Float32
    scores: Float32
    ranks: Int32

    def take(self, positions: npt.NDArray[Any]) -> FusedList:
        """Return some of the rows: bool [n], or int [m] positions."""
        return FusedList(
            rows=self.rows[positions],
            fused=self.fused[positions],
            scores=self.scores[:, positions],
            ranks=self.ranks[:, positions],
        )

    def followed_by(self, other: FusedList) -> FusedList:
        """Append further rows of the same sources."""
        return FusedList(
            rows=np.concatenate([self.rows, other.rows]),
            fused=np.concatenate([self.fused, other.fused]),
            scores=np.concatenate([self.scores, other.scores], axis=1),
            ranks=np.concatenate([self.ranks, other.ranks], axis=1),
        )


def rank_in_order(rows: Int32, weight: float) -> RankedList:
    """Rank rows that are in order already; scores fall with the rank: 1 / rank."""
    return RankedList(rows=rows, scores=(1.0 / np.arange(1, len(rows) + 1)).astype(np.float32), weight=weight)


def fuse_reciprocal_ranks(lists: Sequence[RankedList]) -> FusedList:
    """Fuse lists by weighted reciprocal ranks: sum over lists of weight * share / (RRF_K + rank) + slope * score.

    Where slopes were learned (`mercato.indexing.fit_weights`) it is a linear model over ranks and scores; without, the
    plain fusion.

    Source: Cormack, Clarke & Buettcher, "Reciprocal rank fusion outperforms Condorcet ...", SIGIR 2009.
    """
    held = [np.zeros(0, np.int32), *(item.rows for item in lists)]
    rows, positions = np.unique(np.concatenate(held), return_inverse=True)
    scores = np.zeros((len(lists), len(rows)), np.float32)
    ranks = np.zeros((len(lists), len(rows)), np.int32)
    lengths = np.array([len(item.rows) for item in lists], np.int64)
    source = np.repeat(np.arange(len(lists)), lengths)
    rank = np.arange(1, len(positions) + 1) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    weight = np.array([item.weight for item in lists], np.float64)[source]
    for number, item in enumerate(lists):
        if item.shares is not None:
            weight[source == number] *= item.shares
    scores[source, positions] = np.concatenate([np.zeros(0, np.float32), *(item.scores for item in lists)])
    ranks[source, positions] = rank
    parts = weight / (RRF_K + rank)
    for number, item in enumerate(lists):
        if item.slope:
            parts[source == number] += item.slope * item.scores
    # Added up in the order of the lists.
    fused = np.bincount(positions, weights=parts, minlength=len(rows))
    rounded = fused.astype(np.float32)  # sums that differ by the order of their terms alone are equal
    order = np.argsort(-rounded, kind="stable")
    return FusedList(
        rows=rows[order].astype(np.int32),
        fused=rounded[order],
        scores=scores[:, order],
        ranks=ranks[:, order],
    )


def select_top(scores: Float32, k: int) -> Int32:
    """Return the positions of the k highest positive scores, highest first, equal scores by position: int32 [m]."""
    positive = np.flatnonzero(scores > 0)
    if k <= 0:
        return np.zeros(0, np.int32)
    if len(positive) > k:
        found = scores[positive]
        limit = np.partition(found, len(found) - k)[len(found) - k]
        above = positive[found > limit]
        positive = np.concatenate([above, positive[found == limit][: k - len(above)]])
        positive.sort()
    order = np.argsort(-scores[positive], kind="stable")
    return positive[order].astype(np.int32)
