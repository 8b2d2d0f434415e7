"""What became of a file's rows: products in whole, in part or not at all, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mercato.catalog.field_checks import ATTRIBUTES_LIMIT, LIST_LIMIT, TEXT_LIMIT_CHARS, TITLE_LIMIT_CHARS
from mercato.catalog.product import Product, parse_product
from mercato.errors import InvalidInputError
from mercato.incoming import MAX_SHOWN, RowReport

#: A product with more faults than this is refused: nothing of it can be right.
_MAX_FAULTS = 200
_VARIANT = re.compile(r"variants\[(\d+)\](?:\.(.+))?")
_NEEDED = ("id", "title")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A value that was left out of a product because it cannot be read.

    Attributes:
        field: of the product, such as ``price`` or ``attributes.width``.
        reason: the rule and what was given.
    """

    field: str
    reason: str

    @property
    def kind(self) -> str:
        """The reason without the value: what is the same in all rows that have it."""
        return re.split(r", got |; | \(", self.reason, maxsplit=1)[0][:100]

    @classmethod
    def of(cls, error: InvalidInputError) -> LeftOut:
        """Make it of the error that names the field."""
        return cls(error.parameter, str(error).removeprefix(f"{error.parameter}: "))


@dataclass(kw_only=True)
class ProductReport(RowReport):
    """What was read of a file of products so far; filled while it is read.

    Attributes:
        whole: products that went in with all that was said of them.
        partial: products of which something was left out.
        left_out: field and kind of reason -> how many values.
        shown_left_out: the first of them, with their lines.
        joined: rows that are variants of a product above or below them.
        pictures: rows that bring a picture alone.
        hidden: rows that the shop says are not for sale.
    """

    whole: int = 0
    partial: int = 0
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    shown_left_out: list[tuple[int, LeftOut]] = field(default_factory=list)
    joined: int = 0
    pictures: int = 0
    hidden: int = 0

    def accept(self, line: int, left_out: list[LeftOut]) -> None:
        """Count a product that goes in."""
        if not left_out:
            self.whole += 1
            return
        self.partial += 1
        for one in left_out:
            self.left_out[one.field, one.kind] += 1
            if len(self.shown_left_out) < MAX_SHOWN:
                self.shown_left_out.append((line, one))

    @property
    def summary(self) -> str:
        """One line: how many products went in whole, in part, and not at all."""
        return f"{self.whole:,} products whole, {self.partial:,} in part, {self.rejected:,} not at all"


def parse_leniently(document: Mapping[str, Any]) -> tuple[Product, list[LeftOut]]:
    """Make a product of all that can be read of a document.

    Args:
        document: product fields, see `parse_product`.

    Returns:
        The product, and what was left out. Texts and lists that are too long are cut.

    Raises:
        InvalidInputError: id or title break their rule; there is no product without them.
    """
    product, _, left_out = _read_leniently(document)
    return product, left_out


def keep_readable(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[LeftOut]]:
    """Keep of some fields of a product, such as a patch, what can be read.

    Args:
        fields: of a product document.

    Returns:
        The fields that can be read, and what was left out.

    Raises:
        InvalidInputError: they hold a title that cannot be one.
    """
    _, kept, left_out = _read_leniently({"title": "-", **fields, "id": "-"})
    return {name: value for name, value in kept.items() if name in fields}, left_out


def _read_leniently(document: Mapping[str, Any]) -> tuple[Product, Mapping[str, Any], list[LeftOut]]:
    """Make a product of what can be read; returns it, the document that it was made of, and what was left out."""
    try:
        return parse_product(document), document, []
    except InvalidInputError as first:
        error = first
    rest = dict(document)
    left_out: list[LeftOut] = []
    for _ in range(_MAX_FAULTS):
        left_out.append(LeftOut.of(error))
        if not _mend(rest, error.parameter):
            raise error
        try:
            return parse_product(rest), rest, left_out
        except InvalidInputError as next_error:
            error = next_error
    raise error


def _mend(document: dict[str, Any], name: str) -> bool:
    """Take out of a document what an error names, or cut it to what is allowed; False where it cannot do without."""
    variant = _VARIANT.fullmatch(name)
    if variant:
        return _mend_variant(document, int(variant[1]), variant[2] or "")
    if name.startswith("attributes."):
        return _drop_attribute(document, name.removeprefix("attributes."))
    value = document.get(name)
    if name == "title" and isinstance(value, str) and len(value) > TITLE_LIMIT_CHARS:
        document[name] = value[:TITLE_LIMIT_CHARS]
    elif name in _NEEDED or name not in document:
        return False
    elif name == "description" and isinstance(value, str) and len(value) > TEXT_LIMIT_CHARS:
        document[name] = value[:TEXT_LIMIT_CHARS]
    elif name == "categories" and isinstance(value, list) and len(value) > LIST_LIMIT:
        document[name] = value[:LIST_LIMIT]
    elif name == "attributes" and isinstance(value, Mapping) and len(value) > ATTRIBUTES_LIMIT:
        document[name] = dict(list(value.items())[:ATTRIBUTES_LIMIT])
    elif name == "categories" and isinstance(value, list) and any(not isinstance(item, str) for item in value):
        document[name] = [item for item in value if isinstance(item, str)]
    elif name == "attributes" and isinstance(value, Mapping):
        document[name] = {key: item for key, item in value.items() if isinstance(key, str) and key.strip()}
        if len(document[name]) == len(value):
            del document[name]
    else:
        del document[name]
    return True


def _drop_attribute(owner: dict[str, Any], key: str) -> bool:
    attributes = owner.get("attributes")
    if not isinstance(attributes, Mapping):
        return False
    kept = {
        name: value for name, value in attributes.items() if not (isinstance(name, str) and name.strip() == key.strip())
    }
    if len(kept) == len(attributes):
        kept = {}
    value = attributes.get(key)
    if isinstance(value, list | tuple) and len(value) > LIST_LIMIT:
        kept[key] = list(value[:LIST_LIMIT])
    elif isinstance(value, str) and len(value) > TEXT_LIMIT_CHARS:
        kept[key] = value[:TEXT_LIMIT_CHARS]
    owner["attributes"] = kept
    return True


def _mend_variant(document: dict[str, Any], index: int, name: str) -> bool:
    variants = document.get("variants")
    if not isinstance(variants, list | tuple) or index >= len(variants):
        return False
    held = list(variants)
    variant = dict(held[index]) if isinstance(held[index], Mapping) else {}
    if name.startswith("attributes.") and _drop_attribute(variant, name.removeprefix("attributes.")):
        held[index] = variant
    elif name and name != "id" and name in variant:
        del variant[name]
        held[index] = variant
    else:
        del held[index]
    document["variants"] = held
    return True
