"""What a snapshot learned from histories beyond orders, in one file of its own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mercato.index.arrays import map_arrays, write_arrays
from mercato.signals.factors import Factors
from mercato.signals.momentum import Momentum
from mercato.signals.neighbours import Neighbours
from mercato.signals.popularity import Popularity
from mercato.signals.regional import Regional
from mercato.signals.repeat import Repeat

LATELY_DAYS = 35.0
"""Days whose purchases "lately" explains: a season's turn, and enough purchases to learn from."""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What goes together in histories, and how products sell right now.

    Attributes:
        ease: what the histories that have a product have besides.
        lately: the same, of the last weeks' purchases alone.
        momentum: how products sell right now.
        factors: what kinds of shoppers buy a product.
        regional: what sells in each region right now.
        until: the moment of which "right now" speaks, seconds since 1970 UTC; NaN where nobody knows.
    """

    ease: Neighbours
    lately: Neighbours
    momentum: Momentum
    factors: Factors
    regional: Regional
    until: float


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What was learned of a catalogue's rows.

    Attributes:
        popularity: how often products are bought.
        repeat: whether and how soon they are bought again.
        cooccurrence: what is bought in one order with them.
        behaviour: what goes together in whole histories, and how they sell right now.
    """

    popularity: Popularity
    repeat: Repeat
    cooccurrence: Neighbours
    behaviour: Behaviour


def write_behaviour(path: Path, behaviour: Behaviour) -> None:
    """Write it as named arrays, as ``ease.indptr``."""
    parts = asdict(behaviour)
    until = np.array([parts.pop("until")], np.float64)
    arrays = {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
    write_arrays(path, {**arrays, "until": until})


def read_behaviour(path: Path) -> Behaviour:
    """Read what `write_behaviour` wrote.

    Raises:
        SnapshotError: the file is missing, truncated or not of this format.
    """
    arrays = map_arrays(path)

    def part(name: str) -> dict[str, Any]:
        return {key.split(".", 1)[1]: array for key, array in arrays.items() if key.startswith(f"{name}.")}

    return Behaviour(
        ease=Neighbours(**part("ease")),
        lately=Neighbours(**part("lately")),
        momentum=Momentum(**part("momentum")),
        factors=Factors(**part("factors")),
        regional=Regional(**part("regional")),
        until=float(arrays["until"][0]),
    )
