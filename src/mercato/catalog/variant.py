"""Variants: the sizes, colours and packs in which one product is sold, each with a code of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from mercato.catalog.field_checks import (
    AVAILABILITIES,
    TITLE_LIMIT_CHARS,
    AttributeValue,
    check_attribute_key,
    check_attributes,
    check_availability,
    check_id,
    check_price,
    check_shown_text,
    check_text,
    refuse,
)
from mercato.errors import InvalidInputError

#: In the order in which they are written.
VARIANT_FIELDS = ("id", "title", "price", "availability", "image_uri", "uri", "attributes")
VARIANTS_LIMIT = 2_500  # Shopify 2,048
#: What a shopper would rather have comes first.
PREFERRED_AVAILABILITIES = ("IN_STOCK", "BACKORDER", "PREORDER", "OUT_OF_STOCK")

_KNOWN_FIELDS = frozenset(VARIANT_FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One variant of a product. Made by `check_variants`; what it does not say it has from its product.

    Attributes:
        id: its code, as a product's id; distinct within the product.
        title: empty where it is the product's.
        price: None where it is the product's.
        availability: one of `AVAILABILITIES`; empty where it is the product's.
        image_uri: empty where it is the product's.
        uri: empty where it is the product's.
        attributes: what sets it apart, such as size and colour; a key that the product has too replaces it.
    """

    id: str
    title: str = ""
    price: float | None = None
    availability: str = ""
    image_uri: str = ""
    uri: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict, hash=False)

    def as_dict(self) -> dict[str, Any]:
        """Give the variant as JSON values: fields in the order of `VARIANT_FIELDS`, those without a value left out."""
        document: dict[str, Any] = {"id": self.id}
        if self.title:
            document["title"] = self.title
        if self.price is not None:
            document["price"] = self.price
        if self.availability:
            document["availability"] = self.availability
        if self.image_uri:
            document["image_uri"] = self.image_uri
        if self.uri:
            document["uri"] = self.uri
        if self.attributes:
            document["attributes"] = write_attributes(self.attributes)
        return document


def write_attributes(attributes: Mapping[str, AttributeValue]) -> dict[str, Any]:
    """Give attributes as JSON values."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in attributes.items()}


def check_variants(value: object) -> tuple[Variant, ...]:
    """Check the variants of a product document.

    Args:
        value: a list of JSON objects as Python values; None where not given.

    Returns:
        The variants in their order; none for an empty list.

    Raises:
        InvalidInputError: more than `VARIANTS_LIMIT`, a code twice, or a variant that breaks a rule; `parameter` is its
            field, such as ``variants[3].price``.
    """
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        refuse("variants", "must be a list of JSON objects", value)
    if len(value) > VARIANTS_LIMIT:
        raise InvalidInputError("variants", f"must be at most {VARIANTS_LIMIT:,}, got {len(value):,}")
    variants = tuple(_check_variant(item, f"variants[{index}]") for index, item in enumerate(value))
    first_of: dict[str, int] = {}
    for index, variant in enumerate(variants):
        first = first_of.setdefault(variant.id, index)
        if first != index:
            refuse(f"variants[{index}].id", f"must not be that of variants[{first}]", variant.id, "join the two")
    return variants


def _check_variant(value: object, name: str) -> Variant:
    if not isinstance(value, Mapping):
        refuse(name, "must be a JSON object", value)
    for key in value:
        if key not in _KNOWN_FIELDS:
            close = get_close_matches(str(key), VARIANT_FIELDS, 1)
            raise InvalidInputError(
                f"{name}.{str(key)[:80]}",
                f"is no field of a variant; fields: {', '.join(VARIANT_FIELDS)}",
                f"did you mean {close[0]}?" if close else "put it under attributes, or with the product",
            )
    try:
        availability = value.get("availability")
        return Variant(
            id=check_id(value.get("id")),
            title=check_shown_text(value.get("title"), "title", TITLE_LIMIT_CHARS),
            price=check_price(value.get("price")),
            availability="" if availability is None else check_availability(availability),
            image_uri=check_text(value.get("image_uri"), "image_uri", TITLE_LIMIT_CHARS),
            uri=check_text(value.get("uri"), "uri", TITLE_LIMIT_CHARS),
            attributes=check_attributes(value.get("attributes")),
        )
    except InvalidInputError as exc:
        problem = str(exc).removeprefix(f"{exc.parameter}: ")
        raise InvalidInputError(f"{name}.{exc.parameter}", problem) from exc


def patch_variants(variants: Sequence[Variant], patches: Mapping[str, object]) -> list[dict[str, Any]]:
    """Apply partial updates to some variants.

    Args:
        variants: of a product.
        patches: by id of a variant the fields to replace, null for what it then has of its product, `attributes` key by
            key; None takes the variant away. Ids of no variant are passed over.

    Returns:
        Documents for `check_variants`.

    Raises:
        InvalidInputError: a patch is no JSON object, or names another id.
    """
    documents = []
    for variant in variants:
        document = variant.as_dict()
        patch = patches.get(variant.id, {})
        if patch is None:
            continue
        if not isinstance(patch, Mapping):
            refuse(f"variants.{variant.id}", "must be a JSON object with the fields to patch", patch)
        if patch.get("id", variant.id) != variant.id:
            refuse(f"variants.{variant.id}.id", f"must be {variant.id!r} or be left out", patch["id"])
        document.update(patch)
        if isinstance(patch.get("attributes"), Mapping):
            patched = {check_attribute_key(key): value for key, value in patch["attributes"].items()}
            document["attributes"] = {**variant.attributes, **patched}
        documents.append(document)
    return documents


def release_taken(
    before: Sequence[Variant], document: dict[str, Any], patches: object, *, price: float | None, availability: str
) -> None:
    """Take the price and availability that a product has of its variants out of its document where these changed.

    Args:
        before: the variants as they were.
        document: of the product with its new ``variants``, not checked yet; changed in place. Where one of them
            changes, the others are given what they had of the product.
        patches: what a patch says of variants: a list, or patches by id.
        price: the product's so far.
        availability: the product's so far.
    """
    whole = [
        replace(
            variant,
            price=price if variant.price is None else variant.price,
            availability=variant.availability or availability,
        )
        for variant in before
    ]
    for name, shown, found in (
        ("price", price, find_price(whole)),
        ("availability", availability, find_availability(whole)),
    ):
        if shown is None or shown != found:
            continue  # the product's own word
        own = [getattr(variant, name) not in (None, "") for variant in before]
        if isinstance(patches, Mapping):
            moves = {name} | ({"availability"} if any(own) else set())  # the lowest price in stock
            if not any(not isinstance(one, Mapping) or moves & one.keys() for one in patches.values()):
                continue
            for variant in document["variants"]:
                variant.setdefault(name, shown)
        says = [isinstance(one, Mapping) and one.get(name) is not None for one in document["variants"]]
        if any(says) and (all(own) or all(says)):
            document.pop(name, None)


def follow_product(
    variants: Sequence[Variant], patch: Mapping[str, object], *, price: float | None, availability: str
) -> list[dict[str, Any]]:
    """Let variants have of their product what they had in common with it, where a patch gives it a new value.

    Args:
        variants: of the product.
        patch: of the product.
        price: the product's so far.
        availability: the product's so far.

    Returns:
        Documents for `check_variants`.
    """
    documents = [variant.as_dict() for variant in variants]
    for name, shown in (("price", price), ("availability", availability)):
        if patch.get(name) is not None:
            for document in documents:
                if document.get(name) == shown:
                    document.pop(name, None)
    return documents


def find_price(variants: Sequence[Variant]) -> float | None:
    """Give the price of a product that says none: the lowest of what is in stock, else the lowest; None without any."""
    priced = [variant for variant in variants if variant.price is not None]
    in_stock = [variant for variant in priced if variant.availability in ("", AVAILABILITIES[0])]
    return min((variant.price for variant in in_stock or priced if variant.price is not None), default=None)


def find_availability(variants: Sequence[Variant]) -> str | None:
    """Give the availability of a product that says none: the best of its variants; None where one says none either."""
    said = {variant.availability for variant in variants}
    return None if "" in said else next((name for name in PREFERRED_AVAILABILITIES if name in said), None)


def join_attributes(
    attributes: Mapping[str, AttributeValue], variants: Sequence[Variant]
) -> Mapping[str, AttributeValue]:
    """Join the attributes of a product and its variants: of a key all values, each once, the product's first.

    Args:
        attributes: the product's.
        variants: its variants.

    Returns:
        Sorted by key. Truths are joined by "or"; beside texts and numbers they are left out.
    """
    values: dict[str, dict[Any, None]] = {}
    truths: dict[str, bool] = {}
    for owned in (attributes, *(variant.attributes for variant in variants)):
        for key, value in owned.items():
            if isinstance(value, bool):
                truths[key] = truths.get(key, False) or value
            else:
                values.setdefault(key, {}).update(dict.fromkeys(value if isinstance(value, tuple) else (value,)))
    joined: dict[str, AttributeValue] = {**truths, **{key: tuple(several) for key, several in values.items()}}
    for key, value in joined.items():
        if isinstance(value, tuple) and len(value) == 1:
            joined[key] = value[0]
    return dict(sorted(joined.items()))
