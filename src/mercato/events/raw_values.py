"""Reads values of foreign files leniently: numbers as ids, text as times and numbers.

These take one value and give what ``parse_event`` expects. What they cannot read they hand on as it is, so that
``parse_event`` refuses it and says why.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from mercato.events.event_type import find_event_type
from mercato.text.numbers import parse_price
from mercato.text.timestamps import DayOrder, read_timestamp

#: What databases, spreadsheets and analytics write where there is no id: a user of such a name would be everybody.
NO_IDS = ("", "NULL", "null", "(null)", "\\N", "#N/A", "(not set)")

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_CODE = re.compile(r"\s*[A-Za-z]\s?\d")


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
    return None if isinstance(value, float) or (isinstance(value, str) and value in NO_IDS) else value


def read_event_type(value: object) -> object:
    """Give an event type by its name here (``find_event_type``)."""
    return find_event_type(value) if isinstance(value, str) and value else value


def read_seconds(value: object, day_order: DayOrder | None = None) -> object:
    """Give a time as seconds since 1970 (``read_timestamp``); None where nothing is given."""
    try:
        return read_timestamp(value, day_order=day_order)
    except ValueError:
        return value


def read_number(value: object) -> object:
    """Give a number as a float, from text too, as people in all countries write it; empty text is not given."""
    if isinstance(value, Decimal):
        return float(value)
    if not isinstance(value, str):
        return value
    if not value.strip() or value in NO_IDS:
        return None
    if _NUMBER.fullmatch(value):
        return float(value)
    if _CODE.match(value):
        return value  # a column of codes is no column of pula or rand
    try:
        return parse_price(value).amount
    except ValueError:
        return value


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
    "event_type": read_event_type,
    "user_id": read_id,
    "visitor_id": read_id,
    "product_id": read_id,
    "order_id": read_id,
    "event_id": read_id,
    "order": read_number,
    "quantity": read_number,
    "price": read_number,
    "context": read_context,
    "rating": read_number,
}


def read_document(values: Mapping[str, object], day_order: DayOrder | None = None) -> dict[str, Any]:
    """Give a row of a file, field -> value, as the JSON object that ``parse_event`` takes."""
    document = {field: _READERS[field](value) if field in _READERS else value for field, value in values.items()}
    if "time" in values:
        document["time"] = read_seconds(values["time"], day_order)
    return document


def drop_columns_of_others(document: dict[str, Any]) -> None:
    """Drop what a file says in a column that is of events of another type: a purchase has no stars."""
    for name, event_type in (("rating", "rating"), ("statement", "forget")):
        if document.get("event_type") != event_type:
            document.pop(name, None)
