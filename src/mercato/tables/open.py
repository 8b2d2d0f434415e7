"""Opening a table: what packs it, its format, its encoding."""

from __future__ import annotations

from pathlib import Path

from mercato.errors import DataError
from mercato.tables.encoding import find_encoding
from mercato.tables.source import Source, find_source
from mercato.tables.table import Table

SUFFIXES = (".parquet", ".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".xml", ".rss")
_DELIMITED = frozenset({".csv", ".tsv", ".tab", ".txt"})
_JSON = frozenset({".jsonl", ".ndjson", ".json"})
_XML = frozenset({".xml", ".rss", ".atom"})


def open_table(path: Path, *, encoding: str = "", need: str = "") -> Table:
    """Open a file of rows: Parquet, text with delimiters, JSON or XML, the text formats packed by gzip or zip too.

    Args:
        path: the file. What it begins with goes before its suffix.
        encoding: of a text format, where the user says it.
        need: what is said of an empty file besides, for messages.

    Raises:
        DataError: it cannot be read as a table; the message says why and what to do.
        InvalidInputError: there is no such encoding.
    """
    source = find_source(path, need=need)
    with source.open() as file:
        head = file.read(4096)
    if not head.strip():
        raise DataError(f"{path.name} is empty{need}")
    if head.startswith(b"PAR1"):
        return _open_parquet(source)
    if source.suffix == ".parquet":
        raise DataError(f"{path.name} cannot be read as .parquet; it is truncated, damaged or misnamed")
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")[:200].replace(b"\0", b"").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise DataError(f"{path.name} is a web page; the download was refused or needs a login, fetch the file again")
    if source.suffix in _XML or start.startswith((b"<?xml", b"<rss", b"<feed")):
        from mercato.tables.xml_rows import open_xml

        return open_xml(source, encoding)
    if source.suffix not in _DELIMITED | _JSON and not start.startswith((b"{", b"[{")):
        raise DataError(
            f"{path.name}: the format must be one of {', '.join(SUFFIXES)} (text also .gz or .zip), by the suffix"
        )
    found = find_encoding(source, encoding)
    if source.suffix in _JSON or start.startswith((b'{"', b'[{"')):
        from mercato.tables.json_rows import open_json

        table = open_json(source, found)
    else:
        from mercato.tables.delimited import open_delimited

        table = open_delimited(source, found)
    if found.note:
        table.notes.insert(0, found.note)
    return table


def _open_parquet(source: Source) -> Table:
    if source.packing:
        raise DataError(f"{source.path.name} is a packed Parquet file; unpack it and give that file")
    from mercato.tables.parquet import open_parquet

    return open_parquet(source)
