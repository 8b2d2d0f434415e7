"""How far what is understood of a query may go, and what of it a caller does not want."""

from __future__ import annotations

from enum import Enum

from mercato.errors import InvalidInputError

MAX_IGNORED = 32
MAX_IGNORED_CHARS = 1_000


class Understand(Enum):
    """What is done with what a query is understood to say, by the names used on the wire."""

    AUTO = "auto"
    """What is certain filters and excludes, what is likely boosts."""
    BOOST = "boost"
    """All of it boosts."""
    OFF = "off"
    """A query is its words."""


def parse_ignored(value: object, parameter: str) -> tuple[str, ...]:
    """Check which conditions a caller does not want: a list of their texts, types or fields.

    Raises:
        InvalidInputError: it is something else.
    """
    if not isinstance(value, list) or len(value) > MAX_IGNORED or not all(isinstance(one, str) for one in value):
        raise InvalidInputError(
            parameter,
            f"must be a list of at most {MAX_IGNORED} texts, got {value!r}"[:200],
            'give the "text", "type" or "field" of conditions, for example ["under 30"]',
        )
    if any(len(one) > MAX_IGNORED_CHARS for one in value):
        raise InvalidInputError(parameter, f"must hold texts of at most {MAX_IGNORED_CHARS:,} characters")
    return tuple(value)
