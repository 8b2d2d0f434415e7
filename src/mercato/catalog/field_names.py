r"""The names of fields, read and written in one way wherever a request, a rule or a message has one.

A **full name** is what columns are kept by: a fixed field (``price``) or ``attributes.KEY``, the key as it is. A
**written name** is what people send and read: the same where the key is made of word characters, hyphens and single
dots, else with the key in double quotes, as ``attributes."thread size"``. `parse_field` undoes `write_field` for every
key. A **bare key** is tolerated where a name stands alone: ``thread size``.

Quoted texts are those of JSON, so that a value may be pasted out of an answer: ``\"``, ``\\``, ``\n``, ``\u00b0``.
Line breaks may stand as they are, too.
"""

from __future__ import annotations

import re

from mercato.catalog.column_builder import FIXED_NUMBER_FIELDS, FIXED_TEXT_FIELDS
from mercato.catalog.field_checks import NAME_LIMIT_CHARS

ATTRIBUTES = "attributes."
WORDS = "words"
"""A field of filters alone: the words that a product holds."""
FIELD_LIMIT_CHARS = len(ATTRIBUTES) + 6 * NAME_LIMIT_CHARS + 2
r"""The longest written name: every character of a key may be written as ``\u00b0``."""

TEXT_PATTERN = r'"[^"\\]*(?:\\[\s\S][^"\\]*)*"'
"""A text in double quotes."""
FIELD_PATTERN = rf"(?:[^\W\d][\w\-]*|{TEXT_PATTERN})(?:\.(?:[\w\-]+|{TEXT_PATTERN}))*"
"""A written name; its parts are joined by dots."""

_FIELD = re.compile(FIELD_PATTERN)
_PART = re.compile(rf"([\w\-]+|{TEXT_PATTERN})(?:\.|\Z)")
_PLAIN_KEY = re.compile(r"[\w\-]+(?:\.[\w\-]+)*")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[\s\S])")
_MEANT = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WRITTEN = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_SURROGATE = re.compile("[\ud800-\udfff]")


class EscapeError(ValueError):
    """A quoted text has a backslash before something that means nothing there.

    Attributes:
        position: of the backslash in the text, its opening quote included.
    """

    def __init__(self, message: str, position: int) -> None:
        """Keep message and position."""
        super().__init__(message)
        self.position = position


def parse_text(quoted: str) -> str:
    """Read a text in double quotes, one that `TEXT_PATTERN` matches.

    Raises:
        EscapeError: it has an escape that JSON does not know.
    """
    if "\\" not in quoted:
        return quoted[1:-1]
    for escape in _ESCAPE.finditer(quoted):
        if escape[1] not in _MEANT and len(escape[1]) == 1:
            shown = f"{escape[0]!r:.8} is no escape" if escape[1].isprintable() else "a backslash stands alone"
            raise EscapeError(shown, escape.start())
    text = _ESCAPE.sub(_read_escape, quoted[1:-1])
    if not _SURROGATE.search(text):
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as exc:
        raise EscapeError("half of a surrogate pair stands alone", quoted.index("\\u")) from exc


def write_text(text: str) -> str:
    """Write a text in double quotes; `parse_text` reads it back."""
    return f'"{text.translate(_WRITTEN)}"'


def parse_field(written: str) -> str:
    r"""Read a written name, one that `FIELD_PATTERN` matches from end to end.

    Returns:
        The name, quotes and escapes undone; `full_name` completes it.

    Raises:
        EscapeError: it has an escape that JSON does not know.
    """
    parts: list[str] = []
    for found in _PART.finditer(written):
        part = found[1]
        try:
            parts.append(parse_text(part) if part.startswith('"') else part)
        except EscapeError as exc:
            raise EscapeError(str(exc), found.start() + exc.position) from exc
    name = ".".join(parts)
    # A key in quotes that begins as a full name does is a key all the same.
    return f"{ATTRIBUTES}{name}" if written.startswith('"') and name.startswith(ATTRIBUTES) else name


def write_field(field: str) -> str:
    """Write a full name as filters, facets and sorting have it; `parse_field` reads it back."""
    if not field.startswith(ATTRIBUTES):
        return field
    key = field.removeprefix(ATTRIBUTES)
    return field if _PLAIN_KEY.fullmatch(key) else ATTRIBUTES + write_text(key)


def full_name(name: str) -> str:
    """Complete a name: fixed fields and ``attributes.KEY`` stay, any other name is an attribute's key."""
    if name in FIXED_TEXT_FIELDS or name in FIXED_NUMBER_FIELDS or name.startswith(ATTRIBUTES):
        return name
    return f"{ATTRIBUTES}{name}"


def list_readings(name: str) -> list[str]:
    """List the full names that a name which stands alone may mean, the likeliest first.

    Args:
        name: a written name, or a bare key.

    Returns:
        One to three: as `write_field` would have written it, then the characters as they are, last a key that looks
        like a full name.
    """
    readings = [full_name(name), f"{ATTRIBUTES}{name}"]
    if '"' in name and _FIELD.fullmatch(name):
        try:
            readings.insert(0, full_name(parse_field(name)))
        except EscapeError:
            pass
    return list(dict.fromkeys(readings))


def _read_escape(escape: re.Match[str]) -> str:
    return chr(int(escape[1][1:], 16)) if len(escape[1]) > 1 else _MEANT[escape[1]]
