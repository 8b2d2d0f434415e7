"""Values of foreign files, read leniently as the fields of a product: one function a field.

Each takes the value of a column and gives what `parse_product` expects, None where there is none, or raises
InvalidInputError that names the field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from mercato.catalog.field_checks import LIST_LIMIT
from mercato.errors import InvalidInputError
from mercato.tables.table import says_nothing
from mercato.text.number_signs import find_currencies, fold_sign, read_signs
from mercato.text.numbers import parse_price
from mercato.text.timestamps import DayOrder, find_day_order, format_timestamp, read_timestamp

_WORDS = re.compile(r"[\W_]+")
_STATES = {
    "IN_STOCK": "in stock|instock|available|true|yes|y|t|limited availability|limitedavailability|online only"
    "|onlineonly|in store only|instoreonly|low stock|active"
    "|auf lager|lieferbar|sofort lieferbar|verfügbar|sofort verfügbar|vorrätig|ja"
    "|en stock|disponible|oui|disponibile|in magazzino|op voorraad|leverbaar|i lager|finns i lager|på lager"
    "|em estoque|em stock|disponível|dostępny|na stanie|skladem|在庫あり|有货|в наличии",
    "OUT_OF_STOCK": "out of stock|outofstock|false|no|n|f|sold out|soldout|unavailable|not available|discontinued|oos"
    "|nicht auf lager|nicht lieferbar|nicht verfügbar|nicht vorrätig|ausverkauft|vergriffen|nein"
    "|rupture de stock|en rupture|épuisé|indisponible|non|agotado|sin stock|no disponible|esaurito|non disponibile"
    "|uitverkocht|niet op voorraad|slut i lager|ej i lager|udsolgt|utsolgt|esgotado|sem estoque|indisponível"
    "|niedostępny|brak|vyprodáno|在庫なし|品切れ|売り切れ|缺货|нет в наличии",
    "PREORDER": "preorder|pre order|presale|pre sale|vorbestellbar|vorbestellung|précommande|予約",
    "BACKORDER": "backorder|back order|onbackorder|on backorder|backordered|available for order|notify|sur commande",
}
_AVAILABILITY_OF = {word: state for state, words in _STATES.items() for word in words.split("|")}
_PAIR_NAMES = ("name", "key", "attribute_code", "code", "label")
_PAIR_VALUES = ("value", "values", "option", "options")
_NEXT_ADDRESS = re.compile(r"\s*[,|;]\s*(?=https?://)")
_NEXT_PAIR = re.compile(r",(?=[^,=|]+=)")
# Days as spreadsheets count them, of the years 1982 to 2099, and the number of 1970-01-01.
_DAY_NUMBER = re.compile(r"\s*(?:[3-6]\d{4}|7[0-2]\d{3})(?:\.\d+)?\s*", re.ASCII)
_FIRST_DAY = 25_569
# Texts below this length come again and again: what was read of them is kept.
_CACHED_CHARS = 200
_SCHEMA_ORG = re.compile(r"https?://(?:www\.)?schema\.org/", re.IGNORECASE)


def to_text(value: Any) -> str | bytes | None:
    """Read a text: numbers as digits, lists joined by commas; None where it is blank or says that there is none."""
    if isinstance(value, str):
        return None if says_nothing(value) else value
    if isinstance(value, bytes):
        return value if value.strip() else None
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ", ".join(str(item) for item in value if item is not None) or None
    return str(value)


def to_id(value: Any) -> str | bytes | None:
    """Read an id: text as it is written, but for white space and byte order marks around it."""
    text = value if type(value) is str else to_text(value)
    return text.strip(" \t\r\n\u00a0\ufeff") or None if isinstance(text, str) else text


@dataclass(frozen=True, slots=True)
class PriceReader:
    """Reads prices of one column.

    Attributes:
        decimal_mark: what the column's values have in common, None where that is open.
        currency: of the file, where it says one.
    """

    decimal_mark: str | None = None
    currency: str = ""

    def read(self, value: Any, field: str = "price") -> tuple[float | None, str]:
        """Read a price.

        Returns:
            The amount, None where there is none, and the currency, empty where the value does not say it.

        Raises:
            InvalidInputError: it is no price, or could be two.
        """
        if type(value) is str and value and not value.isspace():
            return self._parse(value, field)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value, ""  # NaN included: parse_product refuses it, naming the field
        if isinstance(value, Decimal):
            return float(value), ""
        if isinstance(value, Mapping):  # {"value": 12.5, "currency": "EUR"}
            amount = next((value[name] for name in ("value", "amount", "price") if value.get(name) is not None), None)
            named = next((value[name] for name in ("currency", "currency_code", "currencyCode") if value.get(name)), "")
            return self.read(amount, field)[0], str(to_currency(named) or "")
        text = to_text(value)
        if text is None:
            return None, ""
        if isinstance(text, bytes):
            raise InvalidInputError(field, f"must be a number, got {text!r:.60}")
        return self._parse(text, field)

    def _parse(self, text: str, field: str) -> tuple[float | None, str]:
        try:
            if len(text) < _CACHED_CHARS:
                return _parse_price(text, self.decimal_mark, self.currency)
            return _parse_price.__wrapped__(text, self.decimal_mark, self.currency)
        except ValueError as exc:
            raise InvalidInputError(field, str(exc)) from exc


@lru_cache(maxsize=65_536)
def _parse_price(text: str, decimal_mark: str | None, currency: str) -> tuple[float, str]:
    price = parse_price(text, decimal_mark=decimal_mark, currency=currency)
    return price.amount, price.currency


@dataclass(frozen=True, slots=True)
class CategoryStyle:
    """How a shop writes categories into one text.

    Attributes:
        path: what separates the steps of one path.
        lists: what separates paths; empty where a text is one path.
        dropped: first steps that every path has and no shopper sees.
    """

    path: str = ">"
    lists: str = ""
    dropped: frozenset[str] = frozenset()

    def read(self, value: Any) -> list[Any] | None:
        """Read categories: a list, JSON of one, or paths; a backslash makes a separator part of a name."""
        if type(value) is str and len(value) < _CACHED_CHARS:
            names = _read_categories(self, value)
            return None if names is None else list(names)
        return self._read(value)

    def _read(self, value: Any) -> list[Any] | None:
        if isinstance(value, list):
            return [name for item in value for name in (self.read(to_named("categories", item)) or [])]
        text = to_text(value)
        if text is None or isinstance(text, bytes):
            return None if text is None else [text]
        if text.lstrip().startswith("["):
            try:
                names = orjson.loads(text)
            except orjson.JSONDecodeError:
                names = None
            if isinstance(names, list):
                return names
        found: list[Any] = []
        for path in split_escaped(text, self.lists) if self.lists else [text]:
            steps = [step.strip() for step in split_escaped(path, self.path)]
            found += steps[1:] if steps[0] in self.dropped else steps
        return list(dict.fromkeys(name for name in found if name))


@lru_cache(maxsize=16_384)
def _read_categories(style: CategoryStyle, text: str) -> tuple[Any, ...] | None:
    names = style._read(text)
    return None if names is None else tuple(names)


def split_escaped(text: str, mark: str) -> list[str]:
    r"""Split a text at a mark, but not at ``\mark``, which becomes the mark itself."""
    if "\\" not in text:
        return text.split(mark)
    parts = re.split(rf"(?<!\\){re.escape(mark)}", text)
    return [part.replace(f"\\{mark}", mark) for part in parts]


@dataclass(frozen=True, slots=True)
class TimeReader:
    """Reads times of one column.

    Attributes:
        day_order: which of day and month comes first in dates like ``01/05/2024``, where the column shows it.
        are_days: whether all values are numbers that spreadsheets give to days of these decades: 45413 is 2024-05-01.
    """

    day_order: DayOrder | None = None
    are_days: bool = False

    def seconds(self, value: Any) -> float | None:
        """Read a time as seconds since 1970 UTC, None where there is none.

        Raises:
            ValueError: it is no time, or could be two.
        """
        if self.are_days and isinstance(value, str) and _DAY_NUMBER.fullmatch(value):
            return (float(value) - _FIRST_DAY) * 86_400
        return read_timestamp(value, day_order=self.day_order)

    @classmethod
    def of(cls, sample: Sequence[str]) -> TimeReader:
        """Make the reader of a column by what its values have in common."""
        given = [text for text in sample if not says_nothing(text)]
        return cls(find_day_order(given), bool(given) and all(map(_DAY_NUMBER.fullmatch, given)))

    def read(self, value: Any) -> str | None:
        """Read a time as RFC 3339 in UTC, None where there is none.

        Raises:
            InvalidInputError: it is no time, or could be two.
        """
        try:
            seconds = self.seconds(value)
            return None if seconds is None else format_timestamp(seconds)
        except (ValueError, OverflowError) as exc:
            raise InvalidInputError("available_time", str(exc)) from exc


def to_currency(value: Any) -> str | bytes | None:
    """Read a currency: its code in any case, or a sign or name that stands for one."""
    text = to_text(value)
    if not isinstance(text, str):
        return text
    part = text.strip()
    if len(part) == 3 and part.upper() in read_signs().decimals:
        return part.upper()
    codes = find_currencies(part) or []
    return codes[0] if len(codes) == 1 else read_signs().usual.get(fold_sign(part), part)


def to_named(field: str, value: Any) -> Any:
    """Give what an object is called, ``{"id": 7, "name": "Acme"}``, or where a picture lies; other values as they are.

    Raises:
        InvalidInputError: the object has no such name.
    """
    if not isinstance(value, Mapping):
        return value
    names = ("src", "url", "href") if field.endswith("uri") else ("name", "title", "label", "value")
    found = next((value[name] for name in names if isinstance(value.get(name), str | int | float)), None)
    if found is None:
        raise InvalidInputError(field, f"must be text or a number, got an object {value!r:.60}")
    return found


def to_address(value: Any) -> str | bytes | None:
    """Read the address of a picture or page: of several the first."""
    if isinstance(value, list):
        return next((text for text in (to_text(to_named("image_uri", item)) for item in value) if text), None)
    if type(value) is str and value.find("http", 1) < 0:
        return value.strip() or None
    text = to_text(value)
    return _NEXT_ADDRESS.split(text.strip(), maxsplit=1)[0] if isinstance(text, str) else text


def to_availability(value: Any) -> str | bytes | None:
    """Read an availability: a state as feeds write it, a truth, or how many there are.

    Raises:
        InvalidInputError: it is none of them.
    """
    if type(value) is str:
        return _read_state(value) if len(value) < _CACHED_CHARS else value
    if isinstance(value, bool):
        return "IN_STOCK" if value else "OUT_OF_STOCK"
    if isinstance(value, int | float | Decimal) and value == value:
        return "IN_STOCK" if value > 0 else "OUT_OF_STOCK"
    text = to_text(value)
    return _read_state(text[:_CACHED_CHARS]) if isinstance(text, str) else text


@lru_cache(maxsize=1_024)
def _read_state(text: str) -> str | None:
    if not text.strip():
        return None
    plain = _WORDS.sub(" ", _SCHEMA_ORG.sub("", text)).strip().lower()
    if plain in _AVAILABILITY_OF:
        return _AVAILABILITY_OF[plain]
    try:
        return "IN_STOCK" if float(text) > 0 else "OUT_OF_STOCK"
    except ValueError:
        return text.strip().upper().replace(" ", "_")


def split_list(value: Any) -> Any:
    """Read a list that stands in one text, separated by commas; one value alone stays as it is."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in split_escaped(value, ",") if part.strip()]
    return parts if len(parts) > 1 else parts[0] if parts else None


def unpack_attributes(value: Any) -> Any:
    """Read several attributes in one text, as Magento writes them: ``colour=red,activity=Gym|Yoga``."""
    if not isinstance(value, str):
        return value
    found: dict[str, Any] = {}
    for pair in _NEXT_PAIR.split(value):
        name, equals, text = pair.partition("=")
        if equals and name.strip() and text.strip():
            parts = [part.strip() for part in text.strip().strip('"').split("|") if part.strip()]
            found[name.strip()] = parts if len(parts) > 1 else parts[0] if parts else None
    return found


def to_object(value: Any) -> Mapping[str, Any]:
    """Read attributes: an object, or JSON of one.

    Raises:
        InvalidInputError: it is none.
    """
    given = value
    if isinstance(value, str | bytes):
        if not value.strip():
            return {}
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as exc:
            raise InvalidInputError("attributes", f"must be a JSON object ({exc}), got {value[:40]!r}") from exc
    if value is None:
        return {}
    if isinstance(value, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        value = dict(value)  # a map column of Arrow
    found: Mapping[str, Any] | None = value if isinstance(value, Mapping) else read_pairs(value)
    if found is None:
        raise InvalidInputError("attributes", f"must be a JSON object, got {given!r:.60}")
    return found


def read_pairs(value: Any) -> dict[str, Any] | None:
    """Read attributes as interfaces of shops give them, ``[{"name": "Colour", "value": "Red"}]``; None for others."""
    if not isinstance(value, list) or not value or not all(isinstance(item, Mapping) for item in value):
        return None
    found: dict[str, Any] = {}
    for item in value:
        name = next((item[key] for key in _PAIR_NAMES if isinstance(item.get(key), str)), None)
        key = next((key for key in _PAIR_VALUES if key in item), None)
        if name is None or key is None:
            return None
        add_attribute(found, name, item[key])
    return found


def _read_names(value: list[Any]) -> list[Any] | None:
    """Read a list of objects that have names, ``[{"id": 1, "name": "new"}]``; None for others."""
    if not value or not all(isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in value):
        return None
    return [item["name"] for item in value]


def join_texts(parts: Sequence[str | bytes]) -> str:
    """Join the texts of several columns."""
    return " ".join(part if isinstance(part, str) else part.decode("utf-8", "surrogateescape") for part in parts)


def can_be_attribute(value: Any) -> bool:
    """Tell whether a value of a column that nobody mapped can be an attribute; a mapped one is refused by the row."""
    if not isinstance(value, list) or (value and all(isinstance(pair, tuple) for pair in value)):
        return True
    if read_pairs(value) is not None or _read_names(value) is not None:
        return True
    return len(value) <= LIST_LIMIT and all(item is None or isinstance(item, str | int | float) for item in value)


def add_attribute(attributes: dict[str, Any], name: str, value: Any) -> None:
    """Add a value to attributes: objects key by key, a second value of a name beside the first."""
    if value is None or value == "" or value != value:
        return
    if isinstance(value, list):
        value = read_pairs(value) or _read_names(value) or value
    if isinstance(value, Mapping):
        for key, item in value.items():
            add_attribute(attributes, f"{name}.{key}" if name else str(key), item)
    elif isinstance(value, list) and value and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        add_attribute(attributes, name, dict(value))  # a map column of Arrow
    else:
        if isinstance(value, Decimal):
            value = float(value)
        elif isinstance(value, date):
            value = _write_time(value)
        held = attributes.get(name)
        if held is None:
            attributes[name] = value
        else:
            both = [*(held if isinstance(held, list) else [held]), *(value if isinstance(value, list) else [value])]
            attributes[name] = list(dict.fromkeys(both)) if len(set(map(str, both))) > 1 else held


def _write_time(value: date) -> str:
    """Write a date of a typed column as text; a moment as RFC 3339 in UTC."""
    seconds = read_timestamp(value) if isinstance(value, datetime) else None
    return value.isoformat() if seconds is None else format_timestamp(seconds)
