"""Product changes in: checked, new texts encoded in batches, written in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from mercato.arrays import Float32
from mercato.catalog.field_checks import check_attribute_key
from mercato.catalog.product import Product, changes_text, parse_product
from mercato.catalog.variant import VARIANT_FIELDS
from mercato.errors import InvalidInputError, MercatoError
from mercato.incoming import Rejected, WriteResult, read_json_array
from mercato.index.current import ProductLookup
from mercato.models.stages import EncoderStage
from mercato.state.store import StateStore
from mercato.state.values import PRODUCT_OPERATIONS, ProductChange

MAX_OPERATIONS = 1_000
ENCODE_BATCH = 32
"""Texts of one call of the encoder: below every model's `max_batch_size`, and small enough for any memory."""
_FIELDS = {"operation", "product", "id", "if_changed"}
NO_PRODUCT = "there is no product"
"""How the reason begins, after the field, where an operation names a product that is not there."""


class CatalogWriter:
    """Writes product changes to state, with the vectors of new texts."""

    def __init__(self, catalog: ProductLookup, state: StateStore, encoder: EncoderStage) -> None:
        """Make a writer.

        Args:
            catalog: the products as they are now; patches build on them.
            state: where changes go.
            encoder: encodes new texts.
        """
        self._catalog = catalog
        self._state = state
        self._encoder = encoder

    def write(self, documents: Sequence[bytes | MercatoError]) -> list[WriteResult | MercatoError]:
        """Write the operations of a batch of callers, in their order.

        Args:
            documents: for each caller a JSON array of operations, or the error of a request that could not be read.

        Returns:
            For each caller what became of its operations, once they are durable, or its error.

        Raises:
            StateError: nothing was written.
            ModelError: new texts could not be encoded; nothing was written.
        """
        self._catalog.refresh()
        outcomes: list[WriteResult | MercatoError | None] = [None] * len(documents)
        pending = _Pending(self._catalog)
        parsed: dict[int, tuple[int, int, list[Rejected]]] = {}
        for position, document in enumerate(documents):
            try:
                if isinstance(document, MercatoError):
                    raise document
                parsed[position] = _apply_all(pending, parse_operations(document))
            except MercatoError as exc:
                outcomes[position] = exc
        sequence = self._state.append_product_changes(self._changes(pending))
        for position, (accepted, unchanged, rejected) in parsed.items():
            outcomes[position] = WriteResult(
                accepted=accepted, unchanged=unchanged, rejected=rejected, sequence=sequence
            )
        return [outcome for outcome in outcomes if outcome is not None]

    def _changes(self, pending: _Pending) -> list[ProductChange]:
        """Return the changes to write, with vectors: kept where the text stayed, encoded where it is new."""
        fields = self._catalog.text_fields
        new_texts: dict[int, str] = {}
        kept: dict[int, Float32] = {}
        for position, change in enumerate(pending.changes):
            if change.product is None or (change.patch is not None and not changes_text(change.patch)):
                continue
            text = change.product.text(fields)
            vector = None
            if change.before is not None and change.before.text(fields) == text:
                vector = pending.kept_vector(change.product_id)
            if vector is None:
                new_texts[position] = text
            else:
                kept[position] = vector
        encoded = self._encode(new_texts.values())
        changes = []
        for position, change in enumerate(pending.changes):
            vector = encoded[new_texts[position]] if position in new_texts else kept.get(position)
            if change.product is None:
                changes.append(ProductChange("delete", change.product_id))
            elif change.patch is None:
                changes.append(ProductChange("upsert", change.product_id, change.product.document(), vector))
            else:
                changes.append(ProductChange("patch", change.product_id, orjson.dumps(change.patch), vector))
        return changes

    def _encode(self, texts: Iterable[str]) -> dict[str, Float32]:
        """Encode the distinct texts, the shortest first: a long text pads its whole batch to its own length."""
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        vectors: dict[str, Float32] = {}
        for start in range(0, len(distinct), ENCODE_BATCH):
            batch = distinct[start : start + ENCODE_BATCH]
            vectors.update(zip(batch, self._encoder.encode(batch, "product"), strict=True))
        return vectors


@dataclass(frozen=True, kw_only=True)
class _Change:
    """An operation that was accepted.

    Attributes:
        product_id: of which product.
        product: as it is afterwards; None where it is gone.
        before: as it was; None where it is new.
        patch: the fields that it changes; None where it is no patch.
    """

    product_id: str
    product: Product | None
    before: Product | None
    patch: Mapping[str, Any] | None


class _Pending:
    """The changes of a batch so far, and the products as they are with them."""

    def __init__(self, catalog: ProductLookup) -> None:
        self._catalog = catalog
        self._now: dict[str, Product | None] = {}
        self._owners: dict[str, str] = {}
        self.changes: list[_Change] = []
        self._keeping: set[str] = set()

    def product(self, product_id: str) -> Product | None:
        """Return a product with the changes so far; None if there is none."""
        if product_id not in self._now:
            self._now[product_id] = self._catalog.product(product_id)
            self._keeping.add(product_id)
        return self._now[product_id]

    def owner(self, variant_id: str) -> Product | None:
        """Return the product that has a variant of an id, with the changes so far; None if there is none."""
        owner_id = self._owners.get(variant_id) or self._catalog.owner_of(variant_id)
        owner = self.product(owner_id) if owner_id else None
        return owner if owner and any(variant.id == variant_id for variant in owner.variants) else None

    def put(self, product_id: str, product: Product | None, patch: Mapping[str, Any] | None = None) -> None:
        """Add a change. A kept vector holds only as long as every text stayed as the catalogue has it."""
        before = self.product(product_id)
        self.changes.append(_Change(product_id=product_id, product=product, before=before, patch=patch))
        self._now[product_id] = product
        if product is not None:
            self._owners.update((variant.id, product_id) for variant in product.variants)
        if product is None or (before is not None and before.text() != product.text()):
            self._keeping.discard(product_id)

    def kept_vector(self, product_id: str) -> Float32 | None:
        """Return the vector that a product has in the catalogue; None where the text changed meanwhile."""
        return self._catalog.vector(product_id) if product_id in self._keeping else None


def parse_operations(document: bytes) -> list[Any]:
    """Read a JSON array of operations.

    Raises:
        InvalidInputError: it is none, or too long.
    """
    return read_json_array(document, parameter="OPERATIONS", items="operations", limit=MAX_OPERATIONS)


def _apply_all(pending: _Pending, operations: Sequence[Any]) -> tuple[int, int, list[Rejected]]:
    """Apply operations; returns how many were accepted, how many of these changed nothing, and those rejected."""
    rejected = []
    unchanged = 0
    for index, operation in enumerate(operations):
        try:
            unchanged += not _apply(pending, operation)
        except InvalidInputError as exc:
            rejected.append(Rejected(index, str(exc)))
    return len(operations) - len(rejected), unchanged, rejected


def _apply(pending: _Pending, operation: Any) -> bool:
    """Apply an operation; returns whether there is something to write."""
    if not isinstance(operation, Mapping):
        raise InvalidInputError("operation", f"must be a JSON object, got {type(operation).__name__}")
    unknown = sorted(str(key) for key in set(operation) - _FIELDS)
    if unknown:
        raise InvalidInputError(unknown[0][:80], f"is no field of an operation; fields: {', '.join(sorted(_FIELDS))}")
    kind = operation.get("operation")
    if kind not in PRODUCT_OPERATIONS:
        raise InvalidInputError("operation", f"must be one of {', '.join(PRODUCT_OPERATIONS)}, got {str(kind)[:64]!r}")
    if kind == "upsert":
        product = parse_product(operation.get("product"))
        pending.put(product.id, product)
        return True
    fields = operation.get("product")
    product_id = operation.get("id") or (fields.get("id") if isinstance(fields, Mapping) else None)
    if not isinstance(product_id, str):
        raise InvalidInputError("id", f"of the product to {kind} must be given, got {str(product_id)[:64]!r}")
    patch = None
    if kind != "delete":
        if not isinstance(fields, Mapping):
            problem = f"must be an object with the fields to patch, got {type(fields).__name__}"
            raise InvalidInputError("product", problem)
        patch = fields
    before = pending.product(product_id)
    if before is None:
        before = pending.owner(product_id)
        if before is None:
            raise InvalidInputError("id", f"{NO_PRODUCT} {product_id[:256]!r} to {kind}", "upsert it first")
        patch = {"variants": {product_id: None}} if patch is None else _patch_of_variant(product_id, patch, before)
    if patch is None:
        pending.put(product_id, None)
        return True
    patched = before.merged(patch)
    checked = _checked_patch(patch, before, patched)
    if operation.get("if_changed") is True:
        checked = _select_changes(checked, before.as_dict())
        if not checked:
            return False
    pending.put(before.id, patched, checked)
    return True


def _select_changes(patch: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a patch differs from a document."""
    changes = {name: value for name, value in patch.items() if value != document.get(name)}
    if isinstance(changes.get("attributes"), Mapping):
        attributes = _select_changes(changes.pop("attributes"), document.get("attributes", {}))
        changes.update({"attributes": attributes} if attributes else {})
    if isinstance(changes.get("variants"), Mapping):
        held = {variant["id"]: variant for variant in document.get("variants", [])}
        variants = {
            variant_id: None if patched is None else _select_changes(patched, held.get(variant_id, {}))
            for variant_id, patched in changes.pop("variants").items()
        }
        changed = {variant_id: patched for variant_id, patched in variants.items() if patched != {}}
        changes.update({"variants": changed} if changed else {})
    return changes


def _patch_of_variant(variant_id: str, patch: Mapping[str, Any], product: Product) -> dict[str, Any]:
    """Make a patch of a variant one of its product.

    A price feed gives a currency too: what the product has already is left out, and one without a currency gets it.
    """
    document = product.as_dict()
    own = {name: value for name, value in patch.items() if name in VARIANT_FIELDS or value != document.get(name)}
    shared = {"currency": own.pop("currency")} if "currency" in own and not product.currency else {}
    return {**shared, "variants": {variant_id: own}}


def _checked_patch(fields: Mapping[str, Any], before: Product, patched: Product) -> dict[str, Any]:
    """Return a patch with its values as they were checked: what it removes is null.

    Raises:
        InvalidInputError: it patches a variant that the product does not have.
    """
    document = patched.as_dict()
    checked = {name: document.get(name) for name in fields if name != "id"}
    if isinstance(fields.get("attributes"), Mapping):
        checked["attributes"] = _checked_attributes(fields["attributes"], document)
    if isinstance(fields.get("variants"), Mapping):
        known = {variant.id for variant in before.variants}
        now = {variant.id: variant.as_dict() for variant in patched.variants}
        for variant_id in fields["variants"]:
            if variant_id not in known:
                raise InvalidInputError("variants", f"has none with the id {str(variant_id)[:256]!r} to patch")
        checked["variants"] = {
            variant_id: None if changes is None else _checked_variant(changes, now[variant_id])
            for variant_id, changes in fields["variants"].items()
        }
    return checked


def _checked_variant(changes: Mapping[str, Any], variant: Mapping[str, Any]) -> dict[str, Any]:
    checked = {name: variant.get(name) for name in changes if name != "id"}
    if isinstance(changes.get("attributes"), Mapping):
        checked["attributes"] = _checked_attributes(changes["attributes"], variant)
    return checked


def _checked_attributes(changes: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    left = document.get("attributes", {})
    return {key: left.get(key) for key in map(check_attribute_key, changes)}
