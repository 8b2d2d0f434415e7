"""Bundles of a snapshot: sets of two to four products that people buy together, with the counts that prove them.

`mercato index` mines them (`mercato.indexing.mine_bundles`); a snapshot that was built before has none.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mercato.arrays import Float32, Int32, Int64
from mercato.index.arrays import map_arrays, write_arrays
from mercato.index.dense import expand_groups

MOST_MEMBERS = 4
NO_MEMBER = -1


@dataclass(frozen=True, kw_only=True)
class Bundles:
    """Sets of products that were bought together.

    Each person counts as one, divided evenly among that person's orders: of who buys every day an order says little,
    of who bought once it says all. The **support** of some products is the sum of the orders that hold all of them.

    Attributes:
        members: int32 [bundles, MOST_MEMBERS], snapshot rows, ascending, `NO_MEMBER` behind the last.
        people: int32 [bundles], how many bought all of it in one order.
        support: float32 [bundles, 2 ** MOST_MEMBERS], the support of each part: bit ``j`` of a column's number stands
            for the ``j``-th member. 0 where it was not counted.
        indptr: int64 [products + 1]; product ``i`` is in ``holding[indptr[i]:indptr[i + 1]]``. Products behind the last
            are in none.
        holding: int32, bundles, ascending for each product.
        shoppers: float64 [1], people who ordered anything.
    """

    members: Int32
    people: Int32
    support: Float32
    indptr: Int64
    holding: Int32
    shoppers: np.ndarray[tuple[int], np.dtype[np.float64]]

    def __len__(self) -> int:
        """Return the number of bundles."""
        return len(self.people)

    def find(self, rows: Int32) -> Int64:
        """Return the bundles that hold any of some snapshot rows (int32 [n]): int64 [m], ascending."""
        known = rows[(rows >= 0) & (rows < len(self.indptr) - 1)]
        positions, _ = expand_groups(known.astype(np.int64), self.indptr)
        found: Int64 = np.unique(self.holding[positions]).astype(np.int64)
        return found


def no_bundles() -> Bundles:
    """Return none."""
    return pack_bundles(
        np.zeros((0, MOST_MEMBERS), np.int32),
        np.zeros(0, np.int32),
        np.zeros((0, 2**MOST_MEMBERS), np.float32),
        shoppers=0.0,
    )


def pack_bundles(members: Int32, people: Int32, support: Float32, *, shoppers: float) -> Bundles:
    """Return sets with what finds them by their members; see `Bundles`."""
    bundle, _ = np.nonzero(members >= 0)
    rows = members[members >= 0]
    order = np.lexsort((bundle, rows))
    return Bundles(
        members=members,
        people=people,
        support=support,
        indptr=np.concatenate([[0], np.cumsum(np.bincount(rows))]).astype(np.int64),
        holding=bundle[order].astype(np.int32),
        shoppers=np.array([shoppers]),
    )


def write_bundles(path: Path, bundles: Bundles) -> None:
    """Write the bundles of a snapshot."""
    write_arrays(path, asdict(bundles))


def read_bundles(path: Path) -> Bundles:
    """Read what `write_bundles` wrote; none where a snapshot was built before there were any.

    Raises:
        SnapshotError: the file is truncated or not of this format.
    """
    return Bundles(**map_arrays(path)) if path.exists() else no_bundles()
