"""The rules of the fields of a product document, one function each.

Every function takes the value as it came (None: not given), returns it as it is kept, or raises InvalidInputError
that names the field.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NoReturn, TypeAlias

from mercato.errors import InvalidInputError
from mercato.text.markup import decode_references, to_plain_text
from mercato.text.timestamps import format_timestamp, read_timestamp

Scalar: TypeAlias = str | float | int | bool
AttributeValue: TypeAlias = Scalar | tuple[str | float | int, ...]

AVAILABILITIES = ("IN_STOCK", "OUT_OF_STOCK", "PREORDER", "BACKORDER")

# Limits keep one row from filling an index; the names in comments have Google Retail's for comparison.
ID_LIMIT_BYTES = 256  # 128 characters
TITLE_LIMIT_CHARS = 2_000  # 1,000
TEXT_LIMIT_CHARS = 50_000  # description 5,000
MARKUP_LIMIT_CHARS = 1_000_000  # a text before its markup is taken away
NAME_LIMIT_CHARS = 500  # brand, one category, one attribute key
LIST_LIMIT = 400  # categories 250, values of an attribute 400
ATTRIBUTES_LIMIT = 1_000  # 200

_INT64 = 2**63
# Categories below this length come again and again: what was read of them is kept.
_CACHED_CHARS = 500
# C0 but tab and line breaks, DEL, C1: of no use in a shop, and harmful in logs, terminals and protocols.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# In an id also what nobody sees: an id that looks like another one cannot be typed or found.
_NOT_IN_ID = re.compile("[\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_CURRENCY = re.compile("[A-Z]{3}")


def refuse(name: str, constraint: str, given: object, remedy: str = "") -> NoReturn:
    """Raise InvalidInputError for a field: what must hold, what was given (clipped), what to do."""
    shown = "nothing" if given is None else repr(given)
    raise InvalidInputError(name, f"{constraint}, got {shown if len(shown) <= 80 else shown[:77] + '...'}", remedy)


def _decode(value: object, name: str) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as exc:
            refuse(name, f"must be UTF-8 (byte {exc.start} is not)", value)
    if not isinstance(value, str):
        refuse(name, "must be text", value)
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as exc:
            refuse(name, f"must be UTF-8 (character {exc.start} is not)", value)
    return value


def check_text(value: object, name: str, limit_chars: int) -> str:
    """Check a text: trimmed, control characters as spaces, at most `limit_chars` characters; empty where not given."""
    if value is None:
        return ""
    if type(value) is str and value.isprintable():  # neither controls nor halves of pairs are: most texts are done
        text = value.strip()
        if len(text) <= limit_chars:
            return text
    text = _decode(value, name)
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    text = text.strip()
    if len(text) > limit_chars:
        raise InvalidInputError(name, f"must be at most {limit_chars:,} characters, got {len(text):,}")
    return text


def check_shown_text(value: object, name: str, limit_chars: int) -> str:
    """Check a text that shoppers read: `check_text` of what a reader sees of it, its markup taken away."""
    if value is None:
        return ""
    if type(value) is str and value.isprintable() and "<" not in value and "&" not in value and "[" not in value:
        text = value.strip()  # what `to_plain_text` would give: what it looks for is not printable, or of these three
        if len(text) <= limit_chars:
            return text
    raw = _decode(value, name)
    if len(raw) > MARKUP_LIMIT_CHARS:
        raise InvalidInputError(name, f"must be at most {MARKUP_LIMIT_CHARS:,} characters, got {len(raw):,}")
    text = to_plain_text(raw)
    if text is not raw and name != "description":
        text = text.replace("\n", " ")  # only a description has lines
    return check_text(text, name, limit_chars)


def check_id(value: object) -> str:
    """Check a product id: given, 1 to `ID_LIMIT_BYTES` bytes, nothing invisible in it. It is never changed."""
    if type(value) is str and value.isascii() and value.isprintable() and value == value.strip() != "":
        if len(value) <= ID_LIMIT_BYTES:
            return value
    if value is None or value == "":
        refuse("id", "must be given and not be empty", value)
    text = _decode(value, "id")
    if text != text.strip() or (not text.isprintable() and _NOT_IN_ID.search(text)):
        refuse("id", "must hold no control or invisible characters and no white space around it", text)
    size = len(text) if text.isascii() else len(text.encode("utf-8"))
    if size > ID_LIMIT_BYTES:
        raise InvalidInputError("id", f"must be at most {ID_LIMIT_BYTES} bytes of UTF-8, got {size:,}")
    return text


def check_price(value: object) -> float | None:
    """Check a price: a finite number from 0 to 1e15; None where not given."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse("price", "must be a number", value)
    if not 0 <= value < math.inf or value > 1e15:
        refuse("price", "must be a finite number from 0 to 1e15", value, "leave it out where it is not known")
    return float(value) + 0.0  # -0.0 becomes 0.0


def check_time(value: object) -> str:
    """Check a time (`read_timestamp`); kept as RFC 3339 in UTC, empty where not given."""
    if value is None:
        return ""
    given = check_text(value, "available_time", 80) if isinstance(value, str | bytes) else value
    try:
        seconds = read_timestamp(given)
        return "" if seconds is None else format_timestamp(seconds)
    except (ValueError, OverflowError) as exc:
        raise InvalidInputError("available_time", str(exc)) from exc


def check_currency(value: object) -> str:
    """Check a currency: three capital letters; empty where not given."""
    if value is None:
        return ""
    if type(value) is str and len(value) == 3 and value.isascii() and value.isalpha() and value.isupper():
        return value
    text = check_text(value, "currency", NAME_LIMIT_CHARS)
    if text and not _CURRENCY.fullmatch(text):
        refuse("currency", "must be three capital letters (ISO 4217), such as USD", text)
    return text


def check_availability(value: object) -> str:
    """Check an availability: one of `AVAILABILITIES`; the first, ``IN_STOCK``, where not given."""
    if value is None:
        return AVAILABILITIES[0]
    if not isinstance(value, str) or value not in AVAILABILITIES:
        refuse("availability", f"must be one of {', '.join(AVAILABILITIES)}", value)
    return value


def check_categories(value: object) -> tuple[str, ...]:
    """Check categories: a list of texts; blank and repeated ones are dropped."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        refuse("categories", "must be a list of texts, general to specific", value)
    if len(value) > LIST_LIMIT:
        raise InvalidInputError("categories", f"must be at most {LIST_LIMIT}, got {len(value):,}")
    try:
        if sum(map(len, value)) < _CACHED_CHARS:
            return _check_names(tuple(value))
    except TypeError:
        pass  # not all are texts: said below
    return _check_names.__wrapped__(value)


@lru_cache(maxsize=16_384)
def _check_names(value: Sequence[object]) -> tuple[str, ...]:
    names = dict.fromkeys([check_shown_text(item, "categories", NAME_LIMIT_CHARS) for item in value])
    names.pop("", None)
    return tuple(names)


@lru_cache(maxsize=4_096)  # the same few come in every product
def check_attribute_key(value: object) -> str:
    """Check the name of an attribute: not blank, its character references decoded, its other characters as given."""
    key = check_text(decode_references(value) if isinstance(value, str) else value, "attributes", NAME_LIMIT_CHARS)
    if not key:
        refuse("attributes", "must have keys that are not blank", value)
    return key


def check_attributes(value: object) -> dict[str, AttributeValue]:
    """Check attributes: sorted by key; keys whose value is null, blank or an empty list are dropped."""
    if value is None:
        return {}
    if type(value) is not dict and not isinstance(value, Mapping):  # the type of an object is asked for faster
        refuse("attributes", "must be a JSON object", value)
    if len(value) > ATTRIBUTES_LIMIT:
        raise InvalidInputError("attributes", f"must have at most {ATTRIBUTES_LIMIT:,} keys, got {len(value):,}")
    checked: dict[str, AttributeValue] = {}
    for key, item in value.items():
        name = check_attribute_key(key)
        kept = _attribute_text(item, name) if type(item) is str else _attribute(item, name)
        if kept is not None and kept != "" and kept != ():
            checked[name] = kept
    names = list(checked)
    in_order = sorted(names)
    return checked if names == in_order else {name: checked[name] for name in in_order}


def _attribute(value: object, key: str) -> AttributeValue | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | bytes):
        return _attribute_text(value, key)
    if isinstance(value, int | float):
        return _number(value, key)
    if isinstance(value, list | tuple):
        return _attribute_list(value, key)
    refuse(f"attributes.{key}", "must be text, a number, true, false or a list of texts and numbers", value)


def _attribute_text(value: str | bytes, key: str) -> str:
    if (
        type(value) is str
        and len(value) <= TEXT_LIMIT_CHARS
        and value.isprintable()
        and "<" not in value
        and "&" not in value
        and "[" not in value
    ):
        return value.strip()
    name = f"attributes.{key}"
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return check_text(value, name, TEXT_LIMIT_CHARS)  # an address may hold what looks like a reference
    return check_shown_text(value, name, TEXT_LIMIT_CHARS)


def _number(value: int | float, key: str) -> int | float:
    if not (-_INT64 <= value < _INT64 if isinstance(value, int) else math.isfinite(value)):
        refuse(f"attributes.{key}", "must be a finite number of at most 64 bits", value)
    return value


def _attribute_list(values: Iterable[object], key: str) -> tuple[str | int | float, ...]:
    kept: list[str | int | float] = []
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool):
            kept.append(_number(value, key))
        elif isinstance(value, str | bytes):
            text = _attribute_text(value, key)
            if text:
                kept.append(text)
        elif value is not None:
            refuse(f"attributes.{key}", "must hold texts and numbers only", value)
    if len(kept) > LIST_LIMIT:
        raise InvalidInputError(f"attributes.{key}", f"must have at most {LIST_LIMIT} values, got {len(kept):,}")
    return tuple(kept)
