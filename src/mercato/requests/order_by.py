"""``order_by``: what a whole result is sorted by, in place of relevance."""

from __future__ import annotations

from dataclasses import dataclass

from mercato.errors import InvalidInputError

MAX_KEYS = 3
MAX_CHARS = 400
RELEVANCE = "relevance"
_DIRECTIONS = {"asc": False, "desc": True}


@dataclass(frozen=True, slots=True)
class SortKey:
    """One field to sort by.

    Attributes:
        field: a number field, named as in filters.
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
            parameter, f"must be a text of at most {MAX_CHARS} characters", 'for example "price desc"'
        )
    if value.strip() in ("", RELEVANCE):
        return None
    parts = [part.strip() for part in value.split(",")]
    if len(parts) > MAX_KEYS or not all(parts):
        raise InvalidInputError(
            parameter,
            f"must be 1 to {MAX_KEYS} fields joined by commas, got {value[:64]!r}",
            'for example "price desc"',
        )
    return OrderBy(tuple(_parse_key(part, parameter) for part in parts))


def _parse_key(part: str, parameter: str) -> SortKey:
    field, _, direction = part.rpartition(" ")
    if not field:
        field, direction = part, "asc"
    if direction.lower() not in _DIRECTIONS:
        raise InvalidInputError(
            parameter,
            f"a direction must be one of {', '.join(_DIRECTIONS)}, got {direction[:64]!r}",
            "write price desc",
        )
    if field.strip() == RELEVANCE:
        raise InvalidInputError(parameter, "relevance cannot be joined with other fields", "it breaks ties anyway")
    return SortKey(field.strip(), _DIRECTIONS[direction.lower()])
