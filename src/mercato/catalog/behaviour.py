"""What a snapshot learned from histories beyond orders, in one file of its own."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from mercato.catalog.arrays import map_arrays, write_arrays
from mercato.signals.factors import Factors
from mercato.signals.momentum import Momentum
from mercato.signals.neighbours import Neighbours
from mercato.signals.regional import Regional


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
    factors: Factors = field(default_factory=Factors.empty)
    regional: Regional = field(default_factory=Regional.empty)
    until: float = float("nan")

    @classmethod
    def empty(cls, product_count: int) -> Behaviour:
        """Return what is known where nothing happened yet."""
        nothing = Neighbours.empty(product_count)
        return cls(ease=nothing, lately=nothing, momentum=Momentum.empty(product_count))


def write_behaviour(path: Path, behaviour: Behaviour) -> None:
    """Write it as named arrays, as ``ease.indptr``."""
    parts = asdict(behaviour)
    until = np.array([parts.pop("until")], np.float64)
    arrays = {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
    write_arrays(path, {**arrays, "until": until})


def read_behaviour(path: Path, product_count: int) -> Behaviour:
    """Read what `write_behaviour` wrote; a snapshot from before there was such a file, or a part, knows nothing of it.

    Raises:
        SnapshotError: the file is truncated or not of this format.
    """
    if not path.exists():
        return Behaviour.empty(product_count)
    arrays = map_arrays(path)

    def part(name: str) -> dict[str, object]:
        return {key.split(".", 1)[1]: array for key, array in arrays.items() if key.startswith(f"{name}.")}

    factors, regional = part("factors"), part("regional")
    return Behaviour(
        ease=Neighbours(**part("ease")),  # type: ignore[arg-type]
        lately=Neighbours(**part("lately")),  # type: ignore[arg-type]
        momentum=Momentum(**part("momentum")),  # type: ignore[arg-type]
        factors=Factors(**factors) if factors else Factors.empty(),  # type: ignore[arg-type]
        regional=Regional(**regional) if regional else Regional.empty(),  # type: ignore[arg-type]
        until=float(arrays["until"][0]) if "until" in arrays else float("nan"),
    )
