"""A product: the one shape of a product document, checked when it comes in."""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from itertools import repeat
from typing import Any

import orjson

from mercato.catalog.field_checks import (
    NAME_LIMIT_CHARS,
    TEXT_LIMIT_CHARS,
    TITLE_LIMIT_CHARS,
    AttributeValue,
    Scalar,
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
    refuse,
)
from mercato.catalog.variant import (
    Variant,
    check_variants,
    find_availability,
    find_price,
    follow_product,
    join_attributes,
    patch_variants,
    release_taken,
    write_attributes,
)
from mercato.errors import InvalidInputError
from mercato.text.timestamps import parse_timestamp

#: In the order in which they are written.
PRODUCT_FIELDS = (
    "id", "title", "description", "brand", "categories", "price", "currency", "availability", "available_time",
    "attributes", "image_uri", "uri", "variants",
)  # fmt: skip
#: What the encoder reads, the most informative first: a long text is cut at its end.
TEXT_FIELDS = ("title", "brand", "categories", "description", "attributes")

#: Characters of the description, and of the attributes, in the text that is encoded.
DESCRIPTION_CLIP_CHARS = 1_000
ATTRIBUTES_CLIP_CHARS = 1_000

_TYPE_PREFIX = re.compile("^[a-z]_")
# Codes of variants (SKU, GTIN) are found as words; to an encoder they mean nothing, and there may be hundreds.
_CODE = re.compile(r"\S*\d{4}\S*")
_KNOWN_FIELDS = frozenset(PRODUCT_FIELDS)
_TEXTS = frozenset(TEXT_FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product of the catalogue. Made by `parse_product`, which checks what this class only holds.

    Attributes:
        id: 1 to `ID_LIMIT_BYTES` bytes of UTF-8, no control characters.
        title: not blank.
        description: empty where there is none, like every other text.
        brand: one name.
        categories: from general to specific.
        price: >= 0, finite; None where it is not known. Such a product passes no filter on the price. Of a product
            with variants that says none: the lowest of its variants in stock, else the lowest.
        currency: three capitals (ISO 4217).
        availability: one of `AVAILABILITIES`; ``IN_STOCK`` where nothing is said, as in Google Retail. Of a product
            that says none, while all its variants do: the best of theirs.
        available_time: RFC 3339 in UTC.
        attributes: key -> text, number, truth or a list of texts and numbers; sorted by key, not to be changed.
        image_uri: of a picture.
        uri: of the product's page.
        variants: its sizes, colours and packs; none for most products.
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
    variants: tuple[Variant, ...] = ()

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
            document["attributes"] = write_attributes(self.attributes)
        if self.image_uri:
            document["image_uri"] = self.image_uri
        if self.uri:
            document["uri"] = self.uri
        if self.variants:
            document["variants"] = [variant.as_dict() for variant in self.variants]
        return document

    def document(self) -> bytes:
        """Give the canonical document: UTF-8 JSON. Equal products give equal bytes; `parse_product` reads it back."""
        return orjson.dumps(self.as_dict())

    @property
    def available_seconds(self) -> float | None:
        """`available_time` in seconds since 1970-01-01T00:00:00Z, None where it is not given."""
        return parse_timestamp(self.available_time) if self.available_time else None

    @property
    def joined_attributes(self) -> Mapping[str, AttributeValue]:
        """`attributes`, and of its variants what they have beside: each value once; sorted by key."""
        return join_attributes(self.attributes, self.variants) if self.variants else self.attributes

    def as_variants(self) -> "tuple[Product, ...]":
        """Give the product as each of its variants is: the product's fields, and over them the variant's own.

        Returns:
            One product a variant, in their order, each with that variant alone; the product itself where it has none.
        """
        if not self.variants:
            return (self,)
        return tuple(
            replace(
                self,
                title=variant.title or self.title,
                price=self.price if variant.price is None else variant.price,
                availability=variant.availability or self.availability,
                attributes={**self.attributes, **variant.attributes},
                image_uri=variant.image_uri or self.image_uri,
                uri=variant.uri or self.uri,
                variants=(variant,),
            )
            for variant in self.variants
        )

    def field_text(self, name: str) -> str:
        """Give the text of one field, as the word index counts it.

        Args:
            name: one of `TEXT_FIELDS`, or ``id``. Of attributes the values are given, and the
                keys of those that are true; addresses of pictures and pages are left out. Codes, values and titles of
                variants are given too, each once.

        Returns:
            The text; empty where the field has none.

        Raises:
            InvalidInputError: the field has no text.
        """
        if name == "categories":
            return " > ".join(self.categories)
        if name == "attributes":
            titles = dict.fromkeys(variant.title for variant in self.variants if variant.title != self.title)
            return "; ".join(filter(None, (self._attributes_text(keys=False), *titles)))
        if name == "id" and self.variants:
            return "; ".join(dict.fromkeys((self.id, *(variant.id for variant in self.variants))))
        if name in ("id", "title", "brand", "description"):
            return str(getattr(self, name))
        raise InvalidInputError("fields", f"must be of {', '.join(('id', *TEXT_FIELDS))}, got {name!r}")

    def text(self, fields: Sequence[str] = TEXT_FIELDS) -> str:
        """Give the text that is encoded.

        The description is clipped to `DESCRIPTION_CLIP_CHARS`, the attributes (with their keys) to
        `ATTRIBUTES_CLIP_CHARS`, both at the end of a word. Values of variants stand among the attributes, codes aside.

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

        A field that is given replaces the old one, null removes it; of `attributes` each key for itself. `variants` are
        a list, which replaces the old one, or patches by id of a variant: null takes that away, and what the product
        has no variant of is passed over. A price and an availability that it has of its variants follow them; one that
        is given for the product holds for those variants, too, that had what the product had.

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
        attributes, variants = patch.get("attributes"), patch.get("variants")
        if isinstance(attributes, Mapping):
            kept = {**self.attributes, **{check_attribute_key(key): value for key, value in attributes.items()}}
            merged["attributes"] = {key: value for key, value in kept.items() if value is not None}
        if isinstance(variants, Mapping):
            merged["variants"] = patch_variants(self.variants, variants)
        if variants and isinstance(merged["variants"], list | tuple):
            release_taken(self.variants, merged, variants, price=self.price, availability=self.availability)
            merged.update((name, patch[name]) for name in ("price", "availability") if name in patch)
        elif self.variants and "variants" not in patch:
            merged["variants"] = follow_product(self.variants, patch, price=self.price, availability=self.availability)
        return parse_product(merged)

    def _attributes_text(self, *, keys: bool) -> str:
        parts = []
        for key, value in self._worded_attributes(codes=not keys).items():
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

    def _worded_attributes(self, *, codes: bool) -> Mapping[str, AttributeValue]:
        """Give the attributes whose words count, those of variants without addresses and, unless wanted, codes."""
        if not self.variants:
            return self.attributes
        worded: dict[str, AttributeValue] = {}
        for key, value in self.joined_attributes.items():
            own = self.attributes.get(key)
            if value == own or isinstance(value, bool):
                worded[key] = value
                continue
            kept = tuple(
                item
                for item in (value if isinstance(value, tuple) else (value,))
                if not (text := format_value(item)).startswith(("http://", "https://"))
                and (codes or not _CODE.fullmatch(text))
            )
            if kept:
                worded[key] = kept
        return worded


_DEFAULTS = {one.name: one.default for one in fields(Product)}


def changes_text(patch: Mapping[str, Any]) -> bool:
    """Tell whether a patch may change the words of a product, or what the encoder reads of it.

    Args:
        patch: as of `Product.merged`.
    """
    variants = patch.get("variants", {})
    if not _TEXTS.isdisjoint(patch) or not isinstance(variants, Mapping):
        return True
    return any(
        not isinstance(changes, Mapping) or not {"title", "attributes"}.isdisjoint(changes)
        for changes in variants.values()
    )


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
    if type(obj) is not dict and not isinstance(obj, Mapping):  # the type of an object is asked for faster
        refuse("product", "must be a JSON object", obj)
    for name in () if obj.keys() <= _KNOWN_FIELDS else obj:
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
    price, availability = obj.get("price"), obj.get("availability")
    variants = check_variants(obj.get("variants"))
    if variants:
        price = find_price(variants) if price is None else price
        availability = find_availability(variants) if availability is None else availability
    return Product(
        id=check_id(obj.get("id")),
        title=title,
        description=check_shown_text(obj.get("description"), "description", TEXT_LIMIT_CHARS),
        brand=check_shown_text(obj.get("brand"), "brand", NAME_LIMIT_CHARS),
        categories=check_categories(obj.get("categories")),
        price=check_price(price),
        currency=check_currency(obj.get("currency")),
        availability=check_availability(availability),
        available_time=check_time(obj.get("available_time")),
        attributes=check_attributes(obj.get("attributes")),
        image_uri=check_text(obj.get("image_uri"), "image_uri", TITLE_LIMIT_CHARS),
        uri=check_text(obj.get("uri"), "uri", TITLE_LIMIT_CHARS),
        variants=variants,
    )


def make_products(count: int, columns: Mapping[str, Iterable[Any]]) -> list[Product]:
    """Make products of columns whose values `parse_product` would give; nothing is checked here.

    A frozen class sets its fields one by one through `object.__setattr__`; here each field is set for all products at
    once, which takes a third of the time.

    Args:
        count: of products.
        columns: field -> its values, one a product; a field that is left out has its default, but for id, title and
            attributes, which must be given.
    """
    products = list(map(Product.__new__, repeat(Product, count)))
    for name in PRODUCT_FIELDS:
        values = columns[name] if name in columns else repeat(_DEFAULTS[name], count)
        deque(map(getattr(Product, name).__set__, products, values), maxlen=0)
    return products


def _clip(text: str, limit_chars: int) -> str:
    if len(text) <= limit_chars:
        return text
    cut = text[: limit_chars + 1]
    space = cut.rfind(" ")
    return cut[:space] if space > 0 else text[:limit_chars]
