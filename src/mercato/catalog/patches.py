"""Reading files of a few columns, such as prices and stock: an id a row, and the fields that it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from mercato.catalog.column_mapping import IGNORE, ColumnMapping
from mercato.catalog.product import PRODUCT_FIELDS
from mercato.catalog.read import _open
from mercato.errors import DataError, InvalidInputError
from mercato.incoming import Rejected

_ATTRIBUTE = "attributes."


@dataclass(frozen=True, slots=True)
class Patch:
    """A row of a file of changes.

    Attributes:
        line: of the file, as `Rejected.position` counts it.
        product_id: which product.
        fields: what it changes; values as the file has them, to be checked with the product.
    """

    line: int
    product_id: str
    fields: dict[str, Any]


class _PatchMapping(ColumnMapping):
    """Columns of a file that needs an id and a field to change, and no title.

    A column that is neither mapped, nor named as a field, nor ``attributes.KEY``, is left out: a price feed brings
    columns of its own (a warehouse, a date) that nobody should search by.
    """

    def __init__(self, mapping: Mapping[str, str], columns: Sequence[str], file_name: str) -> None:
        named = {name: name for name in columns if name.startswith(_ATTRIBUTE)}
        super().__init__({**named, **mapping}, columns, file_name)
        self.left_out = self.extra_columns
        self._taken = set(columns)
        if not set(self._sources) - {"id", IGNORE}:
            raise DataError(
                f"{file_name} has no column that changes a product; its columns: {', '.join(columns)}; name one, "
                "for example --map price=COLUMN"
            )

    def _check_required(self) -> None:
        if "id" not in self._sources:
            raise DataError(
                f"{self._file_name} has no column for id; its columns: {', '.join(self._columns) or 'none'}; name the "
                f"right one, for example --map id={self._likely_column('id')}"
            )


class PatchFile:
    """A file of changes, opened.

    Attributes:
        left_out: columns that change nothing: neither mapped nor named as a field.
    """

    def __init__(self, path: Path, mapping: Mapping[str, str] | None = None) -> None:
        """Open a file.

        Args:
            path: the file, of a format that `read_products` reads.
            mapping: field -> column, as from `parse_mapping`.

        Raises:
            DataError: the file cannot be read, is empty, or lacks a column (with the columns there are).
            InvalidInputError: the mapping is not well formed.
        """
        self._path = path
        columns, self._lines = _open(path)
        self._mapping = _PatchMapping(mapping or {}, columns, path.name)
        self.left_out = self._mapping.left_out

    def read(self) -> Iterator[Patch | Rejected]:
        """Read the rows, once; a cell without a value changes nothing.

        Raises:
            DataError: the file is damaged.
        """
        try:
            for line, row in self._lines:
                if isinstance(row, str):
                    yield Rejected(line, row)
                    continue
                try:
                    document = self._mapping.document(row, line)
                except InvalidInputError as exc:
                    yield Rejected(line, str(exc))
                    continue
                product_id = document.pop("id", None)
                if isinstance(product_id, str):
                    yield Patch(line, product_id.strip(), document)
                else:
                    yield Rejected(line, "id: must be given and not be empty")
        except (pa.ArrowException, OSError, EOFError) as exc:
            raise DataError(f"{self._path.name} cannot be read to its end ({exc}); it is truncated or damaged") from exc


def read_patches(path: Path, mapping: Mapping[str, str] | None = None) -> Iterator[Patch | Rejected]:
    """Read a file of changes; see `PatchFile`."""
    return PatchFile(path, mapping).read()


def list_fields(path: Path, mapping: Mapping[str, str] | None = None) -> set[str]:
    """List the fields that a file of products carries by its columns, also where no row has a value of them.

    Args:
        path: the file.
        mapping: field -> column, as from `parse_mapping`.

    Returns:
        Names such as ``availability`` and ``attributes.colour``; columns that become attributes of their own name are
        left out.
    """
    columns, _ = _open(path)
    named = {name for name in (mapping or {}) if name not in ("id", "attributes", IGNORE)}
    return named | {name for name in PRODUCT_FIELDS if name in columns and name not in ("id", "attributes")}
