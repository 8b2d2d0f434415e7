"""XML feeds: RSS and Atom of Google Merchant, and lists of products like them; one element a row.

The boundary to defusedxml: entities and outside documents are refused, elements are let go once they are read. The
parser is given text: Python knows more encodings than it does, and what a feed says of its own is often wrong.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Collection, Iterator, Sequence
from html.entities import html5
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from mercato.errors import DataError
from mercato.tables.encoding import Encoding, find_encoding
from mercato.tables.source import Source
from mercato.tables.table import BATCH_ROWS, ColumnProfile, ObjectBatch, RowBatch, Table

# Elements that are a row, by the names that feeds give them.
_ROW_NAMES = frozenset({"item", "entry", "product", "offer", "shopitem"})
_DECLARED = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z][\w.-]*)["']""")
# What no XML may hold; exports of shops do, where somebody pasted it into a description.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE = re.compile("&([A-Za-z][A-Za-z0-9]{1,31};)")
_OWN_REFERENCES = frozenset({"amp;", "lt;", "gt;", "quot;", "apos;"})


def open_xml(source: Source, encoding: str = "") -> Table:
    """Open a feed; it is read once, so that columns are known by all their values.

    Args:
        source: the file.
        encoding: where the user says it; else the feed's own word counts if it can be true.

    Raises:
        DataError: it is no well-formed XML, or holds no elements that are rows.
        InvalidInputError: there is no such encoding.
    """
    found = find_encoding(source, encoding) if encoding else _find_encoding(source)
    profiles: dict[str, ColumnProfile] = {}
    count = 0
    for batch in _read(source, found, BATCH_ROWS):
        count += len(batch.objects)
        for row in batch.objects:
            for name, value in row.items():
                profile = profiles.setdefault(name, ColumnProfile())
                profile.add([value] if isinstance(value, str) else [item for item in value if isinstance(item, str)])
    if not count:
        raise DataError(
            f"{source.path.name} holds no products: no element is called {', '.join(sorted(_ROW_NAMES))}; "
            "give an RSS or Atom feed, CSV or JSON lines"
        )
    for name, profile in profiles.items():
        profile.finish(name)

    def read(
        columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS, as_written: Collection[str] = ()
    ) -> Iterator[RowBatch]:
        del columns, as_written
        yield from _read(source, found, batch_rows)

    return Table(
        columns=list(profiles),
        read=read,
        format="XML",
        profiles=profiles,
        rows=count,
        is_complete=True,
        notes=[found.note] if found.note else [],
    )


def _find_encoding(source: Source) -> Encoding:
    with source.open() as file:
        declared = _DECLARED.search(file.read(1024))
    try:
        name = codecs.lookup(declared[1].decode()).name if declared else "utf-8"
    except LookupError:
        name = "utf-8"
    # A declaration in single bytes cannot be UTF-16 or UTF-32, whatever it says.
    if name.startswith("utf"):
        return find_encoding(source)
    return Encoding("cp1252" if name in ("iso8859-1", "ascii") else name, "replace")


class _Text:
    """The text of a feed as the parser takes it: without forbidden characters, HTML's references decoded."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self._rest = ""

    def read(self, size: int = -1) -> str:
        """Read about as many characters; none at the end."""
        while block := self._text.read(size):
            block = self._rest + _FORBIDDEN.sub("", block)
            cut = block.rfind("&", -32)  # a reference that goes on in the next block
            cut = len(block) if cut < 0 or ";" in block[cut:] else cut
            block, self._rest = block[:cut], block[cut:]
            if block:
                return _REFERENCE.sub(_decode, block)
        rest, self._rest = self._rest, ""
        return rest


def _decode(match: re.Match[str]) -> str:
    return match[0] if match[1] in _OWN_REFERENCES else html5.get(match[1], match[0]).replace("&", "&amp;")


def _read(source: Source, encoding: Encoding, size: int) -> Iterator[ObjectBatch]:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    batch = ObjectBatch([], [])
    number = 0
    path: list[Element] = []
    row_depth = 0
    with source.open() as file:
        text = _Text(io.TextIOWrapper(file, encoding.name, errors=encoding.errors))
        try:
            for event, element in iterparse(text, events=("start", "end")):
                if event == "start":
                    path.append(element)
                    if not row_depth and _local(element) in _ROW_NAMES:
                        row_depth = len(path)
                    continue
                depth = len(path)
                path.pop()
                if depth == row_depth:
                    row_depth = 0
                    number += 1
                    batch.lines.append(number)
                    batch.objects.append(_to_row(element))
                    if path:
                        path[-1].remove(element)
                    if len(batch.lines) >= size:
                        yield batch
                        batch = ObjectBatch([], [])
        except DefusedXmlException as exc:
            raise DataError(
                f"{source.path.name} declares entities or reads outside documents, which is not safe to read; export"
                " it without a document type"
            ) from exc
        except (ParseError, LookupError, ValueError, RecursionError) as exc:
            raise DataError(
                f"{source.path.name} is no well-formed XML ({exc}); it is truncated or damaged, export it again"
            ) from exc
    if batch.lines:
        yield batch


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()


def _to_row(element: Element) -> dict[str, Any]:
    """Give an element's children as columns; those that come more than once as lists, a prefix's before the plain."""
    row: dict[str, Any] = {f"@{name}": value for name, value in element.attrib.items()}
    prefixed: dict[str, bool] = {}
    for child in element:
        name = str(child.tag).rpartition("}")[2]
        value = _to_value(child)
        if value is None:
            continue
        own = _is_prefixed(child, element)
        if name in row and prefixed.get(name) == own:
            held = row[name]
            row[name] = [*held, value] if isinstance(held, list) else [held, value]
        elif name not in row or own:
            row[name] = value
            prefixed[name] = own
    return row


def _is_prefixed(child: Element, parent: Element) -> bool:
    return str(child.tag).startswith("{") and str(child.tag).partition("}")[0] != str(parent.tag).partition("}")[0]


def _to_value(element: Element) -> Any:
    if len(element):
        held = {str(child.tag).rpartition("}")[2]: _to_value(child) for child in element}
        return {name: value for name, value in held.items() if value is not None} or None
    text = (element.text or "").strip()
    return text or element.attrib.get("href") or None
