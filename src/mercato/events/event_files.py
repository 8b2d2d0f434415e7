"""Files of events as they lie: Parquet, CSV and JSON lines in batches of raw columns, nothing checked yet."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from mercato.errors import DataError
from mercato.events.raw_columns import RawColumn
from mercato.incoming import Rejected, find_delimiter, open_binary, open_row_file, open_text, read_json_line

BATCH_ROWS = 65_536
#: Lines of a JSON lines file that are looked at to know its columns.
PEEKED_LINES = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class RawBatch:
    """Rows of a file.

    Attributes:
        columns: column -> its values [n], an Arrow array or a list.
        lines: int64 [n], where each row is.
        rejected: what could not even be read as a row.
    """

    columns: dict[str, RawColumn]
    lines: npt.NDArray[np.int64]
    rejected: list[Rejected] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class EventFile:
    """An opened file.

    Attributes:
        columns: the columns there are.
        read: reads the given columns, batch by batch.
        rows: how many rows there are, for text at most; None where only reading would tell.
    """

    columns: list[str]
    read: Callable[[Sequence[str]], Iterator[RawBatch]]
    rows: int | None = None


def open_event_file(path: Path) -> EventFile:
    """Open a file; its suffix says the format: ``.parquet``, ``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson``.

    Text formats may end in ``.gz``.

    Raises:
        DataError: there is no such file, it is empty, or it is not of its format.
    """
    return open_row_file(path, _FORMATS)


def _open_parquet(path: Path) -> EventFile:
    file = pq.ParquetFile(path)

    def read(columns: Sequence[str]) -> Iterator[RawBatch]:
        line = 1
        for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
            lines = np.arange(line, line + batch.num_rows)
            line += batch.num_rows
            yield RawBatch(dict(zip(batch.schema.names, batch.columns, strict=True)), lines)

    return EventFile(list(file.schema_arrow.names), read, file.metadata.num_rows)


def _open_csv(path: Path) -> EventFile:
    with open_text(path) as text:
        header = text.readline()
    delimiter = find_delimiter(header)
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{path.name}: the header names {', '.join(repeated)} more than once")

    def read(columns: Sequence[str]) -> Iterator[RawBatch]:
        positions = [names.index(column) for column in columns]
        with open_text(path) as text:
            rows = csv.reader(text, delimiter=delimiter)
            next(rows)
            while True:
                lines, values, rejected = _read_csv_rows(rows, len(names))
                if not values and not rejected:
                    return
                by_position = list(zip(*values, strict=True)) if values else [()] * len(names)
                taken = {
                    column: list(by_position[position]) for column, position in zip(columns, positions, strict=True)
                }
                yield RawBatch(taken, np.array(lines, dtype=np.int64), rejected)

    return EventFile(names, read, _count_lines(path))


def _read_csv_rows(rows: Any, width: int) -> tuple[list[int], list[list[str]], list[Rejected]]:
    """Read up to ``BATCH_ROWS`` rows of a csv reader; blank lines are left out."""
    lines: list[int] = []
    values: list[list[str]] = []
    rejected: list[Rejected] = []
    while len(values) < BATCH_ROWS and len(rejected) < BATCH_ROWS:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error as exc:
            rejected.append(Rejected(line, f"is not CSV: {exc}"))
            continue
        if len(row) == width:
            lines.append(line)
            values.append(row)
        elif row:
            rejected.append(Rejected(line, f"has {len(row)} values, the header has {width} columns"))
    return lines, values, rejected


def _open_jsonl(path: Path) -> EventFile:
    with open_binary(path) as file:
        peeked = [read_json_line(raw, line) for line, raw in enumerate(islice(file, PEEKED_LINES), 1)]
    names = list(dict.fromkeys(name for row in peeked if isinstance(row, dict) for name in row))
    if not names:
        reasons = [row for row in peeked if isinstance(row, str)]
        raise DataError(
            f"{path.name} holds no JSON objects, one a line" + (f": line 1 {reasons[0]}" if reasons else "")
        )

    def read(columns: Sequence[str]) -> Iterator[RawBatch]:
        with open_binary(path) as file:
            numbered = enumerate(file, 1)
            while chunk := list(islice(numbered, BATCH_ROWS)):
                lines: list[int] = []
                rows: list[dict[str, object]] = []
                rejected: list[Rejected] = []
                for line, raw in chunk:
                    row = read_json_line(raw, line)
                    if isinstance(row, str):
                        rejected.append(Rejected(line, row))
                    elif row is not None:
                        lines.append(line)
                        rows.append(row)
                taken: dict[str, RawColumn] = {column: [row.get(column) for row in rows] for column in columns}
                yield RawBatch(taken, np.array(lines, dtype=np.int64), rejected)

    return EventFile(names, read, _count_lines(path))


def _count_lines(path: Path) -> int | None:
    if path.suffix.lower() == ".gz":
        return None
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) + 1


_FORMATS: dict[str, Callable[[Path], EventFile]] = {
    ".parquet": _open_parquet,
    ".csv": _open_csv,
    ".tsv": _open_csv,
    ".jsonl": _open_jsonl,
    ".ndjson": _open_jsonl,
}
