"""Columns of somebody's file by the names that an evaluation gives them: what ``--map`` says, what is missing, why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mercato.errors import DataError, InvalidInputError
from mercato.events.event_files import open_event_file
from mercato.events.raw_columns import RawColumn, to_list, to_text
from mercato.events.raw_values import read_id
from mercato.incoming import Rejected


@dataclass(frozen=True, kw_only=True)
class FieldSpec:
    """A column that an evaluation reads.

    Attributes:
        name: of the field, and of the column where nothing is mapped to it.
        likely: names that exports use; they are suggested in messages, never taken without being asked for.
        required: whether the file must have it.
    """

    name: str
    likely: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class FieldBatch:
    """Rows of a file.

    Attributes:
        columns: field -> values [n]; optional fields that the file lacks are left out.
        lines: int64 [n], where each row is.
        rejected: what could not even be read as a row.
    """

    columns: dict[str, RawColumn]
    lines: npt.NDArray[np.int64]
    rejected: list[Rejected]


def parse_column_map(pairs: Sequence[str], fields: Sequence[FieldSpec]) -> dict[str, str]:
    """Read the arguments of ``--map``, such as ``docid=product_id``.

    Args:
        pairs: ``FIELD=COLUMN`` each.
        fields: what may be mapped.

    Returns:
        Field -> column.

    Raises:
        InvalidInputError: no ``=``, an unknown field, or a field given twice.
    """
    names = [field.name for field in fields]
    mapping: dict[str, str] = {}
    for pair in pairs:
        name, equals, column = (part.strip() for part in pair.partition("="))
        if not (equals and name and column):
            raise InvalidInputError("--map", f"must be FIELD=COLUMN, got {pair!r}", f"for example --map {names[0]}=q")
        if name not in names:
            raise InvalidInputError("--map", f"must name one of {', '.join(names)}, got {name!r}")
        if name in mapping:
            raise InvalidInputError("--map", f"{name} is mapped twice, to {mapping[name]!r} and to {column!r}")
        mapping[name] = column
    return mapping


def read_fields(path: Path, fields: Sequence[FieldSpec], column_map: Mapping[str, str]) -> Iterator[FieldBatch]:
    """Read a Parquet, CSV or JSON lines file by fields, batch by batch.

    Args:
        path: ``.parquet``, ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson``; text formats also with ``.gz``.
        fields: what to read.
        column_map: field -> column, as from `parse_column_map`.

    Yields:
        Rows in the order of the file.

    Raises:
        DataError: the file cannot be read, or lacks a column; the message lists the columns there are and the
            ``--map`` to write.
    """
    file = open_event_file(path)
    columns = choose_columns(file.columns, fields, column_map, path.name)
    try:
        for batch in file.read(list(dict.fromkeys(columns.values()))):
            yield FieldBatch(
                columns={name: batch.columns[column] for name, column in columns.items()},
                lines=batch.lines,
                rejected=batch.rejected,
            )
    except (pa.ArrowException, OSError, EOFError) as exc:
        raise DataError(f"{path.name} cannot be read to its end ({exc}); it is truncated or damaged") from exc


def choose_columns(
    columns: Sequence[str], fields: Sequence[FieldSpec], column_map: Mapping[str, str], file_name: str
) -> dict[str, str]:
    """Choose the column of each field.

    Args:
        columns: those of the file.
        fields: what to read.
        column_map: field -> column.
        file_name: for messages.

    Returns:
        Field -> column, optional fields that the file lacks left out.

    Raises:
        DataError: a mapped column or a required field is not in the file.
    """
    chosen: dict[str, str] = {}
    there = ", ".join(columns) or "none"
    for name, column in column_map.items():
        if column not in columns:
            close = get_close_matches(column, columns, 1)
            raise DataError(
                f"{file_name} has no column {column!r} (--map {name}={column}); its columns: {there}"
                + (f"; did you mean {close[0]!r}?" if close else "")
            )
        chosen[name] = column
    for field in fields:
        if field.name not in chosen and field.name in columns:
            chosen[field.name] = field.name
    missing = [field for field in fields if field.required and field.name not in chosen]
    if missing:
        free = [column for column in columns if column not in chosen.values()]
        remedy = " ".join(f"--map {field.name}={_suggest_column(field, free)}" for field in missing)
        raise DataError(
            f"{file_name} has no column for {' and '.join(field.name for field in missing)}; its columns: {there};"
            f" name the right one, for example {remedy}"
        )
    return chosen


def read_texts(column: RawColumn) -> list[str | None]:
    """Give a column of ids or texts as Python texts; None where nothing is given or it is no text.

    Whole numbers become digits (a column of floats with gaps too), white space around a text is dropped.
    """
    array = to_text(column)
    values = array.to_pylist() if array is not None else [read_id(value) for value in to_list(column)]
    return [(value.strip() or None) if isinstance(value, str) else None for value in values]


def _suggest_column(field: FieldSpec, free: Sequence[str]) -> str:
    by_lower = {column.lower(): column for column in free}
    for likely in field.likely:
        if likely in by_lower:
            return by_lower[likely]
    close = get_close_matches(field.name, list(by_lower), 1)
    return by_lower[close[0]] if close else "COLUMN"
