"""The nearest products of each product: what several signals learn, and how it is looked up for seeds."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

DENSE_SHARE = 16
"""From one pair in so many products that are neighbours at all, adding up over all is faster than sorting the pairs."""
WINDOW_WASTE = 2
"""How many times as many pairs as there are may be copied, so that they are copied line by line."""


def find_positions(
    ascending: NDArray[np.integer[Any]], wanted: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Look values up in ascending ones.

    Args:
        ascending: integers [m], at least one.
        wanted: integers [n].

    Returns:
        Positions int64 [n] in ``ascending``, and bool [n], whether the value stands there at all.
    """
    at = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    return at, ascending[at] == wanted


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """How near products are to some seeds.

    Attributes:
        rows: int32 [m], ascending, the products that are a neighbour of some seed.
        totals: float32 [m], how near each is.
        seeds: int32 [seeds].
    """

    rows: NDArray[np.int32]
    totals: NDArray[np.float32]
    seeds: NDArray[np.int32]

    def score(self, candidates: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return how near candidates are: float32 [n], 0 for what is no neighbour of a seed.

        Args:
            candidates: int32 [n], product rows, in any order.
        """
        if not len(self.rows):
            return np.zeros(len(candidates), dtype=np.float32)
        at, found = find_positions(self.rows, candidates)
        return np.where(found, self.totals[at], np.float32(0.0))

    def find(self, limit: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the nearest products, but for the seeds.

        Args:
            limit: most products to return.

        Returns:
            rows int32 [k] and scores float32 [k] > 0, best first, equal scores by row; k <= limit.
        """
        found, totals = self.rows, self.totals.copy()
        if not len(found):
            return found, totals
        at, is_neighbour = find_positions(found, self.seeds)
        totals[at[is_neighbour]] = 0.0
        if len(found) > limit > 0:
            # A threshold leaves little to sort.
            likely = np.flatnonzero(totals >= np.partition(totals, len(found) - limit)[len(found) - limit])
            found, totals = found[likely], totals[likely]
        order = np.argsort(-totals, kind="stable")[: max(limit, 0)]  # stable: equal ones stay by row
        order = order[totals[order] > 0]
        return found[order], totals[order]


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest products of each product, as rows of a sparse matrix.

    Attributes:
        indptr: int64 [products + 1]; the neighbours of row ``i`` lie at ``indptr[i]:indptr[i + 1]``.
        neighbours: int32 [pairs], product rows, best first, equal scores by row.
        scores: float32 [pairs], > 0, higher is closer.

    What is derived when it is first asked for takes 4 bytes a pair.
    """

    indptr: NDArray[np.int64]
    neighbours: NDArray[np.int32]
    scores: NDArray[np.float32]

    @classmethod
    def empty(cls, product_count: int = 0) -> "Neighbours":
        """Return the neighbours of products of which nothing is known."""
        return cls(
            indptr=np.zeros(product_count + 1, dtype=np.int64),
            neighbours=np.zeros(0, dtype=np.int32),
            scores=np.zeros(0, dtype=np.float32),
        )

    def add_up(self, seeds: NDArray[np.int32], weights: NDArray[np.float32]) -> "Nearness":
        """Add up how near every product is to the seeds, once for all that is asked of it afterwards.

        Args:
            seeds: int32 [seeds], product rows; rows that the matrix does not have contribute nothing.
            weights: float32 [seeds], how much each seed counts.

        Returns:
            ``sum over seeds of weight * score(seed, product)`` of every product that is a neighbour of some seed.
        """
        nothing = Nearness(rows=np.zeros(0, np.int32), totals=np.zeros(0, np.float32), seeds=seeds)
        if not len(seeds):  # strangers need not wait
            return nothing
        start, length, weights = self._locate(seeds, weights)
        if not len(start):
            return nothing
        if length.sum() * DENSE_SHARE > len(self._reachable):
            indices, parts = self._copy_lines(start, length, weights)
            totals = np.bincount(indices, weights=parts, minlength=len(self._reachable))
            # A mask first: numpy looks for what is not 0 five times as fast among truth values.
            reached = np.flatnonzero(totals != 0)
            found, totals = self._reachable[reached], totals[reached]
        else:
            at = _list_positions(start, length)
            found, inverse = np.unique(self.neighbours[at], return_inverse=True)
            parts = self.scores[at] * np.repeat(weights, length)
            totals = np.bincount(inverse, weights=parts, minlength=len(found))
        return Nearness(rows=found, totals=totals.astype(np.float32), seeds=seeds)

    def find_largest(
        self, seeds: NDArray[np.int32], weights: NDArray[np.float32], candidates: NDArray[np.int32]
    ) -> NDArray[np.int64]:
        """Find the seed with the largest part in each candidate's nearness: ``weight * score(seed, candidate)``.

        Args:
            seeds: int32 [seeds], product rows.
            weights: float32 [seeds], how much each seed counts, above 0.
            candidates: int32 [n], product rows, distinct but for -1.

        Returns:
            int64 [n], positions in ``seeds``, of equal parts the first; -1 where no seed has the candidate as a
            neighbour.
        """
        largest = np.full(len(candidates), -1, dtype=np.int64)
        known = np.flatnonzero((seeds >= 0) & (seeds < len(self.indptr) - 1))
        start = self.indptr[seeds[known]]
        length = self.indptr[seeds[known] + 1] - start
        at = _list_positions(start, length)
        if not len(at) or not len(candidates):
            return largest
        rows, parts = self.neighbours[at], self.scores[at] * np.repeat(weights[known].astype(np.float32), length)
        origin = np.repeat(known, length)
        order = np.argsort(candidates, kind="stable")
        at, is_candidate = find_positions(candidates[order], rows)
        hit = np.flatnonzero(is_candidate & (parts > 0))
        # The last assignment wins.
        hit = hit[np.lexsort((-origin[hit], parts[hit]))]
        largest[order[at[hit]]] = origin[hit]
        return largest

    @cached_property
    def _reachable(self) -> NDArray[np.int32]:
        """Products that are a neighbour of some product, ascending: int32 [m]."""
        return np.flatnonzero(np.bincount(self.neighbours, minlength=len(self.indptr) - 1)).astype(np.int32)

    @cached_property
    def _longest(self) -> int:
        """Most neighbours of one product."""
        return int(np.diff(self.indptr).max(initial=0))

    @cached_property
    def _lines(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """What follows each pair, as many as the longest line has: indices, scores [pairs - longest + 1, longest]."""
        return sliding_window_view(self._indices, self._longest), sliding_window_view(self.scores, self._longest)

    @cached_property
    def _indices(self) -> NDArray[np.int32]:
        """Each neighbour's index among the reachable: int32 [pairs], so that sums need no room for all products."""
        index = np.zeros(len(self.indptr) - 1, np.int32)
        index[self._reachable] = np.arange(len(self._reachable))
        indices: NDArray[np.int32] = index[self.neighbours]
        return indices

    def _locate(
        self, seeds: NDArray[np.int32], weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return where the line of each seed that has one begins, how long it is, and the seed's weight."""
        known = np.flatnonzero((seeds >= 0) & (seeds < len(self.indptr) - 1))
        start = self.indptr[seeds[known]]
        length = self.indptr[seeds[known] + 1] - start
        filled = length > 0
        return start[filled], length[filled], weights[known[filled]].astype(np.float32)

    def _copy_lines(
        self, start: NDArray[np.int64], length: NDArray[np.int64], weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the indices of all seeds' neighbours and their weighted scores, maybe with scores of 0 in between.

        Where most seeds have as many neighbours as any product has, copying so many from where each line begins takes a
        fifth of the time of picking them one by one.
        """
        width = self._longest
        wasteful = width * len(start) > WINDOW_WASTE * length.sum()
        if wasteful or start.max() + width > len(self.neighbours):
            at = _list_positions(start, length)
            return self._indices[at], self.scores[at] * np.repeat(weights, length)
        lines, line_scores = self._lines
        parts = line_scores[start] * weights[:, None]
        if length.min() < width:
            parts[np.arange(width) >= length[:, None]] = 0.0
        return lines[start].ravel(), parts.ravel()


def _list_positions(start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions ``start`` to ``start + length`` of each line, one line after the other."""
    ends = np.cumsum(length)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(start - ends + length, length)
