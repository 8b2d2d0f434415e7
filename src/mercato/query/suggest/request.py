"""A request for suggestions, checked, and the form in which prefixes and suggestions are compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mercato.errors import InvalidInputError
from mercato.text.normalize import decode_utf8, normalize_query

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


#: Scripts without spaces: any of their characters may begin a word.
_DENSE_SCRIPT = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f"
_WORD = re.compile(rf"[{_DENSE_SCRIPT}]|[^\W_{_DENSE_SCRIPT}]+")


def fold_phrase(text: str) -> str:
    """Give a text as it is compared and shown: normalised as queries are, in lower case; empty for blank text."""
    try:
        return normalize_query(text, "PREFIX").lower()
    except InvalidInputError:
        if text.strip():
            raise
        return ""


def fold_prefix(text: str) -> str:
    """Give a prefix as it is compared: one space at its end is kept, for it says that the word before is complete.

    Raises:
        InvalidInputError: longer than a query may be.
    """
    if not text.strip():
        return ""
    folded = fold_phrase(text)
    return f"{folded} " if text[-1:].isspace() else folded


def list_starts(phrase: str) -> list[int]:
    """Return the offsets in a phrase where a word begins, 0 first."""
    starts = [found.start() for found in _WORD.finditer(phrase)]
    return starts if starts[:1] == [0] else [0, *starts]
