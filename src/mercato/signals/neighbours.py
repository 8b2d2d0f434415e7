"""The nearest products of each product: what several signals learn, and how it is looked up for seeds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DENSE_SHARE = 16
"""From one pair in so many products on, adding up over all products is faster than sorting the pairs."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest products of each product, as rows of a sparse matrix.

    Attributes:
        indptr: int64 [products + 1]; the neighbours of row ``i`` lie at ``indptr[i]:indptr[i + 1]``.
        neighbours: int32 [pairs], product rows, best first, equal scores by row.
        scores: float32 [pairs], > 0, higher is closer.
    """

    indptr: NDArray[np.int64]
    neighbours: NDArray[np.int32]
    scores: NDArray[np.float32]

    @classmethod
    def empty(cls, product_count: int) -> "Neighbours":
        """Return the neighbours of products of which nothing is known."""
        return cls(
            indptr=np.zeros(product_count + 1, dtype=np.int64),
            neighbours=np.zeros(0, dtype=np.int32),
            scores=np.zeros(0, dtype=np.float32),
        )

    def score(
        self, seeds: NDArray[np.int32], weights: NDArray[np.float32], candidates: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Score candidates by how near they are to the seeds.

        Args:
            seeds: int32 [seeds], product rows; rows that the matrix does not have contribute nothing.
            weights: float32 [seeds], how much each seed counts.
            candidates: int32 [n], distinct product rows, in any order.

        Returns:
            float32 [n]: ``sum over seeds of weight * score(seed, candidate)``, 0 where no seed has it as a neighbour.
        """
        rows, scores = self._expand(seeds, weights)
        if not len(rows) or not len(candidates):
            return np.zeros(len(candidates), dtype=np.float32)
        if len(rows) * DENSE_SHARE > len(self.indptr):
            return self._sum_dense(rows, scores, candidates)
        result = np.zeros(len(candidates), dtype=np.float32)
        order = np.argsort(candidates, kind="stable")
        ordered = candidates[order]
        at = np.minimum(np.searchsorted(ordered, rows), len(ordered) - 1)
        hit = ordered[at] == rows
        result[order] = np.bincount(at[hit], weights=scores[hit], minlength=len(ordered))
        return result

    def find_neighbours(
        self, seeds: NDArray[np.int32], weights: NDArray[np.float32], limit: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Find the products nearest to the seeds.

        Args:
            seeds: int32 [seeds], product rows; they are never among the results.
            weights: float32 [seeds], how much each seed counts.
            limit: most products to return.

        Returns:
            rows int32 [k] and scores float32 [k], best first, equal scores by row; k <= limit.
        """
        rows, scores = self._expand(seeds, weights)
        if len(rows) * DENSE_SHARE > len(self.indptr):
            totals = np.bincount(rows, weights=scores, minlength=len(self.indptr) - 1).astype(np.float32)
            totals[seeds[(seeds >= 0) & (seeds < len(totals))]] = 0.0
            found = np.flatnonzero(totals)
            totals = totals[found]
        else:
            found, inverse = np.unique(rows, return_inverse=True)
            totals = np.bincount(inverse, weights=scores, minlength=len(found)).astype(np.float32)
            if len(found):
                at = np.minimum(np.searchsorted(found, seeds), len(found) - 1)
                totals[at[found[at] == seeds]] = 0.0
        if len(found) > limit > 0:
            # A threshold leaves little to sort.
            likely = np.flatnonzero(totals >= np.partition(totals, len(found) - limit)[len(found) - limit])
            found, totals = found[likely], totals[likely]
        order = np.lexsort((found, -totals))[: max(limit, 0)]
        order = order[totals[order] > 0]
        return found[order].astype(np.int32), totals[order]

    def find_largest(
        self, seeds: NDArray[np.int32], weights: NDArray[np.float32], candidates: NDArray[np.int32]
    ) -> NDArray[np.int64]:
        """Find the seed with the largest part in each candidate's `score`: ``weight * score(seed, candidate)``.

        Args:
            seeds: int32 [seeds], product rows.
            weights: float32 [seeds], how much each seed counts, above 0.
            candidates: int32 [n], product rows, distinct but for -1.

        Returns:
            int64 [n], positions in ``seeds``, of equal parts the first; -1 where no seed has the candidate as a
            neighbour.
        """
        largest = np.full(len(candidates), -1, dtype=np.int64)
        rows, parts = self._expand(seeds, weights)
        if not len(rows) or not len(candidates):
            return largest
        known = np.flatnonzero((seeds >= 0) & (seeds < len(self.indptr) - 1))
        origin = np.repeat(known, self.indptr[seeds[known] + 1] - self.indptr[seeds[known]])
        order = np.argsort(candidates, kind="stable")
        ordered = candidates[order]
        at = np.minimum(np.searchsorted(ordered, rows), len(ordered) - 1)
        hit = np.flatnonzero((ordered[at] == rows) & (parts > 0))
        # The last assignment wins.
        hit = hit[np.lexsort((-origin[hit], parts[hit]))]
        largest[order[at[hit]]] = origin[hit]
        return largest

    def _sum_dense(
        self, rows: NDArray[np.int32], scores: NDArray[np.float32], candidates: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        known = (candidates >= 0) & (candidates < len(self.indptr) - 1)
        totals = np.bincount(rows, weights=scores, minlength=len(self.indptr) - 1)
        return np.where(known, totals[np.where(known, candidates, 0)], 0.0).astype(np.float32)

    def _expand(
        self, seeds: NDArray[np.int32], weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the neighbours of all seeds one after the other, with weighted scores."""
        known = (seeds >= 0) & (seeds < len(self.indptr) - 1)
        seeds, weights = seeds[known], weights[known]
        start = self.indptr[seeds]
        length = self.indptr[seeds + 1] - start
        offset = np.repeat(start - np.concatenate(([0], np.cumsum(length)[:-1])), length) if len(seeds) else start
        at = np.arange(len(offset)) + offset
        return self.neighbours[at], self.scores[at] * np.repeat(weights.astype(np.float32), length)
