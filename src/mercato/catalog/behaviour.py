"""What a snapshot learned from histories beyond orders, in one file of its own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from mercato.catalog.arrays import map_arrays, write_arrays
from mercato.signals.momentum import Momentum
from mercato.signals.neighbours import Neighbours


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What goes together in histories, and how products sell right now.

    Attributes:
        ease: what the histories that have a product have besides.
        lately: the same, of the last weeks' purchases alone.
        momentum: how products sell right now.
    """

    ease: Neighbours
    lately: Neighbours
    momentum: Momentum

    @classmethod
    def empty(cls, product_count: int) -> Behaviour:
        """Return what is known where nothing happened yet."""
        nothing = Neighbours.empty(product_count)
        return cls(ease=nothing, lately=nothing, momentum=Momentum.empty(product_count))


def write_behaviour(path: Path, behaviour: Behaviour) -> None:
    """Write it as named arrays, as ``ease.indptr``."""
    parts = asdict(behaviour)
    write_arrays(path, {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()})


def read_behaviour(path: Path, product_count: int) -> Behaviour:
    """Read what `write_behaviour` wrote; a snapshot from before there was such a file knows nothing of it.

    Raises:
        SnapshotError: the file is truncated or not of this format.
    """
    if not path.exists():
        return Behaviour.empty(product_count)
    arrays = map_arrays(path)

    def part(name: str) -> dict[str, object]:
        return {key.split(".", 1)[1]: array for key, array in arrays.items() if key.startswith(f"{name}.")}

    return Behaviour(
        ease=Neighbours(**part("ease")),  # type: ignore[arg-type]
        lately=Neighbours(**part("lately")),  # type: ignore[arg-type]
        momentum=Momentum(**part("momentum")),  # type: ignore[arg-type]
    )
