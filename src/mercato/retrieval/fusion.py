"""Joining ranked lists of several sources into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import numpy.typing as npt

from mercato.errors import InvalidInputError
from mercato.index.field_weights import parse_pairs

Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]

RRF_K = 60  # Cormack, Clarke & Buettcher 2009


@dataclass(frozen=True, kw_only=True)
class FusionWeights:
    """How much each source of a search weighs in the fusion; kept in the snapshot.

    Attributes:
        words: 0 or more; above ``dense``, the same word matters more than the same meaning (docs/decisions/0009).
        dense: 0 or more.
        popular: 0 or more; the most popular of the products that hold the words.
    """

    words: float = 1.5
    dense: float = 1.0
    popular: float = 0.5

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InvalidInputError: a weight that is negative or not finite, or both 0.
        """
        given = asdict(self)
        if not all(0 <= weight < float("inf") for weight in given.values()) or self.words + self.dense == 0:
            numbers = ", ".join(f"{name}={weight:g}" for name, weight in given.items())
            raise InvalidInputError(
                "fusion", f"must be weights of 0 or more, words and dense not both 0, got {numbers}"
            )


def parse_fusion(text: str) -> FusionWeights:
    """Read fusion weights as the command line gives them: ``words=2,dense=1``; one left out keeps its default.

    Raises:
        InvalidInputError: no such pairs, or weights that cannot be.
    """
    pairs = parse_pairs(text, "--fusion", "words=1.5,dense=1")
    known = [item.name for item in fields(FusionWeights)]
    unknown = sorted(set(pairs) - set(known))
    if unknown:
        raise InvalidInputError("--fusion", f"must name {', '.join(known)}, got {unknown[0][:80]!r}")
    return FusionWeights(**pairs)


@dataclass(frozen=True, kw_only=True)
class RankedList:
    """One source's candidates, best first.

    Attributes:
        rows: int32 [n], distinct.
        scores: float32 [n], descending.
        weight: the source's share in the fusion, above 0.
    """

    rows: Int32
    scores: Float32
    weight: float = 1.0


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


def fuse_reciprocal_ranks(lists: Sequence[RankedList]) -> FusedList:
    """Fuse lists by weighted reciprocal ranks: sum over lists of weight / (RRF_K + rank).

    Source: Cormack, Clarke & Buettcher, "Reciprocal rank fusion outperforms Condorcet ...", SIGIR 2009.
    """
    held = [np.zeros(0, np.int32), *(item.rows for item in lists)]
    rows, places = np.unique(np.concatenate(held), return_inverse=True)
    scores = np.zeros((len(lists), len(rows)), np.float32)
    ranks = np.zeros((len(lists), len(rows)), np.int32)
    lengths = np.array([len(item.rows) for item in lists], np.int64)
    source = np.repeat(np.arange(len(lists)), lengths)
    rank = np.arange(1, len(places) + 1) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    weight = np.array([item.weight for item in lists], np.float64)
    scores[source, places] = np.concatenate([np.zeros(0, np.float32), *(item.scores for item in lists)])
    ranks[source, places] = rank
    # Added up in the order of the lists.
    fused = np.bincount(places, weights=weight[source] / (RRF_K + rank), minlength=len(rows))
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
