"""Products of a block of rows, column by column: for files of texts whose rows are products as they stand.

Each column goes through the same readers and checks as a single row does (`ColumnMapping.read`, `parse_leniently`), but
a column at a time: what repeats is read once, and what is plain in a whole column is asked of all its texts together. A
row of which anything is odd is not read here: it is left to the way that tells what is wrong with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from mercato.catalog.field_checks import (
    ATTRIBUTES_LIMIT,
    ID_LIMIT_BYTES,
    NAME_LIMIT_CHARS,
    TEXT_LIMIT_CHARS,
    TITLE_LIMIT_CHARS,
    check_attribute_key,
    check_attributes,
    check_availability,
    check_categories,
    check_currency,
    check_id,
    check_price,
    check_shown_text,
    check_text,
    check_time,
)
from mercato.catalog.offer import Offer
from mercato.catalog.product import Product, make_products
from mercato.catalog.sources import AttributeColumn, ColumnPlan, Source, Step
from mercato.catalog.values import add_attribute, to_text
from mercato.errors import InvalidInputError
from mercato.tables.table import BLANK_MARKS, RowBatch, says_nothing

#: What was read of texts shorter than this is kept, for so many of them.
_KEPT_CHARS = 500
_KEPT_TEXTS = 65_536
_ODD: Any = object()
_LIMITS = {
    "title": TITLE_LIMIT_CHARS,
    "description": TEXT_LIMIT_CHARS,
    "brand": NAME_LIMIT_CHARS,
    "image_uri": TITLE_LIMIT_CHARS,
    "uri": TITLE_LIMIT_CHARS,
}
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "id": check_id,
    "categories": check_categories,
    "availability": check_availability,
    "available_time": check_time,
    # none is not the same as blank: it leaves the word to the price
    "currency": lambda value: None if value is None else check_currency(value),
}
_Read: TypeAlias = Callable[[str], Any]
_ReadAll: TypeAlias = Callable[[Sequence[str]], "Sequence[Any] | None"]


class _Column:
    """Reads a column, block by block.

    Attributes:
        has_odd: whether the last block had a text that was not read; `_ODD` stands in its place.
    """

    def __init__(
        self, sources: Sequence[str], read: _Read, read_all: _ReadAll | None = None, *, keeps: bool = False
    ) -> None:
        """Say how it is read.

        Args:
            sources: columns of which the first that is filled counts.
            read: reads one text.
            read_all: reads the texts of a block, None where they are not plain.
            keeps: keep what was read, even if it does not repeat within a block.
        """
        self.has_odd = False
        self._sources = sources
        self._read_one = read
        self._read_all = read_all
        self._keeps = keeps
        self._repeats: bool | None = None
        self._kept = _Kept(self._read)

    def read(self, batch: RowBatch) -> Sequence[Any]:
        """Read a block: one value a row."""
        self.has_odd = False
        texts = self._texts(batch)
        if self._repeats is None or len(self._kept) > _KEPT_TEXTS:
            self._kept.clear()
            self._repeats = self._keeps or len(set(texts)) * 2 < len(texts)
        if self._repeats:
            return list(map(self._kept.__getitem__, texts))
        found = self._read_all(texts) if self._read_all else None
        return list(map(self._read, texts)) if found is None else found

    def _texts(self, batch: RowBatch) -> Sequence[str]:
        columns: list[list[str]] = [batch.column(name) for name in self._sources]
        if len(columns) == 1:
            return columns[0]
        return [next((text for text in texts if not says_nothing(text)), "") for texts in zip(*columns, strict=True)]

    def _read(self, text: str) -> Any:
        try:
            return self._read_one(text)
        except (InvalidInputError, RecursionError):
            self.has_odd = True
            return _ODD


class _Kept(dict[str, Any]):
    """Values by their texts; read where they are not there yet. What is odd is not kept."""

    def __init__(self, read: _Read) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> Any:
        value = self._read(text)
        if len(text) < _KEPT_CHARS and value is not _ODD:
            self[text] = value
        return value


class DirectReader:
    """Reads blocks of rows into products."""

    def __init__(self, plan: ColumnPlan) -> None:
        """Prepare the columns.

        Args:
            plan: one that `can_read_directly`.
        """
        self._fields = {step.target: _plan_field(step) for step in plan.steps}
        self._price = _plan_price(plan.offer_sources["price"], plan.offer) if "price" in plan.offer_sources else None
        self._sales = [
            _Column(plan.offer_sources[name].columns, _read_nothing)
            for name in ("sale_price", "list_price")
            if name in plan.offer_sources
        ]
        in_order = sorted(plan.attributes, key=lambda attribute: check_attribute_key(attribute.name))
        self._keys = [check_attribute_key(attribute.name) for attribute in in_order]
        self._attributes = list(map(_plan_attribute, in_order, self._keys))

    def read(self, batch: RowBatch) -> list[Product | None]:
        """Read a block.

        Args:
            batch: rows of texts.

        Returns:
            One product a row; None for a row that is left to the general way.
        """
        count = len(batch.lines)
        odd: set[int] = set()
        columns = {name: _read(column, batch, odd) for name, column in self._fields.items()}
        if self._price is not None:
            pairs = _read(self._price, batch, odd, (None, ""))
            columns["price"] = [price for price, _ in pairs]
            named = [currency for _, currency in pairs]
            given = columns.get("currency", [None] * count)
            columns["currency"] = [
                word if currency is None else currency for currency, word in zip(given, named, strict=True)
            ]
        elif "currency" in columns:
            columns["currency"] = [currency or "" for currency in columns["currency"]]
        for column in self._sales:
            _read(column, batch, odd)
        columns["attributes"] = self._read_attributes(batch, count, odd)
        products: list[Product | None] = [*make_products(count, columns)]
        for at in odd:
            products[at] = None
        return products

    def _read_attributes(self, batch: RowBatch, count: int, odd: set[int]) -> list[dict[str, Any]]:
        keys = self._keys
        if not keys:
            return [{} for _ in range(count)]
        columns = [_read(column, batch, odd) for column in self._attributes]
        rows = zip(*columns, strict=True)
        if not any(None in column for column in columns):
            return [dict(zip(keys, row, strict=True)) for row in rows]
        return [
            {key: value for key, value in zip(keys, row, strict=True) if value is not None and value != ()}
            for row in rows
        ]


def can_read_directly(plan: ColumnPlan) -> bool:
    """Tell whether rows can be read column by column: no field asks for several columns, no two columns for one."""
    names = [attribute.name for attribute in plan.attributes]
    try:
        keys = {check_attribute_key(name) for name in names}
    except InvalidInputError:
        return False
    return (
        all(names)
        and len(keys) == len(names) <= ATTRIBUTES_LIMIT
        and not {"stock", "backorders"} & plan.offer_sources.keys()
        and all(
            step.target != "variants"
            and (step.column is not None or (not step.source.is_joined and step.target != "id"))
            for step in plan.steps
        )
    )


def _read(column: _Column, batch: RowBatch, odd: set[int], instead: Any = None) -> Sequence[Any]:
    """Read a column; the rows of odd texts are added to `odd`, and have another value instead."""
    values = column.read(batch)
    if not column.has_odd:
        return values
    odd.update(at for at, value in enumerate(values) if value is _ODD)
    return [instead if value is _ODD else value for value in values]


def _read_nothing(text: str) -> None:
    if not says_nothing(text):
        raise InvalidInputError("sale_price", "is read with the whole row")


def _plan_field(step: Step) -> _Column:
    name, convert = step.target, step.convert
    limit = _LIMITS.get(name, 0)
    is_shown = name in ("title", "description", "brand")
    check = _CHECKS.get(name)
    if check is None:
        check_one = check_shown_text if is_shown else check_text

        def check(value: Any) -> str:
            return check_one(value, name, limit)

    absent = None if name in ("id", "title") else check(None)
    takes_all = convert is to_text

    def read(text: str) -> Any:
        if says_nothing(text) if name != "id" else not text or text.isspace():
            value = absent
        else:
            value = check(text if takes_all else convert(text))
        if not value and name in ("id", "title"):
            raise InvalidInputError(name, "must be given")
        return value

    def read_texts(texts: Sequence[str]) -> Sequence[str] | None:
        if name == "image_uri" and any([text.find("http", 1) >= 0 for text in texts]):
            return None
        found = _strip_plain(texts, limit, is_shown=is_shown)
        return None if found is None or (name == "title" and "" in found) else found

    read_all = read_texts if limit else _take_ids if name == "id" else None
    return _Column(step.source.columns, read, read_all)


def _plan_price(source: Source, offer: Offer) -> _Column:
    def read(text: str) -> tuple[float | None, str]:
        if says_nothing(text):
            return None, ""
        amount, currency = offer.prices.read(text, "price")
        return check_price(None if amount is None else offer.scaled(amount)), check_currency(currency or None)

    return _Column(source.columns, read, keeps=True)


def _plan_attribute(attribute: AttributeColumn, key: str) -> _Column:
    def read(text: str) -> Any:
        if says_nothing(text):
            return None
        value = attribute.read(text)
        if type(value) is float and math.isfinite(value):
            return value
        held: dict[str, Any] = {}
        add_attribute(held, attribute.name, value)
        return check_attributes(held).get(key)

    def read_texts(texts: Sequence[str]) -> Sequence[str | None] | None:
        found = _strip_plain(texts, TEXT_LIMIT_CHARS, is_shown=True)
        return found if found is None or "" not in found else [text or None for text in found]

    # figures and dimensions come again over a file, if seldom within a block
    return _Column([attribute.column], read, read_texts if attribute.is_kept else None, keeps=not attribute.is_kept)


def _strip_plain(texts: Sequence[str], limit: int, *, is_shown: bool) -> list[str] | None:
    """Read texts that need no more than the white space around them taken away; None where one needs more."""
    joined = "".join(texts)
    if not joined.isprintable() or (is_shown and _has_any("<&[", joined)):
        return None
    if max(map(len, texts), default=0) > limit or not BLANK_MARKS.isdisjoint(texts):
        return None
    return list(map(str.strip, texts))


def _take_ids(texts: Sequence[str]) -> Sequence[str] | None:
    """Give ids as they stand; None where one has other than plain characters, or is none."""
    joined = "".join(texts)
    is_plain = joined.isascii() and joined.isprintable() and " " not in joined
    return texts if is_plain and all(texts) and max(map(len, texts), default=0) <= ID_LIMIT_BYTES else None


def _has_any(marks: Iterable[str], text: str) -> bool:
    return any(mark in text for mark in marks)
