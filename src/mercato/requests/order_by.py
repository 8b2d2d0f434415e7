"""``order_by``: what a whole result is sorted by, in place of relevance."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mercato.catalog.column_builder import FIXED_NUMBER_FIELDS
from mercato.catalog.field_names import FIELD_LIMIT_CHARS, FIELD_PATTERN
from mercato.errors import InvalidInputError

MAX_KEYS = 3
MAX_CHARS = MAX_KEYS * (FIELD_LIMIT_CHARS + 10)
RELEVANCE = "relevance"
_DIRECTIONS = {"asc": False, "desc": True}
_WRITTEN_PART = re.compile(rf"\s*({FIELD_PATTERN})(?:\s+(asc|desc))?\s*(?:,|\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SortKey:
    """One field to sort by.

    Attributes:
        field: a number field, written as in filters, or its bare key.
        descending: the highest first.
    """

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class OrderBy:
    """What a result is sorted by; equal products stay in the order of relevance.

    Attributes:
        keys: the first decides, the next among its equals.
    """

    keys: tuple[SortKey, ...]

    @property
    def text(self) -> str:
        """The order as a request has it; `parse_order_by` reads it back."""
        return ", ".join(f"{key.field} desc" if key.descending else key.field for key in self.keys)


def parse_order_by(value: object, parameter: str = "OPTIONS.order_by") -> OrderBy | None:
    """Check an order.

    Args:
        value: fields with ``asc`` (the default) or ``desc`` behind, joined by commas; ``relevance``, empty or None for
            the order of relevance.
        parameter: the caller's name for it, for messages.

    Raises:
        InvalidInputError: it is something else.
    """
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_CHARS:
        raise InvalidInputError(
            parameter, f"must be a text of at most {MAX_CHARS:,} characters", 'for example "price desc"'
        )
    if value.strip() in ("", RELEVANCE):
        return None
    parts = _split_parts(value)
    if len(parts) > MAX_KEYS or not all(field for field, _ in parts):
        raise InvalidInputError(
            parameter,
            f"must be 1 to {MAX_KEYS} fields joined by commas, got {value[:64]!r}",
            'for example "price desc"',
        )
    return OrderBy(tuple(_parse_key(field, direction, parameter) for field, direction in parts))


def _split_parts(text: str) -> list[tuple[str, str]]:
    """Split an order into fields and directions: at commas, but for those within the quotes of a written name."""
    parts: list[tuple[str, str]] = []
    start, ended = 0, False
    while not ended:
        written = _WRITTEN_PART.match(text, start)
        if written:
            parts.append((written[1], written[2] or "asc"))
            start, ended = written.end(), not written[0].endswith(",")
        else:
            bare, comma, _ = text[start:].partition(",")
            parts.append(_split_bare(bare.strip()))
            start, ended = start + len(bare) + 1, not comma
    return parts


def _split_bare(part: str) -> tuple[str, str]:
    """Split a key that stands alone from its direction. It may hold blanks, and so end with a word that is none."""
    field, _, direction = part.rpartition(" ")
    if field and (direction.lower() in _DIRECTIONS or field in FIXED_NUMBER_FIELDS):
        return field.strip(), direction
    return part, "asc"


def _parse_key(field: str, direction: str, parameter: str) -> SortKey:
    if direction.lower() not in _DIRECTIONS:
        raise InvalidInputError(
            parameter,
            f"a direction must be one of {', '.join(_DIRECTIONS)}, got {direction[:64]!r}",
            "write price desc",
        )
    if field == RELEVANCE:
        raise InvalidInputError(parameter, "relevance cannot be joined with other fields", "it breaks ties anyway")
    return SortKey(field, _DIRECTIONS[direction.lower()])
