"""Reads values of foreign files leniently: numbers as ids, text as times and numbers.

These take one value and give what ``parse_event`` expects. What they cannot read they hand on as it is, so that
``parse_event`` refuses it and says why.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from mercato.text.timestamps import DayOrder, read_timestamp

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


def read_id(value: object) -> object:
    """Give an id as text: integers and whole floats (a column with gaps) as digits, bytes as UTF-8."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, float) and value == value:
        return str(int(value)) if value.is_integer() else str(value)
    return None if isinstance(value, float) else value


def read_seconds(value: object, day_order: DayOrder | None = None) -> object:
    """Give a time as seconds since 1970 (``read_timestamp``); None where nothing is given."""
    try:
        return read_timestamp(value, day_order=day_order)
    except ValueError:
        return value


def read_number(value: object) -> object:
    """Give a number as a float, from text too; empty text is not given."""
    if isinstance(value, Decimal):
        return float(value)
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    return float(value) if _NUMBER.fullmatch(value) else value


def read_context(value: object) -> object:
    """Give a context as an object, from JSON text too."""
    if not isinstance(value, str):
        return value
    if not value:
        return None
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


_READERS = {
    "user_id": read_id,
    "visitor_id": read_id,
    "product_id": read_id,
    "order_id": read_id,
    "event_id": read_id,
    "order": read_number,
    "quantity": read_number,
    "price": read_number,
    "context": read_context,
}


def read_document(values: Mapping[str, object], day_order: DayOrder | None = None) -> dict[str, Any]:
    """Give a row of a file, field -> value, as the JSON object that ``parse_event`` takes."""
    document = {field: _READERS[field](value) if field in _READERS else value for field, value in values.items()}
    if "time" in values:
        document["time"] = read_seconds(values["time"], day_order)
    return document
