"""Reading files of a few columns, such as prices and stock: an id a row, and the fields that it changes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mercato.catalog.column_mapping import ColumnMapping
from mercato.catalog.problems import LeftOut, keep_readable
from mercato.catalog.shop_formats import find_format
from mercato.errors import DataError, InvalidInputError
from mercato.incoming import Rejected
from mercato.tables.open import open_table
from mercato.tables.table import rows_in_order


@dataclass(frozen=True, slots=True)
class Patch:
    """A row of a file of changes.

    Attributes:
        line: of the file, as `Rejected.position` counts it.
        product_id: which product.
        fields: what it changes; values as the file has them, to be checked with the product.
        left_out: values that cannot be read.
    """

    line: int
    product_id: str
    fields: dict[str, Any]
    left_out: tuple[LeftOut, ...] = ()


class PatchFile:
    """A file of changes, opened. It needs an id and a field to change, and no title.

    A column that is neither mapped, nor named as a field, nor ``attributes.KEY``, is left out: a price feed brings
    columns of its own (a warehouse, a date) that nobody should search by.

    Attributes:
        left_out: columns that change nothing: neither mapped nor named as a field.
    """

    def __init__(self, path: Path, mapping: Mapping[str, str] | None = None, *, encoding: str = "") -> None:
        """Open a file.

        Args:
            path: the file, of a format that `open_table` reads.
            mapping: field -> column, as from `parse_mapping`.
            encoding: of a text format, where it is known.

        Raises:
            DataError: the file cannot be read, is empty, or lacks a column (with the columns there are).
            InvalidInputError: the mapping is not well formed.
        """
        self._table = open_table(path, encoding=encoding)
        self._mapping = ColumnMapping(
            mapping or {},
            self._table,
            path.name,
            shop=find_format(self._table.columns),
            now=time.time(),
            required=("id",),
            only_named=True,
        )
        if not self._mapping.fields:
            raise DataError(
                f"{path.name} has no column that changes a product; its columns: {', '.join(self._table.columns)}; name"
                " one, for example --map price=COLUMN"
            )
        self.left_out = self._mapping.left_out

    def read(self) -> Iterator[Patch | Rejected]:
        """Read the rows; a cell without a value changes nothing.

        Raises:
            DataError: the file is damaged.
        """
        for batch in self._table.read(as_written=self._mapping.as_written):
            for item in rows_in_order(batch):
                if isinstance(item, Rejected):
                    yield item
                    continue
                line, raw = item
                row = self._mapping.read(raw, line)
                product_id = row.document.pop("id", None)
                if not isinstance(product_id, str):
                    yield Rejected(line, "id: must be given and not be empty")
                    continue
                try:
                    fields, left_out = keep_readable(row.document)
                except InvalidInputError as exc:
                    yield Rejected(line, str(exc))
                    continue
                yield Patch(line, product_id, fields, (*row.left_out, *left_out))


def read_patches(path: Path, mapping: Mapping[str, str] | None = None) -> Iterator[Patch | Rejected]:
    """Read a file of changes; see `PatchFile`."""
    return PatchFile(path, mapping).read()
