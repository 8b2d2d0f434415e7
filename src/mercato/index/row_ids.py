"""The rows of products by their ids: mapped, so that a million ids cost each process that asks for them nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from mercato.arrays import Int32, UInt64
from mercato.catalog.columns import TextColumn
from mercato.errors import SnapshotError
from mercato.index import layout
from mercato.index.arrays import map_arrays, write_arrays, write_start
from mercato.index.documents import Documents
from mercato.index.text_lookup import find_places, sort_hashes

_KEPT = 16_384
"""Ids whose row is kept once it was looked for: histories and baskets name the same products again and again."""


class RowIds(Mapping[str, int]):
    """Row of each product id, and maybe of each variant's product by the variant's id.

    A product's own id goes first, then the product of the lowest row.
    """

    def __init__(
        self,
        documents: Documents,
        hashes: UInt64,
        rows: Int32,
        variants: TextColumn | None = None,
        moves: Int32 | None = None,
    ) -> None:
        """Take ids.

        Args:
            documents: what ids the rows have.
            hashes: uint64 [rows], of the ids, ascending.
            rows: int32 [rows], the row of each.
            variants: ids with the rows that have them, those of products among them; None to know products alone.
            moves: int32 [rows], where each row stands in another order; None for no other.
        """
        self._documents, self._hashes, self._rows, self._variants = documents, hashes, rows, variants
        self._moves = moves
        self.find = lru_cache(_KEPT)(self._search)
        """Return the row of an id; -1 for an unknown one."""

    def with_variants(self, variants: TextColumn | None) -> RowIds:
        """Return the same with the ids of variants; None where no product has any."""
        return self if variants is None else RowIds(self._documents, self._hashes, self._rows, variants, self._moves)

    def reorder(self, row_of: Int32) -> RowIds:
        """Return the same with rows in another order: int32 [rows], where each row stands in it."""
        return RowIds(self._documents, self._hashes, self._rows, self._variants, row_of)

    def __getitem__(self, product_id: str) -> int:
        """Return the row of an id; raises KeyError for an unknown one."""
        row = self.find(product_id)
        if row < 0:
            raise KeyError(product_id)
        return row

    def __contains__(self, product_id: object) -> bool:
        """Tell whether an id is known."""
        return isinstance(product_id, str) and self.find(product_id) >= 0

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids, those of products first."""
        yield from self._documents.ids()
        for value in () if self._variants is None else self._variants.values():
            if self._search_products(value) < 0:
                yield value

    def __len__(self) -> int:
        """Count the ids."""
        return self._documents.count if self._variants is None else len(self._variants)

    def _search(self, product_id: str) -> int:
        row = self._search_products(product_id)
        if row < 0 and self._variants is not None:
            rows = self._variants.rows_of(product_id)
            row = int(rows[0]) if len(rows) else -1
        return row if row < 0 or self._moves is None else int(self._moves[row])

    def _search_products(self, product_id: str) -> int:
        found = find_places(self._hashes, self._rows, product_id)
        return next((row for row in found if self._documents.id(row) == product_id), -1)


def write_rows(folder: Path, ids: list[str]) -> None:
    """Write into a snapshot what finds the rows of ids, distinct and in row order, and what rows are at first."""
    hashes, rows = sort_hashes([one.encode("utf-8", "surrogatepass") for one in ids])
    write_arrays(folder / layout.IDS, {"hashes": hashes, "rows": rows})
    write_start(folder / layout.ROWS, np.arange(len(ids), dtype=np.int32))
    write_start(folder / layout.ALIVE, np.ones(len(ids), np.bool_))


def read_row_ids(path: Path, documents: Documents) -> RowIds:
    """Read the ids that `write_rows` wrote; of a snapshot from before there was such a file it is made again.

    Raises:
        SnapshotError: the file is truncated or not of this format.
    """
    if path.exists():
        arrays = map_arrays(path)
        try:
            return RowIds(documents, arrays["hashes"], arrays["rows"])
        except KeyError as exc:
            raise SnapshotError(f"{path.name}: has no {exc}; build the snapshot again") from exc
    return RowIds(documents, *sort_hashes([one.encode("utf-8", "surrogatepass") for one in documents.ids()]))
