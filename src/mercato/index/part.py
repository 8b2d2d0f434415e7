"""Which part of a catalogue a snapshot holds: all of it, or the products of one shard (docs/decisions/0052).

A shard has rows of its own, in the order of the whole catalogue's. Statistics, lexicons and settings of a shard are
those of the whole catalogue.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mercato.arrays import Int32
from mercato.errors import SnapshotError
from mercato.index import layout
from mercato.index.arrays import map_arrays, write_arrays
from mercato.membership import find_among


@dataclass(frozen=True, kw_only=True)
class CatalogPart:
    """The products of a snapshot among those of the whole catalogue.

    Attributes:
        products: how many the whole catalogue has.
        rows: int32 [rows of the snapshot], ascending, where each stands in the whole catalogue; None where the snapshot
            is the whole.
        cut: what tells the shards of one cut from those of another; empty for a snapshot that is whole.
        number: of the shard, from 1; 0 where it is none.
        shards: how many there are.
        is_router: whether it is what a router opens: all rows, without documents and vectors.
        owners: of a router the shard of each row, int16 [rows], from 0; empty for others.
    """

    products: int
    rows: Int32 | None = None
    cut: str = ""
    number: int = 0
    shards: int = 0
    is_router: bool = False
    owners: npt.NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))

    def name_rows(self, rows: npt.NDArray[np.integer[Any]]) -> Int32:
        """Return where rows of the snapshot stand in the whole catalogue, int32 [n]."""
        return rows.astype(np.int32) if self.rows is None else self.rows[rows]

    def find_rows(self, named: npt.NDArray[np.integer[Any]]) -> Int32:
        """Return the rows here of rows of the whole catalogue, int32 [n]; -1 for those of other parts."""
        if self.rows is None:
            return named.astype(np.int32)
        places, found = find_among(named, self.rows)
        return np.where(found, places, -1).astype(np.int32)


def read_kind(folder: Path) -> Literal["whole", "router", "shard"]:
    """Tell what a snapshot is; one that is not there is taken for a whole one.

    Raises:
        SnapshotError: which part it holds cannot be read.
    """
    part = read_part(folder, 0)
    if part.is_router:
        return "router"
    return "whole" if part.rows is None else "shard"


def write_part(folder: Path, part: CatalogPart) -> None:
    """Write which part a snapshot holds."""
    facts = {"products": part.products, "cut": part.cut, "number": part.number, "shards": part.shards}
    arrays: dict[str, npt.NDArray[Any]] = {"facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)}
    if part.rows is not None:
        arrays["rows"] = part.rows
    if part.is_router:
        arrays["owners"] = part.owners
    write_arrays(folder / layout.PART, arrays)


def read_part(folder: Path, count: int) -> CatalogPart:
    """Read what `write_part` wrote; a snapshot without is the whole of its ``count`` products.

    Raises:
        SnapshotError: the file is truncated or not of this format.
    """
    path = folder / layout.PART
    if not path.exists():
        return CatalogPart(products=count)
    arrays = map_arrays(path)
    try:
        facts = json.loads(arrays["facts"].tobytes())
        is_router = "rows" not in arrays
        owners = arrays["owners"] if is_router else np.zeros(0, np.int16)
        return CatalogPart(**facts, rows=arrays.get("rows"), is_router=is_router, owners=owners)
    except (KeyError, TypeError, ValueError) as exc:
        raise SnapshotError(f"{path.name}: cannot be read ({exc}); run `mercato shard` again") from exc
