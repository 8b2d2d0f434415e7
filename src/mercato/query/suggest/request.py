"""A request for suggestions, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mercato.errors import InvalidInputError
from mercato.query.suggest.phrase import fold_prefix
from mercato.text.normalize import decode_utf8

DEFAULT_LIMIT = 10
MAX_LIMIT = 50
SUGGEST_FIELDS = ("PREFIX", "LIMIT")


@dataclass(frozen=True, kw_only=True)
class SuggestRequest:
    """A prefix to complete.

    Attributes:
        prefix: folded; empty for what is wanted most.
        limit: most suggestions, from 1.
    """

    prefix: str
    limit: int


def parse_suggest(fields: Mapping[str, bytes | int | None]) -> SuggestRequest:
    """Check the inputs of `suggest`.

    Raises:
        InvalidInputError: names the parameter, the constraint, what was given and what to do.
    """
    prefix = fields.get("PREFIX")
    if not isinstance(prefix, bytes):
        raise InvalidInputError("PREFIX", "must be given", "send what the shopper has typed so far")
    given = fields.get("LIMIT")
    limit = DEFAULT_LIMIT if given is None else int(given)
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInputError("LIMIT", f"must be between 1 and {MAX_LIMIT}, got {limit}")
    return SuggestRequest(prefix=fold_prefix(decode_utf8(prefix, "PREFIX")), limit=limit)
