"""Files of product changes, as calls of a writer: operations one a line, or a table of ids and columns that change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mercato.catalog.patches import Patch, PatchFile
from mercato.catalog.product import changes_text
from mercato.errors import DataError
from mercato.incoming import Rejected, open_binary, read_json_line

TEXT_OPERATIONS = 200
"""Operations of a call that may change texts: as many are encoded in it."""
PATCH_OPERATIONS = 1_000
"""Operations of a call that change no text."""
_OPERATION_SUFFIXES = (".jsonl", ".ndjson")
_TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".gz")


@dataclass(kw_only=True)
class ChangeCall:
    """The operations of one call.

    Attributes:
        operations: what is sent.
        lines: the line of each in the file.
        bad: lines before the last of these that hold no change.
        limit: how many operations it takes.
    """

    operations: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bad: list[Rejected] = field(default_factory=list)
    limit: int = field(default_factory=lambda: PATCH_OPERATIONS)

    def add(self, line: int, operation: dict[str, Any]) -> None:
        """Add an operation."""
        self.operations.append(operation)
        self.lines.append(line)
        if _changes_text(operation):
            self.limit = TEXT_OPERATIONS

    @property
    def full(self) -> bool:
        """Whether no other operation should join."""
        return len(self.operations) >= self.limit


def _changes_text(operation: Mapping[str, Any]) -> bool:
    product = operation.get("product")
    return operation.get("operation") != "delete" and not (
        operation.get("operation") == "patch" and isinstance(product, Mapping) and not changes_text(product)
    )


class ChangeFile:
    """A file of product changes, opened.

    A file of JSON lines whose first object has an ``operation`` holds operations; every other file is a table, of which
    each row is a patch that is written as far as it changes something.

    Attributes:
        table: whether it is a table.
        left_out: columns of a table that change nothing.
        total: number of its lines; 0 where they are not known.
    """

    def __init__(self, path: Path, mapping: Mapping[str, str]) -> None:
        """Open a file.

        Args:
            path: the file.
            mapping: field -> column, as from `parse_mapping`; a file that is given one is a table.

        Raises:
            DataError: it cannot be read, or has no column for the id or nothing that changes.
            InvalidInputError: the mapping is not well formed.
        """
        self._path = path
        self.table = bool(mapping) or not _holds_operations(path)
        self._rows = PatchFile(path, mapping) if self.table else None
        self.left_out = self._rows.left_out if self._rows is not None else []
        self.total = 0 if path.suffix.lower() in (".gz", ".parquet") else _count_lines(path)

    def calls(self) -> Iterator[ChangeCall]:
        """Read the file, once, call by call.

        Raises:
            DataError: it is damaged.
        """
        call = ChangeCall()
        for line, item in self._items():
            if isinstance(item, Rejected):
                call.bad.append(item)
                continue
            call.add(line, item)
            if call.full:
                yield call
                call = ChangeCall()
        if call.operations or call.bad:
            yield call

    def _items(self) -> Iterator[tuple[int, dict[str, Any] | Rejected]]:
        if self._rows is not None:
            for row in self._rows.read():
                if isinstance(row, Rejected):
                    yield row.position, row
                    continue
                for one in row.left_out:
                    yield row.line, Rejected(row.line, f"{one.field} left out: {one.reason}")
                if row.fields:
                    yield row.line, _to_operation(row)
            return
        with open_binary(self._path) as file:
            for line, raw in enumerate(file, 1):
                operation = read_json_line(raw, line)
                if operation is not None:
                    yield line, Rejected(line, operation) if isinstance(operation, str) else operation


def _to_operation(row: Patch) -> dict[str, Any]:
    return {"operation": "patch", "id": row.product_id, "product": row.fields, "if_changed": True}


def _holds_operations(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in _TABLE_SUFFIXES:
        return False
    if suffix not in _OPERATION_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            for line, raw in enumerate(file, 1):
                found = read_json_line(raw, line)
                if isinstance(found, dict):
                    return "operation" in found
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    return True


def _count_lines(path: Path) -> int:
    try:
        with path.open("rb") as lines:
            return sum(1 for _ in lines)
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror or exc}") from exc
