"""A full feed and the live changes in state, joined: which of the two holds, product by product and field by field.

A change that was made before the feed was written is older, and the feed wins; one that was made after stays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from mercato.catalog.product import Product, parse_product
from mercato.errors import InvalidInputError
from mercato.state.values import ProductChange

logger = logging.getLogger(__name__)

_ATTRIBUTE = "attributes."
# Between the names of a variant's field; no id and no key of an attribute has it, people see a dot.
_STEP = "\x1f"
_VARIANT = f"variants{_STEP}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Overruled:
    """A value that gave way to another.

    Attributes:
        id: of the product.
        field: of the product, such as ``price``, ``attributes.colour`` or ``variants.40018.price``.
        old: the value that gave way; None where there was none.
        new: the value that holds; None where there is none.
    """

    id: str
    field: str
    old: Any
    new: Any


@dataclass(kw_only=True)
class MergedFeed:
    """What feed and live changes give together, and what became of the changes.

    Attributes:
        products: the catalogue, ids distinct: those of the feed in its order, then the others.
        feed_wins: values of older live changes that the feed replaced.
        changes_win: values of the feed that newer live changes replaced.
        restored: products deleted live before the feed was written, and listed in it.
        deleted: products of the feed that were deleted live after it was written.
        added: products upserted live after the feed was written, and not listed in it.
        unlisted: products that exist by an older live upsert alone, and that no feed has listed; kept, or dropped where
            that was asked for.
        gone: products that live changes speak of, and that were left out because the feed does not list them: they had
            come with an earlier feed, or were left out before.
        unreadable: sequence numbers of changes that this version cannot read; they were left out.
    """

    products: list[Product] = field(default_factory=list)
    feed_wins: list[Overruled] = field(default_factory=list)
    changes_win: list[Overruled] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)


@dataclass(kw_only=True)
class _Older:
    """What the live changes before a feed say of one product.

    Attributes:
        values: what they set, by field; None where they removed one.
        product: the product, where a live upsert made it and nothing deleted it since.
        whole: whether an upsert is among them: then fields that are not in ``values`` have no value.
        upsert: the last upsert.
        deleted: whether the last of them deleted the product.
    """

    values: dict[str, Any] = field(default_factory=dict)
    product: Product | None = None
    whole: bool = False
    upsert: ProductChange | None = None
    deleted: bool = False

    def apply(self, change: ProductChange) -> None:
        if change.document is None:
            self.values, self.product, self.whole, self.upsert, self.deleted = {}, None, False, None, True
            return
        fields = orjson.loads(change.document)
        if change.operation == "patch":
            if self.deleted:
                return
            if self.product is not None:
                self.product = self.product.merged(fields)
            if "attributes" in fields and fields["attributes"] is None:
                self.values.update(dict.fromkeys([name for name in self.values if name.startswith(_ATTRIBUTE)]))
            self._forget_variants(fields)
            self.values.update(_flatten(fields))
            return
        self.product = parse_product(fields)
        self.values, self.whole, self.upsert, self.deleted = _flatten(self.product.as_dict()), True, change, False

    def _forget_variants(self, patch: Mapping[str, Any]) -> None:
        """Take out what a patch replaces of variants as a whole: all of them by a list, one by null."""
        given = patch.get("variants", {})
        gone = [_VARIANT]
        if isinstance(given, Mapping):
            gone = [f"{_VARIANT}{variant_id}{_STEP}" for variant_id, changes in given.items() if changes is None]
        if gone:
            self.values.update(dict.fromkeys([name for name in self.values if name.startswith(tuple(gone))]))


@dataclass(kw_only=True)
class _Changes:
    """The live changes of one product, in their order."""

    older: _Older | None = None
    newer: list[ProductChange] = field(default_factory=list)


def merge_feed(
    feed: Sequence[Product],
    changes: Iterable[ProductChange],
    *,
    as_of: float,
    fields: Collection[str] = (),
    settled: Callable[[ProductChange], bool] = lambda upsert: False,
    drop_unlisted: bool = False,
) -> MergedFeed:
    """Join a full feed with the live changes of products.

    Of a product that the feed lists, each field that the feed carries has the feed's value, also where that is none. A
    field that the feed does not carry for any product keeps what live changes made of it.

    Args:
        feed: its products, ids distinct.
        changes: of state, in their order.
        as_of: when the feed was written, seconds since 1970; changes up to then are older than it.
        fields: fields that the feed carries even where no product has a value of them, such as ``availability``.
        settled: tells of the older upsert of a product that the feed does not list whether an earlier index has decided
            already that the product is not to be there.
        drop_unlisted: leave out products that exist by an older upsert alone.
    """
    merged = MergedFeed()
    by_product = _group(changes, as_of, merged)
    carried = _list_fields(feed) | set(fields)
    for product in feed:
        own = by_product.pop(product.id, None)
        if own is None:
            merged.products.append(product)
        else:
            _merge_newer(product, _overrule(product, own.older, carried, merged), own.newer, merged)
    for product_id, own in by_product.items():
        kept = _keep_unlisted(product_id, own.older, settled, drop_unlisted, merged)
        _merge_newer(None, kept, own.newer, merged)
    return merged


def _group(changes: Iterable[ProductChange], as_of: float, merged: MergedFeed) -> dict[str, _Changes]:
    """Sort changes by product; of a long log only what the older ones lead to is kept."""
    by_product: dict[str, _Changes] = {}
    for change in changes:
        own = by_product.setdefault(change.product_id, _Changes())
        if change.time is not None and change.time > as_of:
            own.newer.append(change)
            continue
        own.older = own.older or _Older()
        try:
            own.older.apply(change)
        except (InvalidInputError, orjson.JSONDecodeError):
            _leave_out(change, merged)
    return by_product


def _overrule(product: Product, older: _Older | None, carried: set[str], merged: MergedFeed) -> Product:
    """Let the feed win over older changes; returns the product with what the feed says nothing of."""
    if older is None:
        return product
    if older.deleted:
        merged.restored.append(product.id)
        return product
    listed = _flatten(product.as_dict())
    names = {**older.values, **(listed if older.whole else {})}
    for name in names:
        old, new = older.values.get(name), listed.get(name)
        if _top(name) in carried and old != new:
            merged.feed_wins.append(Overruled(id=product.id, field=_write_name(name), old=old, new=new))
    left = {name: value for name, value in older.values.items() if _top(name) not in carried and value is not None}
    try:
        return product.merged(_unflatten(left)) if left else product
    except InvalidInputError:  # more attributes than a product may have
        return product


def _keep_unlisted(
    product_id: str,
    older: _Older | None,
    settled: Callable[[ProductChange], bool],
    drop: bool,
    merged: MergedFeed,
) -> Product | None:
    if older is None or older.deleted:
        return None
    if older.product is None or older.upsert is None or settled(older.upsert):
        merged.gone.append(product_id)
        return None
    merged.unlisted.append(product_id)
    return None if drop else older.product


def _merge_newer(
    listed: Product | None, product: Product | None, newer: Sequence[ProductChange], merged: MergedFeed
) -> None:
    before = product
    for change in newer:
        try:
            if change.document is None:
                product = None
            elif change.operation != "patch":
                product = parse_product(orjson.loads(change.document))
            elif product is not None:
                product = product.merged(orjson.loads(change.document))
        except (InvalidInputError, orjson.JSONDecodeError):
            _leave_out(change, merged)
    if product is None:
        if listed is not None:
            merged.deleted.append(listed.id)
        elif newer and newer[-1].operation == "patch":
            _note_gone(newer[-1].product_id, merged)
        return
    merged.products.append(product)
    if listed is None:
        if before is None:
            merged.added.append(product.id)
    elif before is not None and product is not before:
        old, new = _flatten(before.as_dict()), _flatten(product.as_dict())
        merged.changes_win.extend(
            Overruled(id=product.id, field=_write_name(name), old=old.get(name), new=new.get(name))
            for name in {**old, **new}
            if old.get(name) != new.get(name)
        )


def _note_gone(product_id: str, merged: MergedFeed) -> None:
    """Note a product that is patched and not there, once."""
    if product_id not in (*merged.gone[-1:], *merged.unlisted[-1:]):
        merged.gone.append(product_id)


def _leave_out(change: ProductChange, merged: MergedFeed) -> None:
    # A newer version may have written it.
    logger.warning("change %d of product %r cannot be read; left out", change.sequence, change.product_id)
    merged.unreadable.append(change.sequence)


def _list_fields(products: Iterable[Product]) -> set[str]:
    """List the fields that some product has a value of; IN_STOCK may be said by none, as it is where nothing is."""
    names: set[str] = set()
    in_stock = True
    for product in products:
        names.update(name for name in product.as_dict() if name != "attributes")
        names.update(f"{_ATTRIBUTE}{key}" for key in product.attributes)
        in_stock = in_stock and product.availability == "IN_STOCK"
    return names - {"availability"} if in_stock else names


def _top(name: str) -> str:
    """Give the field that a feed carries or not: of what variants have ``variants`` alone."""
    return "variants" if name.startswith(_VARIANT) else name


def _write_name(name: str) -> str:
    return name.replace(_STEP, ".")


def _flatten(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a document or a patch by name, those of ``attributes`` and of variants each for itself.

    The product's ``id`` is left out; a variant's says that it is there.
    """
    flat = {name: value for name, value in document.items() if name not in ("id", "attributes", "variants")}
    for key, value in (document.get("attributes") or {}).items():
        flat[f"{_ATTRIBUTE}{key}"] = value
    variants = document.get("variants") or {}
    listed = variants.items() if isinstance(variants, Mapping) else ((variant["id"], variant) for variant in variants)
    for variant_id, variant in listed:
        for name, value in ({"id": None} if variant is None else variant).items():
            parts = {f"{name}{_STEP}{key}": item for key, item in (value or {}).items()} if name == "attributes" else {}
            for part, item in (parts or {name: value}).items():
                flat[f"{_VARIANT}{variant_id}{_STEP}{part}"] = item
    return flat


def _unflatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give values by name as a patch; of variants those that the values make whole."""
    document: dict[str, Any] = {}
    variants: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name.startswith(_VARIANT):
            variant_id, field_name, *key = name.removeprefix(_VARIANT).split(_STEP)
            variant = variants.setdefault(variant_id, {})
            if key:
                variant.setdefault(field_name, {})[key[0]] = value
            else:
                variant[field_name] = value
        elif name.startswith(_ATTRIBUTE):
            document.setdefault("attributes", {})[name.removeprefix(_ATTRIBUTE)] = value
        else:
            document[name] = value
    whole = [variant for variant in variants.values() if "id" in variant]
    return {**document, **({"variants": whole} if whole else {})}
