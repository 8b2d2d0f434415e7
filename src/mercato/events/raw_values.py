"""Reads values of foreign files leniently: numbers as ids, ``2011-11-01 08:26`` as a time.

These take one value and give what ``parse_event`` expects. What they cannot read they hand on as it is, so that
``parse_event`` refuses it and says why.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import orjson

from mercato.text.timestamps import parse_timestamp

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


def read_seconds(value: object) -> object:
    """Give a time as seconds since 1970: dates, numbers in text, RFC 3339; without an offset it is UTC."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc).timestamp()
    if not isinstance(value, str) or not value:
        return value
    number = read_number(value)
    if isinstance(number, float):
        return number
    try:
        return parse_timestamp(value.strip())
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
    "time": read_seconds,
    "quantity": read_number,
    "price": read_number,
    "context": read_context,
}


def read_document(values: Mapping[str, object]) -> dict[str, Any]:
    """Give a row of a file, field -> value, as the JSON object that ``parse_event`` takes."""
    return {field: _READERS[field](value) if field in _READERS else value for field, value in values.items()}
