"""What each source says for visits that were held back: the ranks of its candidates, side by side, to be weighed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mercato.arrays import Bool, Float32, Float64, Int32, Int64
from mercato.retrieval.fusion import RRF_K, RankedList

FEW_HITS = 3
"""From so many right candidates a visit on, finding the best of all first is faster than comparing each with all."""


@dataclass(frozen=True, kw_only=True)
class SourceLists:
    """The candidates of visits by source, padded to the longest union.

    Attributes:
        labels: of the sources.
        parts: float32 [2 * sources, visits, candidates]: first what a candidate gets of a source by its rank, for a
            weight of 1, then the scores; 0 where the source does not have it, and behind the last candidate.
        right: int64 [hits], positions of the candidates that were bought, in the flattened visits and candidates.
        visit: int64 [hits], the visit of each.
        bought: int64 [visits], how many products were bought in each.
    """

    labels: Sequence[str]
    parts: Float32
    right: Int64
    visit: Int64
    bought: Int64

    def __len__(self) -> int:
        """Return the number of visits."""
        return len(self.bought)

    def take(self, chosen: Bool) -> SourceLists:
        """Return some of the visits (bool [visits])."""
        number = np.cumsum(chosen) - 1
        width = self.parts.shape[2]
        keep = chosen[self.visit]
        visit = number[self.visit[keep]]
        return SourceLists(
            labels=self.labels,
            parts=self.parts[:, chosen],
            right=visit * width + self.right[keep] % width,
            visit=visit,
            bought=self.bought[chosen],
        )


def line_up(lists: Sequence[Mapping[str, RankedList]], bought: Sequence[Int32], labels: Sequence[str]) -> SourceLists:
    """Put the lists of visits side by side: twice, by reciprocal ranks and by scores.

    Args:
        lists: for each visit the list of each source that has something to say.
        bought: for each visit int32 [n], distinct rows, ascending.
        labels: the sources.
    """
    unions = [
        np.unique(np.concatenate([np.zeros(0, np.int32), *(item.rows for item in own.values())])) for own in lists
    ]
    width = max(map(len, unions), default=0) + 1
    parts = np.zeros((2 * len(labels), len(lists), width), np.float32)
    right: list[Int64] = [np.zeros(0, np.int64)]
    for visit, (own, union, wanted) in enumerate(zip(lists, unions, bought, strict=True)):
        for number, label in enumerate(labels):
            if label in own:
                rows = own[label].rows
                shares = own[label].shares
                part = 1.0 / (RRF_K + np.arange(1, len(rows) + 1))
                at = np.searchsorted(union, rows)
                parts[number, visit, at] = part if shares is None else part * shares
                parts[len(labels) + number, visit, at] = own[label].scores
        right.append(visit * width + np.flatnonzero(np.isin(union, wanted)))
    hits = np.concatenate(right)
    return SourceLists(
        labels=labels,
        parts=parts,
        right=hits,
        visit=hits // width,
        bought=np.array([len(wanted) for wanted in bought], np.int64),
    )


def measure(lists: SourceLists, scores: Float32, cutoff: int) -> Float64:
    """Measure how well scores order the candidates of each visit.

    Args:
        lists: the visits.
        scores: float32 [visits, candidates], 0 for what is no candidate.
        cutoff: how many are looked at.

    Returns:
        float64 [visits], the mean of nDCG and recall within the cutoff. Of equal scores the wrong one stands first.
    """
    gain, found = _count_hits(lists, scores, cutoff)
    ideal = np.cumsum(1.0 / np.log2(np.arange(2, cutoff + 2)))
    most = np.maximum(lists.bought, 1)
    value: Float64 = (gain / ideal[np.minimum(most, cutoff) - 1] + found / most) / 2
    return value


def _count_hits(lists: SourceLists, scores: Float32, cutoff: int) -> tuple[Float64, Float64]:
    """Return the discounted gain and the number of hits within a cutoff: float64 [visits] each."""
    own, visit = scores.ravel()[lists.right], lists.visit
    compared = scores
    if len(own) > FEW_HITS * len(lists) and scores.shape[1] > cutoff + 1:
        # The best of each visit and the next one, which stands at the cutoff where it is as good as the last of them.
        compared = np.partition(scores, scores.shape[1] - cutoff - 1, axis=1)[:, -cutoff - 1 :]
        near = np.flatnonzero(own >= compared[visit, 0])
        own, visit = own[near], visit[near]
    above = (compared[visit] >= own[:, None]).sum(axis=1) - 1  # not itself
    hit = (above < cutoff) & (own > 0)
    gain = np.bincount(visit, np.where(hit, 1.0 / np.log2(above + 2.0), 0.0), len(lists))
    found: Float64 = np.bincount(visit, hit, len(lists)).astype(np.float64)
    return gain.astype(np.float64), found
