"""How often a snapshot's neighbours were bought together, in a file of its own: only explanations read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mercato.index.arrays import map_arrays, write_arrays
from mercato.index.behaviour import LATELY_DAYS, Signals
from mercato.signals.events import EventColumns
from mercato.signals.neighbours import Neighbours
from mercato.signals.together import count_orders_together, count_shoppers_together

Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Together:
    """Counts of purchases of two products, in the order of each kind of neighbours.

    Attributes:
        bought: whether signals were learned from purchases; without any purchase they are learned from what there is.
        orders: int32 [pairs of co-occurrence], orders with both; empty where nobody counted.
        shoppers: int32 [pairs of EASE], shoppers who bought both.
        lately: int32 [pairs of the second EASE], shoppers who bought the one and lately the other.
    """

    bought: bool
    orders: Int32
    shoppers: Int32
    lately: Int32

    @classmethod
    def unknown(cls) -> Together:
        """Return what is known where nobody counted."""
        nothing = np.zeros(0, np.int32)
        return cls(bought=False, orders=nothing, shoppers=nothing, lately=nothing)


def count_together(purchases: EventColumns, signals: Signals, *, until: float) -> Together:
    """Count the purchases behind what was learned.

    Args:
        purchases: all purchases; where there are none nothing is counted.
        signals: what was learned.
        until: seconds since 1970 UTC; only strictly earlier events count.
    """
    if not (purchases.time < until).any():
        return Together.unknown()
    behaviour = signals.behaviour
    return Together(
        bought=True,
        orders=count_orders_together(purchases, signals.cooccurrence, until=until),
        shoppers=count_shoppers_together(purchases, behaviour.ease, until=until),
        lately=count_shoppers_together(purchases, behaviour.lately, until=until, days=LATELY_DAYS),
    )


def find_count(neighbours: Neighbours, counts: Int32, row: int, neighbour: int) -> int:
    """Return the count of a product and one of its neighbours; 0 where they are none or nobody counted."""
    if not len(counts) or not 0 <= row < len(neighbours.indptr) - 1:
        return 0
    start, stop = int(neighbours.indptr[row]), int(neighbours.indptr[row + 1])
    found = np.flatnonzero(neighbours.neighbours[start:stop] == neighbour)
    return int(counts[start + int(found[0])]) if len(found) else 0


def write_together(path: Path, together: Together) -> None:
    """Write it as named arrays."""
    bought = np.array([together.bought], np.uint8)
    counts = {"orders": together.orders, "shoppers": together.shoppers, "lately": together.lately}
    write_arrays(path, {"bought": bought, **counts})


def read_together(path: Path) -> Together:
    """Read what `write_together` wrote; of a snapshot from before there was such a file nothing is known.

    Raises:
        SnapshotError: the file is truncated or not of this format.
    """
    if not path.exists():
        return Together.unknown()
    arrays = map_arrays(path)
    counts = {name: arrays[name] for name in ("orders", "shoppers", "lately")}
    return Together(bought=bool(arrays["bought"][0]), **counts)
