"""Parquet: columns with types; text that is no UTF-8 comes as bytes, so that it costs its row alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mercato.errors import DataError
from mercato.incoming import Rejected
from mercato.tables.source import Source, in_one_line
from mercato.tables.table import BATCH_ROWS, Row, RowBatch, Table

_DAMAGED = (pa.ArrowException, OSError, UnicodeError)
"""What the library raises over a damaged file: names of columns need not even be UTF-8."""


@dataclass(frozen=True, slots=True, eq=False)
class ArrowBatch:
    """Rows of an Arrow record batch."""

    lines: range
    batch: pa.RecordBatch
    rejected: list[Rejected] = field(default_factory=list)

    def rows(self) -> Iterator[Row]:
        """See `RowBatch`."""
        names = self.batch.schema.names
        columns = [_to_values(column) for column in self.batch.columns]
        return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))

    def column(self, name: str) -> pa.Array:
        """See `RowBatch`."""
        return self.batch.column(name)


def open_parquet(source: Source) -> Table:
    """Open a Parquet file.

    Raises:
        DataError: it is none, or damaged.
    """
    try:
        file = pq.ParquetFile(source.path)
        named = list(zip(file.schema_arrow.names, file.schema_arrow.types, strict=True))
    except _DAMAGED as exc:
        raise DataError(
            f"{source.path.name} cannot be read as .parquet ({in_one_line(exc)}); it is truncated, damaged or misnamed"
        ) from exc
    # Pictures are no attributes; pandas keeps its index under a name of its own.
    names = [name for name, kind in named if not name.startswith("__index_level_")]
    if len(set(names)) < len(names):
        raise DataError(f"{source.path.name} has two columns of one name; rename one of them")

    def read(
        columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS, as_written: Collection[str] = ()
    ) -> Iterator[RowBatch]:
        del as_written
        line = 1
        wanted = list(columns) if columns is not None else [name for name in names if not _is_binary(file, name)]
        try:
            for batch in file.iter_batches(batch_rows, columns=wanted):
                yield ArrowBatch(range(line, line + batch.num_rows), batch)
                line += batch.num_rows
        except _DAMAGED as exc:
            raise DataError(
                f"{source.path.name} cannot be read to its end ({in_one_line(exc)}); it is truncated or damaged"
            ) from exc

    return Table(
        columns=[name for name in names if not _is_binary(file, name)],
        read=read,
        format="Parquet",
        rows=file.metadata.num_rows,
        is_complete=True,
    )


def _is_binary(file: pq.ParquetFile, name: str) -> bool:
    kind = file.schema_arrow.field(name).type
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _to_values(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        # One bad value would cost the whole batch: alone it costs its row at most.
        values = [_to_value(scalar) for scalar in column]
    return values


def _to_value(scalar: Any) -> Any:
    """Give a value; text that is no UTF-8 as bytes, a date beyond Python's calendar as text."""
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, pa.ArrowException):
        pass
    if isinstance(scalar, pa.ListScalar | pa.LargeListScalar):
        return [_to_value(item) for item in scalar.values]
    if isinstance(scalar, pa.StructScalar):
        return {name: _to_value(item) for name, item in scalar.items()}
    if isinstance(scalar, pa.StringScalar | pa.LargeStringScalar):
        return scalar.as_buffer().to_pybytes()
    try:
        return scalar.cast(pa.string()).as_py()
    except pa.ArrowException:
        return None
