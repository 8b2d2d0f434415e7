"""A shopper's query, made regular before anything looks at it."""

import re
import unicodedata
from typing import Literal

from mercato.errors import InvalidInputError

#: A shopper's query has a dozen words; what is longer is a paste or an attack, and costs encoder time.
QUERY_LIMIT_CHARS = 1_000

TextRole = Literal["query", "product"]
"""What a text is to an encoder that was trained to tell the two apart."""

# Unicode categories Cc and Cf: control characters, zero-width spaces and joiners, bidirectional marks, byte order
# mark, line separators, tags.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def decode_utf8(raw: bytes, parameter: str) -> str:
    """Decode bytes that a caller sent.

    Args:
        raw: the bytes.
        parameter: the caller's name for them, for the message.

    Returns:
        The text.

    Raises:
        InvalidInputError: not UTF-8; the message holds the offset of the first bad byte and its value.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise InvalidInputError(
            parameter,
            f"must be UTF-8, the byte at offset {exc.start} is 0x{raw[exc.start]:02x}",
            "encode the text as UTF-8 before sending it",
        ) from exc


def normalize_query(raw: bytes | str, parameter: str = "QUERY") -> str:
    """Make a query regular: the same wish typed in two ways becomes one text.

    In this order: UTF-8 decoding; the limit of `QUERY_LIMIT_CHARS` characters; Unicode NFKC (full-width letters,
    ligatures, composed accents); control and invisible characters become a space; white space is collapsed to
    single spaces and trimmed. Case and every script, Chinese included, are kept.

    Args:
        raw: the query as it was sent.
        parameter: the caller's name for it, for messages.

    Returns:
        The query, 1 to `QUERY_LIMIT_CHARS` characters. Normalising it again gives the same text.

    Raises:
        InvalidInputError: invalid UTF-8 (with the byte's offset), too long (with limit and length), or blank.
    """
    text = decode_utf8(raw, parameter) if isinstance(raw, bytes) else raw
    # Checked before and after: NFKC turns one character into up to 18 (U+FDFA), and must not run over a megabyte.
    _check_length(text, parameter)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise InvalidInputError(
            parameter, f"must be Unicode text, the character at {exc.start} is half of a surrogate pair"
        ) from exc
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = " ".join(_INVISIBLE.sub(" ", text).split())
    _check_length(text, parameter)
    if not text:
        raise InvalidInputError(
            parameter,
            "must hold at least one visible character, got blank text",
            "send what the shopper typed, or call recommend for answers without a query",
        )
    return text


def align_query(sent: str, normalized: str) -> list[tuple[int, int]]:
    """Find where each character of a normalised query stood in the query as it was sent.

    Args:
        sent: the query as it was sent.
        normalized: what `normalize_query` made of it.

    Returns:
        For each character of ``normalized`` the first character that it was made of, and the position behind the last.
        Where that cannot be told apart, it is the whole query.
    """
    places: list[tuple[int, int]] = []
    found: list[str] = []
    start = 0
    while start < len(sent):
        end = start + 1
        while end < len(sent) and _continues(sent[end]):
            end += 1
        for char in _INVISIBLE.sub(" ", unicodedata.normalize("NFKC", sent[start:end])):
            if not char.isspace():
                found.append(char)
                places.append((start, end))
            elif found and found[-1] != " ":
                found.append(" ")
                places.append((start, end))
        start = end
    if "".join(found).rstrip() != normalized:
        return [(0, len(sent))] * len(normalized)
    return places[: len(normalized)]


def _continues(char: str) -> bool:
    """Tell whether a character is part of the one before it: a mark, or the rest of a Korean syllable."""
    return unicodedata.combining(char) != 0 or "\u1160" <= char <= "\u11ff"


def _check_length(text: str, parameter: str) -> None:
    if len(text) > QUERY_LIMIT_CHARS:
        raise InvalidInputError(
            parameter,
            f"must be at most {QUERY_LIMIT_CHARS:,} characters, got {len(text):,}",
            "shorten the query",
        )
