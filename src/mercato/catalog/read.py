"""Products from a file: Parquet, CSV or JSON lines, row by row checked, bad rows reported with their line."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from mercato.catalog.column_mapping import ColumnMapping, Row
from mercato.catalog.product import Product, parse_product
from mercato.errors import DataError, InvalidInputError
from mercato.incoming import Rejected, find_delimiter, open_binary, open_row_file, open_text, read_json_line

BATCH_ROWS = 4_096
#: Lines of a JSON lines file that are looked at to know its columns.
_PEEKED_LINES = 1_000
# Numbers of a CSV column, without leading zeros (article numbers) and shorter than a 12 digit bar code.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,10})(?:\.\d+)?")


#: Lines with what they hold: a row, or the reason why it is none.
_Lines: TypeAlias = Iterator[tuple[int, Row | str]]


def read_products(
    path: Path, mapping: Mapping[str, str] | None = None, *, batch_rows: int = BATCH_ROWS
) -> Iterator[list[Product | Rejected]]:
    """Read a file of products.

    The format follows the suffix: ``.parquet``, ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson``, the text formats also
    with ``.gz``. Columns become fields as `ColumnMapping` says. In CSV a column that holds only numbers becomes
    numeric attributes. The first row with an id counts; a later one is an error that names the first.

    Args:
        path: the file.
        mapping: field -> column, as from `parse_mapping`.
        batch_rows: products and errors in a batch.

    Yields:
        Batches in the order of the file; every row is in one of them, as a product or as an error.

    Raises:
        DataError: the file cannot be read, is empty, or lacks a column (with the columns there are).
        InvalidInputError: the mapping is not well formed.
    """
    columns, lines = _open(path)
    try:
        first_line = next(lines, None)
        if first_line is None:
            raise DataError(f"{path.name} holds no products; the catalogue needs at least one")
        yield from _batches(
            chain([first_line], lines), ColumnMapping(mapping or {}, columns, path.name), max(1, batch_rows)
        )
    except (pa.ArrowException, OSError, EOFError) as exc:
        raise DataError(f"{path.name} cannot be read to its end ({exc}); it is truncated or damaged") from exc


def _batches(lines: _Lines, mapping: ColumnMapping, batch_rows: int) -> Iterator[list[Product | Rejected]]:
    line_of_id: dict[str, int] = {}
    batch: list[Product | Rejected] = []
    for line, row in lines:
        batch.append(_check_row(line, row, mapping, line_of_id))
        if len(batch) == batch_rows:
            yield batch
            batch = []
    if batch:
        yield batch


def _check_row(line: int, row: Row | str, mapping: ColumnMapping, line_of_id: dict[str, int]) -> Product | Rejected:
    if isinstance(row, str):
        return Rejected(line, row)
    try:
        product = parse_product(mapping.document(row, line))
    except InvalidInputError as exc:
        return Rejected(line, str(exc))
    earlier = line_of_id.setdefault(product.id, line)
    if earlier != line:
        return Rejected(line, f"id: must be unique, {product.id!r} is also on line {earlier}, which is kept")
    return product


def _open(path: Path) -> tuple[list[str], _Lines]:
    return open_row_file(path, _FORMATS, need="; the catalogue needs at least one product")


def _read_parquet(path: Path) -> tuple[list[str], _Lines]:
    file = pq.ParquetFile(path)
    # Binary columns hold pictures, not attributes; pandas keeps its index under a name of its own.
    columns = [
        name
        for name, kind in zip(file.schema_arrow.names, file.schema_arrow.types, strict=True)
        if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or name.startswith("__index_level_"))
    ]

    def lines() -> _Lines:
        line = 0
        for batch in file.iter_batches(BATCH_ROWS, columns=columns):
            for values in zip(*(_values(column) for column in batch.columns), strict=True):
                line += 1
                yield line, dict(zip(columns, values, strict=True))

    return columns, lines()


def _values(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        # One bad text would cost the whole batch: as bytes, parse_product refuses the one row that holds it.
        kind = pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary()
        values = column.view(kind).to_pylist()
    return values


def _read_csv(path: Path) -> tuple[list[str], _Lines]:
    with open_text(path) as file:
        header = file.readline()
    delimiter = find_delimiter(header)
    with open_text(path) as file:
        rows = csv.reader(file, delimiter=delimiter)
        columns = [name.strip() for name in next(rows, [])]
        repeated = sorted({name for name in columns if columns.count(name) > 1})
        if repeated:
            raise DataError(f"{path.name}: the header names {', '.join(repeated)} more than once")
        numeric = _numeric_columns(rows, len(columns))

    def lines() -> _Lines:
        with open_text(path) as file:
            rows = csv.reader(file, delimiter=delimiter)
            next(rows)
            for line, values in _csv_rows(rows):
                if isinstance(values, str):
                    yield line, values
                elif len(values) != len(columns):
                    yield line, f"has {len(values)} values, the header has {len(columns)} columns"
                else:
                    for position in numeric:
                        values[position] = _to_number(values[position])
                    yield line, dict(zip(columns, values, strict=True))

    return columns, lines()


def _csv_rows(rows: Any) -> Iterator[tuple[int, list[Any] | str]]:
    """Give the rows of a csv reader with the line where each starts; blank lines are left out."""
    while True:
        line = rows.line_num + 1
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error as exc:
            yield line, f"is not CSV: {exc}"
            continue
        if values:
            yield line, values


def _numeric_columns(rows: Any, count: int) -> list[int]:
    candidates = dict.fromkeys(range(count), False)
    for _, values in _csv_rows(rows):
        if len(values) != count or isinstance(values, str):
            continue
        for position in list(candidates):
            if values[position]:
                if _NUMBER.fullmatch(values[position]):
                    candidates[position] = True
                else:
                    del candidates[position]
        if not candidates:
            break
    return [position for position, seen in candidates.items() if seen]


def _to_number(text: str) -> int | float | None:
    if not text:
        return None
    return float(text) if "." in text else int(text)


def _read_jsonl(path: Path) -> tuple[list[str], _Lines]:
    lines = _json_lines(path)
    peeked = list(islice(lines, _PEEKED_LINES))
    columns = list(dict.fromkeys(name for _, row in peeked if not isinstance(row, str) for name in row))
    if peeked and not columns:
        line, reason = peeked[0]
        raise DataError(f"{path.name} holds no JSON objects, one a line: line {line} {reason or 'is an empty object'}")
    return columns, chain(peeked, lines)


def _json_lines(path: Path) -> _Lines:
    with open_binary(path) as file:
        for line, raw in enumerate(file, 1):
            row = read_json_line(raw, line)
            if row is not None:
                yield line, row


_FORMATS: dict[str, Callable[[Path], tuple[list[str], _Lines]]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
}
