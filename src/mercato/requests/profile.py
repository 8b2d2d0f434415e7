"""A request for what is known of a shopper, checked.

Apart from the request of a page, which has a dozen other inputs and none of these rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mercato.errors import InvalidInputError
from mercato.events.event import parse_id
from mercato.text.normalize import decode_utf8

DEFAULT_STATEMENTS = 200
MAX_STATEMENTS = 10_000
PROFILE_FIELDS = ("USER_ID", "VISITOR_ID", "LIMIT")


@dataclass(frozen=True, kw_only=True)
class ProfileRequest:
    """Whose profile is wanted.

    Attributes:
        user_id: who is signed in; empty where nobody is.
        visitor_id: who is not; one of the two is given.
        limit: most statements, from 1.
    """

    user_id: str = ""
    visitor_id: str = ""
    limit: int = DEFAULT_STATEMENTS


def parse_profile(fields: Mapping[str, bytes | int | None]) -> ProfileRequest:
    """Check the inputs of `profile`.

    Raises:
        InvalidInputError: names the parameter, the constraint, what was given and what to do.
    """
    user_id, visitor_id = (_read_id(fields, name) for name in PROFILE_FIELDS[:2])
    if not (user_id or visitor_id):
        raise InvalidInputError("USER_ID", "must be given, or VISITOR_ID, got neither", "say whose profile is wanted")
    given = fields.get("LIMIT")
    limit = DEFAULT_STATEMENTS if given is None else int(given)
    if not 1 <= limit <= MAX_STATEMENTS:
        raise InvalidInputError("LIMIT", f"must be between 1 and {MAX_STATEMENTS}, got {limit}")
    return ProfileRequest(user_id=user_id, visitor_id=visitor_id, limit=limit)


def _read_id(fields: Mapping[str, bytes | int | None], name: str) -> str:
    value = fields.get(name)
    return parse_id(name, decode_utf8(value, name)) if isinstance(value, bytes) else ""
