"""From the columns of somebody's file to the fields of a product: what ``--map`` says, and what it leaves open."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, TypeAlias

import orjson

from mercato.catalog.field_checks import LIST_LIMIT
from mercato.catalog.product import PRODUCT_FIELDS
from mercato.errors import DataError, InvalidInputError

Row: TypeAlias = Mapping[str, Any]

REQUIRED_FIELDS = ("id", "title")
#: Target that drops columns.
IGNORE = "ignore"
#: Source of `id` for files that have none: the number of the row.
ROW_NUMBER = "ROW"

# Names that exports of shops use; they are suggested in messages, never taken without being asked for.
_LIKELY_COLUMNS = {
    "id": ("product_id", "sku", "item_id", "productid", "docid", "code", "uid", "asin", "article_id"),
    "title": ("name", "product_name", "product_title", "item_name", "label", "product_type", "description"),
}
# A price as people write it: a number with separators, a currency's sign or name before or after it.
_WRITTEN_PRICE = re.compile(r"[^\d.,+-]{0,4}\s*(\d[\d.,' \u00a0]*?)\s*[^\d.,+-]{0,4}")
_SCALED = re.compile(r"(.+?)\s*([*/])\s*(\d+(?:\.\d+)?)")


def parse_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """Read the arguments of ``--map``.

    Args:
        pairs: such as ``title=name``, ``price=price_cents/100``, ``categories=department,type``,
            ``attributes.colour=color``, ``ignore=internal_note``.

    Returns:
        Target -> source, checked by `ColumnMapping` once the file's columns are known.

    Raises:
        InvalidInputError: no ``=``, an unknown target, or a target given twice.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        target, equals, source = (part.strip() for part in pair.partition("="))
        if not (equals and target and source):
            raise InvalidInputError("--map", f"must be FIELD=COLUMN, got {pair!r}", "for example --map title=name")
        if target in mapping:
            raise InvalidInputError("--map", f"{target} is mapped twice, to {mapping[target]!r} and to {source!r}")
        _check_target(target)
        mapping[target] = source
    return mapping


class ColumnMapping:
    """Turns rows of a file into product documents.

    A field takes the column that is mapped to it, or the one of its own name (which others may use too). A source is a
    column, several separated by commas (texts are joined by a space, categories follow each other), or ``COLUMN/100``,
    ``COLUMN*1.2`` for the price; ``id=ROW`` numbers the rows of a file without ids. Reads values leniently: numbers as
    ids, ``A > B`` or a JSON list as categories, ``$1,299.00`` as a price, ``in stock`` and truths as availability,
    dates as times. Every other column becomes an attribute of its name, but for lists that are too long or hold more
    than texts and numbers (vectors, reviews): no filter could use them. A column mapped to ``attributes`` holds JSON
    objects.
    """

    def __init__(self, mapping: Mapping[str, str], columns: Sequence[str], file_name: str) -> None:
        """Resolve a mapping against a file's columns.

        Args:
            mapping: target -> source, as from `parse_mapping`.
            columns: the file's columns.
            file_name: for messages.

        Raises:
            InvalidInputError: an unknown target.
            DataError: a source is not in the file, or `id` or `title` has none; the message lists the columns there
                are and the ``--map`` to write.
        """
        self._columns = list(columns)
        self._file_name = file_name
        self._scale: tuple[str, float] | None = None
        self._sources: dict[str, list[str]] = {}
        for target, source in mapping.items():
            _check_target(target)
            self._sources[target] = self._resolve(target, source)
        for name in PRODUCT_FIELDS:
            if name not in self._sources and name in self._columns:
                self._sources[name] = [name]
        self._check_required()
        self._numbered = self._sources.get("id") == [ROW_NUMBER] and ROW_NUMBER not in self._columns
        self._taken = {column for sources in self._sources.values() for column in sources}
        self._steps: list[tuple[str, list[str], Callable[[Any], Any]]] = [
            (target, sources, _CONVERTERS.get(target, _to_text))
            for target, sources in self._sources.items()
            if target != IGNORE and not target.startswith("attributes") and not (target == "id" and self._numbered)
        ]
        self._attribute_columns = self._sources.get("attributes", [])
        self._named_attributes = [
            (target.removeprefix("attributes."), sources[0])
            for target, sources in self._sources.items()
            if target.startswith("attributes.")
        ]

    @property
    def extra_columns(self) -> list[str]:
        """Columns that become attributes."""
        return [column for column in self._columns if column not in self._taken]

    def document(self, row: Row, number: int = 0) -> dict[str, Any]:
        """Make the product document of one row; `parse_product` checks it.

        Args:
            row: column -> value; columns may be missing.
            number: of the row in the file, for ``id=ROW``.

        Returns:
            Product fields, without those that have no value.

        Raises:
            InvalidInputError: a value cannot be read as its field.
        """
        document: dict[str, Any] = {"id": str(number)} if self._numbered else {}
        for target, sources, convert in self._steps:
            if len(sources) == 1:
                value = convert(row.get(sources[0]))
            else:
                parts = [part for part in (convert(row.get(source)) for source in sources) if part is not None]
                value = _join(target, parts)
            if value is not None:
                document[target] = value
        if self._scale is not None and "price" in document:
            operator, factor = self._scale
            document["price"] = document["price"] * factor if operator == "*" else document["price"] / factor
        attributes: dict[str, Any] = {}
        for column in self._attribute_columns:
            attributes.update(_to_object(row.get(column)))
        for name, column in self._named_attributes:
            _add_attribute(attributes, name, row.get(column))
        for column, value in row.items():
            if column not in self._taken and _can_be_attribute(value):
                _add_attribute(attributes, column, value)
        if attributes:
            document["attributes"] = attributes
        return document

    def _resolve(self, target: str, source: str) -> list[str]:
        if source in self._columns or (target == "id" and source == ROW_NUMBER):
            return [source]
        scaled = _SCALED.fullmatch(source)
        if scaled and scaled[1] in self._columns:
            factor = float(scaled[3])
            if target != "price" or factor == 0:
                raise InvalidInputError(
                    "--map", f"only price can be scaled, by a number above 0, got {target}={source}"
                )
            self._scale = (scaled[2], factor)
            return [source[: scaled.end(1)]]
        names = [name.strip() for name in source.split(",")]
        missing = [name for name in names if name not in self._columns]
        if missing:
            close = get_close_matches(missing[0], self._columns, 1)
            raise DataError(
                f"{self._file_name} has no column {missing[0]!r} (--map {target}={source}); its columns: "
                f"{', '.join(self._columns)}" + (f"; did you mean {close[0]!r}?" if close else "")
            )
        return names

    def _check_required(self) -> None:
        missing = [name for name in REQUIRED_FIELDS if name not in self._sources]
        if not missing:
            return
        remedy = " ".join(f"--map {name}={self._likely_column(name)}" for name in missing)
        raise DataError(
            f"{self._file_name} has no column for {' and '.join(missing)}; its columns: "
            f"{', '.join(self._columns) or 'none'}; name the right one, for example {remedy}"
            + (f" (--map id={ROW_NUMBER} numbers the rows)" if "id" in missing else "")
        )

    def _likely_column(self, name: str) -> str:
        taken = {column for sources in self._sources.values() for column in sources}
        free = {column.lower(): column for column in self._columns if column not in taken}
        for likely in _LIKELY_COLUMNS[name]:
            if likely in free:
                return free[likely]
        holding = [column for lower, column in free.items() if name in lower]
        return (holding or get_close_matches(name, list(free.values()), 1) or ["COLUMN"])[0]


def _check_target(target: str) -> None:
    if target not in PRODUCT_FIELDS and target != IGNORE and not re.fullmatch(r"attributes\..+", target):
        close = get_close_matches(target, PRODUCT_FIELDS, 1)
        raise InvalidInputError(
            "--map",
            f"{target!r} is no field; fields: {', '.join(PRODUCT_FIELDS)}, attributes.KEY, {IGNORE}",
            f"did you mean {close[0]}?" if close else "",
        )


def _to_text(value: Any) -> str | bytes | None:
    if isinstance(value, str | bytes):
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


def _to_price(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value  # NaN included: parse_product refuses it, naming the field
    if isinstance(value, Decimal):
        return float(value)
    text = _to_text(value)
    if text is None:
        return None
    try:
        return float(text)
    except ValueError as exc:
        written = _WRITTEN_PRICE.fullmatch(text.strip()) if isinstance(text, str) else None
        number = _read_written_number(written[1]) if written else None
        if number is None:
            raise InvalidInputError("price", f"must be a number, got {text!r:.60}") from exc
        return number


def _read_written_number(digits: str) -> float | None:
    """Read digits with separators: the last mark followed by one or two digits is the decimal one, others group.

    Returns:
        None where the marks group nothing, as in ``1,29,9``.
    """
    plain = re.sub(r"[' \u00a0]", "", digits).rstrip(".,")
    whole, mark, part = plain.rpartition("," if plain.rfind(",") > plain.rfind(".") else ".")
    if not (mark and len(part) <= 2):
        whole, part = plain, "0"
    if re.fullmatch(r"\d+|\d{1,3}(?:,\d{3})+|\d{1,3}(?:\.\d{3})+", whole) is None:
        return None
    return float(f"{re.sub('[.,]', '', whole)}.{part}")


def _to_categories(value: Any) -> list[Any] | None:
    if isinstance(value, list):
        return value
    text = _to_text(value)
    if text is None:
        return None
    if isinstance(text, bytes):
        return [text]
    if text.lstrip().startswith("["):
        try:
            names = orjson.loads(text)
        except orjson.JSONDecodeError:
            names = None
        if isinstance(names, list):
            return names
    return text.split(">")


def _to_time(value: Any) -> str | bytes | None:
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    return _to_text(value)


def _to_availability(value: Any) -> str | bytes | None:
    if isinstance(value, bool):
        return "IN_STOCK" if value else "OUT_OF_STOCK"
    text = _to_text(value)
    return text.strip().upper().replace(" ", "_") if isinstance(text, str) else text


def _to_object(value: Any) -> Mapping[str, Any]:
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
    if not isinstance(value, Mapping):
        raise InvalidInputError("attributes", f"must be a JSON object, got {value!r:.60}")
    return value


def _to_variants(value: Any) -> Any:
    """Give a list of objects as it is, or read it as JSON; `parse_product` checks what it is."""
    if not isinstance(value, str | bytes):
        return value
    if not value.strip():
        return None
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as exc:
        raise InvalidInputError("variants", f"must be a JSON list of objects ({exc}), got {value[:40]!r}") from exc


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "variants": _to_variants,
    "price": _to_price,
    "categories": _to_categories,
    "available_time": _to_time,
    "availability": _to_availability,
}


def _join(target: str, parts: list[Any]) -> Any:
    if not parts:
        return None
    if target == "categories":
        return [name for names in parts for name in names]
    if target == "price":
        return parts[0]
    return " ".join(part if isinstance(part, str) else part.decode("utf-8", "surrogateescape") for part in parts)


def _can_be_attribute(value: Any) -> bool:
    """Tell whether a value of a column that nobody mapped can be an attribute; a mapped one is refused by the row."""
    if not isinstance(value, list) or (value and all(isinstance(pair, tuple) for pair in value)):
        return True
    return len(value) <= LIST_LIMIT and all(item is None or isinstance(item, str | int | float) for item in value)


def _add_attribute(attributes: dict[str, Any], name: str, value: Any) -> None:
    if value is None or value == "" or value != value:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            _add_attribute(attributes, f"{name}.{key}", item)
    elif isinstance(value, list) and value and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        _add_attribute(attributes, name, dict(value))  # a map column of Arrow
    elif isinstance(value, Decimal):
        attributes[name] = float(value)
    elif isinstance(value, date):
        attributes[name] = _to_time(value)
    else:
        attributes[name] = value
