"""Numbers of those documents that a query found, by document: 0 for every other, and no memory for it.

Of a million documents a query's words find some thousands. An array over all costs a page of fresh memory for every
thousand of them, and a pass to find what is not 0; here only what was found is held.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float32, Int64

Rows = npt.NDArray[np.integer[Any]]

_SPARSE_SHARE = 1 / 2
"""Below this share of all documents merging what was found costs less than a pass over all of them."""
_FEW_DOCUMENTS = 65_536
"""A pass over so few costs next to nothing."""


class _Kept(threading.local):
    """What a thread lent and got back."""

    def __init__(self) -> None:
        self.arrays: dict[tuple[str, int], Float32] = {}


_KEPT = _Kept()


class FoundValues:
    """A number for each document, of which those that were found are held."""

    __slots__ = ("_count", "_rows", "values")

    def __init__(self, rows: Int64, values: Float32, count: int) -> None:
        """Hold numbers.

        Args:
            rows: int64 [m], the documents, ascending.
            values: float32 [m], the number of each; written to by nobody else.
            count: how many documents there are.
        """
        self._rows, self.values, self._count = rows, values, count

    def __len__(self) -> int:
        """Count the documents, found or not."""
        return self._count

    def __getitem__(self, rows: Rows) -> Float32:
        """Return the numbers of documents, int of any shape: float32 of the same."""
        if rows is self._rows:
            return self.values
        if not len(self._rows):
            return np.zeros(np.shape(rows), np.float32)
        at = np.minimum(np.searchsorted(self._rows, rows), len(self._rows) - 1)
        return np.where(self._rows[at] == rows, self.values[at], np.float32(0.0))

    def spread(self) -> Float32:
        """Return the numbers of all documents, float32 [count]."""
        spread = np.zeros(self._count, np.float32)
        spread[self._rows] = self.values
        return spread


@contextmanager
def borrow_zeros(count: int, names: Sequence[str]) -> Iterator[list[Float32]]:
    """Lend arrays of zeros over all documents, which must be zeros again when they are given back.

    Each thread keeps what it lends: making millions of zeros for each query would cost more than the query. Where an
    exception leaves the context, the arrays are thrown away.

    Args:
        count: of documents.
        names: of the arrays; one of a name that is lent already is made anew.

    Yields:
        float32 [count] for each name.
    """
    kept = _KEPT.arrays
    lent = {(name, count): kept.pop((name, count), None) for name in names}
    arrays = [np.zeros(count, np.float32) if array is None else array for array in lent.values()]
    yield arrays
    for key in [key for key in kept if key[1] != count]:  # of another catalogue, or of another number of changes
        del kept[key]
    kept.update(zip(lent, arrays, strict=True))


def join_rows(touched: Sequence[Int64], count: int) -> Int64:
    """Join lists of documents, each of distinct ones ascending: int64 [m], ascending, each once."""
    if len(touched) == 1:
        return touched[0]
    if count > _FEW_DOCUMENTS and sum(map(len, touched)) <= _SPARSE_SHARE * count:
        merged = np.sort(np.concatenate([np.zeros(0, np.int64), *touched]), kind="stable")  # merges what is in order
        fresh = np.ones(len(merged), np.bool_)
        np.not_equal(merged[1:], merged[:-1], out=fresh[1:])
        joined: Int64 = merged[fresh]
        return joined
    marked = np.zeros(count, np.bool_)
    for rows in touched:
        marked[rows] = True
    return np.flatnonzero(marked)


def take_out(scores: Float32, rows: Int64) -> Float32:
    """Take the numbers of documents, int64 [n], out of an array: float32 [n]; zeros are left."""
    taken: Float32 = scores[rows]
    scores[rows] = 0.0
    return taken
