"""A product: the one shape of a product document, checked when it comes in."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import orjson

from mercato.catalog.field_checks import (
    NAME_LIMIT_CHARS,
    TEXT_LIMIT_CHARS,
    TITLE_LIMIT_CHARS,
    AttributeValue,
    Scalar,
    check_attributes,
    check_availability,
    check_categories,
    check_currency,
    check_id,
    check_price,
    check_shown_text,
    check_text,
    check_time,
    refuse,
)
from mercato.errors import InvalidInputError
from mercato.text.timestamps import parse_timestamp

#: In the order in which they are written.
PRODUCT_FIELDS = (
    "id", "title", "description", "brand", "categories", "price", "currency", "availability", "available_time",
    "attributes", "image_uri", "uri",
)  # fmt: skip
#: What the encoder reads, the most informative first: a long text is cut at its end.
TEXT_FIELDS = ("title", "brand", "categories", "description", "attributes")

#: Characters of the description, and of the attributes, in the text that is encoded.
DESCRIPTION_CLIP_CHARS = 1_000
ATTRIBUTES_CLIP_CHARS = 1_000

_TYPE_PREFIX = re.compile("^[a-z]_")
_KNOWN_FIELDS = frozenset(PRODUCT_FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product of the catalogue. Made by `parse_product`, which checks what this class only holds.

    Attributes:
        id: 1 to `ID_LIMIT_BYTES` bytes of UTF-8, no control characters.
        title: not blank.
        description: empty where there is none, like every other text.
        brand: one name.
        categories: from general to specific.
        price: >= 0, finite; None where it is not known. Such a product passes no filter on the price.
        currency: three capitals (ISO 4217).
        availability: one of `AVAILABILITIES`; ``IN_STOCK`` where nothing is said, as in Google Retail.
        available_time: RFC 3339 in UTC.
        attributes: key -> text, number, truth or a list of texts and numbers; sorted by key, not to be changed.
        image_uri: of a picture.
        uri: of the product's page.
    """

    id: str
    title: str
    description: str = ""
    brand: str = ""
    categories: tuple[str, ...] = ()
    price: float | None = None
    currency: str = ""
    availability: str = "IN_STOCK"
    available_time: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict, hash=False)
    image_uri: str = ""
    uri: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Give the document as JSON values: fields in the order of `PRODUCT_FIELDS`, those without a value left out."""
        document: dict[str, Any] = {"id": self.id, "title": self.title}
        if self.description:
            document["description"] = self.description
        if self.brand:
            document["brand"] = self.brand
        if self.categories:
            document["categories"] = list(self.categories)
        if self.price is not None:
            document["price"] = self.price
        if self.currency:
            document["currency"] = self.currency
        document["availability"] = self.availability
        if self.available_time:
            document["available_time"] = self.available_time
        if self.attributes:
            document["attributes"] = {
                key: list(value) if isinstance(value, tuple) else value for key, value in self.attributes.items()
            }
        if self.image_uri:
            document["image_uri"] = self.image_uri
        if self.uri:
            document["uri"] = self.uri
        return document

    def document(self) -> bytes:
        """Give the canonical document: UTF-8 JSON. Equal products give equal bytes; `parse_product` reads it back."""
        return orjson.dumps(self.as_dict())

    @property
    def available_seconds(self) -> float | None:
        """`available_time` in seconds since 1970-01-01T00:00:00Z, None where it is not given."""
        return parse_timestamp(self.available_time) if self.available_time else None

    def field_text(self, name: str) -> str:
        """Give the text of one field, as the word index counts it.

        Args:
            name: one of `TEXT_FIELDS`, or ``id``. Of attributes the values are given, and the
                keys of those that are true; addresses of pictures and pages are left out.

        Returns:
            The text; empty where the field has none.

        Raises:
            InvalidInputError: the field has no text.
        """
        if name == "categories":
            return " > ".join(self.categories)
        if name == "attributes":
            return self._attributes_text(keys=False)
        if name in ("id", "title", "brand", "description"):
            return str(getattr(self, name))
        raise InvalidInputError("fields", f"must be of {', '.join(('id', *TEXT_FIELDS))}, got {name!r}")

    def text(self, fields: Sequence[str] = TEXT_FIELDS) -> str:
        """Give the text that is encoded.

        The description is clipped to `DESCRIPTION_CLIP_CHARS`, the attributes (with their keys) to
        `ATTRIBUTES_CLIP_CHARS`, both at the end of a word.

        Args:
            fields: of `TEXT_FIELDS`, in the order wanted.

        Returns:
            The texts of the fields that have one, joined by ``. ``; one line.

        Raises:
            InvalidInputError: a field has no text.
        """
        parts = []
        for name in fields:
            part = self._attributes_text(keys=True) if name == "attributes" else self.field_text(name)
            if name == "description":
                part = _clip(part, DESCRIPTION_CLIP_CHARS)
            elif name == "attributes":
                part = _clip(part, ATTRIBUTES_CLIP_CHARS)
            if part:
                parts.append(part)
        return " ".join(". ".join(parts).split())

    def merged(self, patch: Mapping[str, object]) -> "Product":
        """Apply a partial update.

        A field that is given replaces the old one, null removes it; of `attributes` each key for itself.

        Args:
            patch: fields of the product document; `id` may be left out, or be the same.

        Returns:
            The new product, checked as a whole.

        Raises:
            InvalidInputError: the patch names another id, or the result is not a product.
        """
        if not isinstance(patch, Mapping):
            refuse("product", "must be a JSON object", patch)
        if patch.get("id", self.id) != self.id:
            refuse("id", f"of a patch must be the product's, {self.id!r}", patch["id"], "upsert a new product instead")
        merged = {**self.as_dict(), **patch}
        attributes = patch.get("attributes")
        if isinstance(attributes, Mapping):
            kept = {**self.attributes, **attributes}
            merged["attributes"] = {key: value for key, value in kept.items() if value is not None}
        return parse_product(merged)

    def _attributes_text(self, *, keys: bool) -> str:
        parts = []
        for key, value in self.attributes.items():
            # For the word index a prefix of one letter ("b_wifi") is a type, not a word; encoders are not misled by it.
            name = (key if keys else _TYPE_PREFIX.sub("", key)).replace("_", " ")
            if isinstance(value, bool):
                if value:
                    parts.append(name)
                continue
            words = ", ".join(map(format_value, value)) if isinstance(value, tuple) else format_value(value)
            if words.startswith(("http://", "https://")):
                continue
            parts.append(f"{name}: {words}" if keys else words)
        return "; ".join(parts)


def format_value(value: Scalar) -> str:
    """Write an attribute's value as text, as filters and the word index see it.

    Args:
        value: text stays as it is; a truth becomes ``true`` or ``false``; a whole number loses its ``.0``.

    Returns:
        The text.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def parse_product(obj: object) -> Product:
    """Check a product document.

    Null is the same as not given. Texts that shoppers read lose their markup (`to_plain_text`), all texts the white
    space around them; control characters in texts become spaces (in an id they are refused). Bytes are accepted where
    text is, if they are UTF-8.

    Args:
        obj: a JSON object as Python values.

    Returns:
        The product.

    Raises:
        InvalidInputError: `parameter` is the field (``price``, ``attributes.colour``); the message says what must
            hold and what was given.
    """
    if not isinstance(obj, Mapping):
        refuse("product", "must be a JSON object", obj)
    for name in obj:
        if name not in _KNOWN_FIELDS:
            close = get_close_matches(str(name), PRODUCT_FIELDS, 1)
            raise InvalidInputError(
                str(name)[:80],
                f"is no field of a product; fields: {', '.join(PRODUCT_FIELDS)}",
                f"did you mean {close[0]}?" if close else "put it under attributes",
            )
    title = check_shown_text(obj.get("title"), "title", TITLE_LIMIT_CHARS)
    if not title:
        refuse("title", "must be given and not be blank", obj.get("title"))
    return Product(
        id=check_id(obj.get("id")),
        title=title,
        description=check_shown_text(obj.get("description"), "description", TEXT_LIMIT_CHARS),
        brand=check_shown_text(obj.get("brand"), "brand", NAME_LIMIT_CHARS),
        categories=check_categories(obj.get("categories")),
        price=check_price(obj.get("price")),
        currency=check_currency(obj.get("currency")),
        availability=check_availability(obj.get("availability")),
        available_time=check_time(obj.get("available_time")),
        attributes=check_attributes(obj.get("attributes")),
        image_uri=check_text(obj.get("image_uri"), "image_uri", TITLE_LIMIT_CHARS),
        uri=check_text(obj.get("uri"), "uri", TITLE_LIMIT_CHARS),
    )


def _clip(text: str, limit_chars: int) -> str:
    if len(text) <= limit_chars:
        return text
    cut = text[: limit_chars + 1]
    space = cut.rfind(" ")
    return cut[:space] if space > 0 else text[:limit_chars]
