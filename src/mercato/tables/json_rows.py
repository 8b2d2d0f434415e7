"""JSON: one object a line, one array of objects, or one object that holds the array."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

import orjson

from mercato.errors import DataError
from mercato.incoming import Rejected, read_json_object
from mercato.tables.encoding import Encoding
from mercato.tables.source import Source
from mercato.tables.table import BATCH_ROWS, ColumnProfile, ObjectBatch, RowBatch, Table

#: Lines that are looked at to know the columns.
PEEKED_LINES = 1_000
# What holds the products where the file is one object.
_COUNTS = ("total", "count", "page", "pages", "per_page", "limit", "offset", "next", "previous", "cursor")
_HOLDERS = ("products", "items", "data", "rows", "events", "results", "hits", "edges", "nodes")
_HOLDER_DEPTH = 4


def open_json(source: Source, encoding: Encoding) -> Table:
    """Open a file of JSON objects.

    Args:
        source: the file.
        encoding: how it is encoded.

    Raises:
        DataError: there is no JSON object in it.
    """
    whole = _read_whole(source, encoding) if _is_whole(source, encoding) else None
    peeked = _peek(source, encoding) if whole is None else []
    rows = [row for _, row in peeked if isinstance(row, dict)] if whole is None else whole[:PEEKED_LINES]
    columns = list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row))
    if not columns:
        reasons = [(line, row) for line, row in peeked if isinstance(row, str)]
        said = f": line {reasons[0][0]} {reasons[0][1]}" if reasons else ""
        raise DataError(f"{source.path.name} holds no JSON objects, one a line or in one array{said}")

    def read(
        columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS, as_written: Collection[str] = ()
    ) -> Iterator[RowBatch]:
        del columns
        found = _lines(source, encoding, as_written) if whole is None else _items(source, encoding, whole, as_written)
        batch = ObjectBatch([], [])
        for line, row in found:
            if isinstance(row, str):
                batch.rejected.append(Rejected(line, row))
            else:
                batch.lines.append(line)
                batch.objects.append(row)
            if len(batch.lines) + len(batch.rejected) >= batch_rows:
                yield batch
                batch = ObjectBatch([], [])
        if batch.lines or batch.rejected:
            yield batch

    profiles: dict[str, ColumnProfile] = {}
    for name in columns:
        texts = [row[name] for row in rows if isinstance(row, dict) and isinstance(row.get(name), str)]
        profiles[name] = ColumnProfile()
        profiles[name].add(texts)
    return Table(
        columns=columns,
        read=read,
        profiles=profiles,
        format="JSON lines" if whole is None else "a JSON array",
        rows=len(whole) if whole is not None else _count_lines(source),
    )


def _peek(source: Source, encoding: Encoding) -> list[tuple[int, dict[str, Any] | str]]:
    with closing(_lines(source, encoding)) as lines:
        return list(islice(lines, PEEKED_LINES))


def _lines(
    source: Source, encoding: Encoding, as_written: Collection[str] = ()
) -> Generator[tuple[int, dict[str, Any] | str], None, None]:
    with source.open() as file:
        plain = encoding.name == "utf-8-sig" and encoding.errors == "strict"
        lines: Any = file if plain else io.TextIOWrapper(file, encoding.name, errors=encoding.errors)
        for line, raw in enumerate(lines, 1):
            text = raw.removeprefix(b"\xef\xbb\xbf") if plain and line == 1 else raw
            if not text.strip():
                continue
            row = _unwrap(read_json_object(text))
            if as_written and isinstance(row, dict):
                _keep_written(row, text, as_written)
            yield line, row


def _keep_written(row: dict[str, Any], text: str | bytes, columns: Collection[str]) -> None:
    """Give numbers that stand for texts as they are written: ``10.10`` as a float is 10.1."""
    if any(isinstance(row.get(column), float) for column in columns):
        _take_written(row, _unwrap(json.loads(text, parse_float=str)), columns)


def _unwrap(row: Any) -> Any:
    """Give the row that a search engine (``_source`` beside ``_id``) or a connection of GraphQL (``node``) holds."""
    if not isinstance(row, dict):
        return row
    if isinstance(row.get("_source"), dict):
        return {"id": row.get("_id"), **row["_source"]}
    return row["node"] if isinstance(row.get("node"), dict) and row.keys() <= {"node", "cursor"} else row


def _take_written(row: dict[str, Any], written: dict[str, Any], columns: Collection[str]) -> None:
    for column in columns:
        value = row.get(column)
        # 3.0 is a 3 that went through a column with gaps
        if isinstance(value, float) and not str(written[column]).endswith(".0"):
            row[column] = written[column]


def _is_whole(source: Source, encoding: Encoding) -> bool:
    """Tell one document from lines of objects, by its first line."""
    with source.open() as file:
        text = io.TextIOWrapper(file, encoding.name, errors=encoding.errors)
        filled = (line for line in text if not line.isspace())
        first = next(filled, "").strip()
        is_alone = next(filled, None) is None
    if first.startswith("["):
        return True
    row = read_json_object(first)
    if isinstance(row, dict):
        # In a file of lines an object is a row, unless it holds nothing else than how many there are.
        is_holder = source.suffix not in (".jsonl", ".ndjson") or row.keys() <= {*_HOLDERS, *_COUNTS}
        return is_alone and is_holder and _find_held(row) is not None
    return first.startswith("{")


def _find_held(document: dict[str, Any], depth: int = _HOLDER_DEPTH) -> list[Any] | None:
    """Find the list of objects in the object that holds it; None where the object is a row itself."""
    held = [] if "id" in document else [document.get(name) for name in _HOLDERS]
    for value in held:
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            return value
        found = _find_held(value, depth - 1) if isinstance(value, dict) and depth > 1 else None
        if found is not None:
            return found
    return None


def _read_whole(source: Source, encoding: Encoding) -> list[Any] | None:
    """Read one document; None where it is lines after all."""
    return _list_items(_load(source, encoding))


def _list_items(document: Any) -> list[Any] | None:
    items = (_find_held(document) or [document]) if isinstance(document, dict) else document
    return list(map(_unwrap, items)) if isinstance(items, list) else None


def _load(source: Source, encoding: Encoding, **options: Any) -> Any:
    with source.open() as file:
        wrapped = io.TextIOWrapper(file, encoding.name, errors=encoding.errors)
        text = wrapped.read()
        wrapped.detach()
    if not options:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    try:
        return json.loads(text, **options)
    except (ValueError, RecursionError):
        return None


def _items(
    source: Source, encoding: Encoding, whole: list[Any], as_written: Collection[str]
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    written: list[Any] | None = None
    for position, item in enumerate(whole, 1):
        if not isinstance(item, dict):
            yield position, f"must be a JSON object, got {str(item)[:40]!r}"
            continue
        if any(isinstance(item.get(column), float) for column in as_written):
            if written is None:
                written = _list_items(_load(source, encoding, parse_float=str)) or []
            _take_written(item, written[position - 1], as_written)
        yield position, item


def _count_lines(source: Source) -> int | None:
    if source.packing:
        return None
    with source.open() as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) + 1
