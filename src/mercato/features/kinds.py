"""What kind of thing a product is: the categories it is in and the attributes it has, whatever their values.

A toner has a page yield and a printing technology, a cable a length and two connectors: names alone tell kinds of
products apart where nobody has assigned categories. The kind is a sparse unit vector over such names, rare names
weighing more (inverse document frequency, Sparck Jones 1972).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """The kinds of all products, row after row.

    Attributes:
        bounds: int64 [N + 1]; what row ``i`` has is ``names[bounds[i]:bounds[i + 1]]``. Empty where nothing is known.
        names: int32 [m], numbers of names.
        weights: float32 [m], of unit length within each row.
    """

    bounds: NDArray[np.int64]
    names: NDArray[np.int32]
    weights: NDArray[np.float32]

    def gather(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        """Return what some rows have: the index in ``rows`` int64 [k], names int32 [k], weights float32 [k]."""
        if not len(self.bounds):
            return np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)
        starts = self.bounds[rows]
        lengths = self.bounds[rows + 1] - starts
        before = np.cumsum(lengths) - lengths
        source = np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
        return np.repeat(np.arange(len(rows)), lengths), self.names[source], self.weights[source]

    def take(self, rows: NDArray[np.int64]) -> Kinds:
        """Return the kinds of some rows, in that order."""
        if not len(self.bounds):
            return self
        lengths = np.diff(self.bounds)[rows]
        _, names, weights = self.gather(rows.astype(np.int32))
        return Kinds(bounds=np.concatenate(([0], np.cumsum(lengths))), names=names, weights=weights)

    def append(self, more: Kinds) -> Kinds:
        """Return these kinds and those of further rows; nothing where nothing is known of these."""
        if not len(self.bounds):
            return self
        return Kinds(
            bounds=np.concatenate((self.bounds, self.bounds[-1] + more.bounds[1:])),
            names=np.concatenate((self.names, more.names)),
            weights=np.concatenate((self.weights, more.weights)),
        )


def compare_kinds(
    index: NDArray[np.int64],
    names: NDArray[np.int32],
    weights: NDArray[np.float32],
    examples: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Compare products with the mean kind of some of them.

    Args:
        index: int64 [k], which product each name belongs to, from `Kinds.gather`.
        names: int32 [k].
        weights: float32 [k].
        examples: bool [n], the products whose mean is taken.

    Returns:
        float32 [n], 0 to 1: the inner product of each product's kind with the mean of the examples' kinds; 0 where a
        product has no kind, or no example has one.
    """
    count = int(np.count_nonzero(examples))
    if not count or not len(names):
        return np.zeros(len(examples), np.float32)
    chosen = examples[index]
    mean = np.bincount(names[chosen], weights[chosen], int(names.max()) + 1) / count
    similarity: NDArray[np.float32] = np.bincount(index, weights * mean[names], len(examples)).astype(np.float32)
    return similarity
