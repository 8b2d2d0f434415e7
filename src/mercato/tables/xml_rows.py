"""XML feeds: RSS and Atom of Google Merchant, and lists of products like them; one element a row.

The boundary to defusedxml: entities and outside documents are refused, elements are let go once they are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from mercato.errors import DataError
from mercato.tables.source import Source
from mercato.tables.table import BATCH_ROWS, ColumnProfile, ObjectBatch, RowBatch, Table

# Elements that are a row, by the names that feeds give them.
_ROW_NAMES = frozenset({"item", "entry", "product", "offer", "shopitem"})


def open_xml(source: Source) -> Table:
    """Open a feed; it is read once, so that columns are known by all their values.

    Args:
        source: the file; XML says itself how it is encoded.

    Raises:
        DataError: it is no well-formed XML, or holds no elements that are rows.
    """
    profiles: dict[str, ColumnProfile] = {}
    count = 0
    for batch in _read(source, BATCH_ROWS):
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
        yield from _read(source, batch_rows)

    return Table(columns=list(profiles), read=read, format="XML", profiles=profiles, rows=count)


def _read(source: Source, size: int) -> Iterator[ObjectBatch]:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    batch = ObjectBatch([], [])
    number = 0
    path: list[Element] = []
    row_depth = 0
    with source.open() as file:
        try:
            for event, element in iterparse(file, events=("start", "end")):
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
        except (ParseError, DefusedXmlException, LookupError, ValueError) as exc:
            raise DataError(
                f"{source.path.name} is no well-formed XML ({exc or type(exc).__name__}); it is truncated or damaged, "
                "export it again"
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
