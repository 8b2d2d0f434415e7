"""Products as they are now: a snapshot's documents and the changes since. What writes changes needs no more."""

from __future__ import annotations

import logging
from typing import Protocol

import numpy as np
import orjson

from mercato.arrays import Float32
from mercato.catalog.product import Product, parse_product
from mercato.errors import InvalidInputError, StateError
from mercato.index.snapshot import Snapshot
from mercato.state.store import StateStore
from mercato.state.values import ProductChange

logger = logging.getLogger(__name__)

_CHANGES_READ = 4_096


class ProductLookup(Protocol):
    """Products by id, as they are now."""

    @property
    def text_fields(self) -> tuple[str, ...]:
        """Fields of a product that are encoded, in their order."""

    def refresh(self) -> None:
        """Read what changed since the last call.

        Raises:
            StateError: state cannot be read.
        """

    def product(self, product_id: str) -> Product | None:
        """Return a product; None if there is none."""

    def owner_of(self, variant_id: str) -> str | None:
        """Return the id of the product that an id of a variant stands for; None if there is none."""

    def vector(self, product_id: str) -> Float32 | None:
        """Return the vector of a product's text, float32 [dimension]; None where there is none."""


class CurrentProducts:
    """A `ProductLookup` without what searching needs: words, filters and features of changed products."""

    def __init__(self, snapshot: Snapshot, state: StateStore) -> None:
        """Join a snapshot with a state store.

        Raises:
            StateError: the snapshot contains changes that this state does not have.
        """
        check_sequence(snapshot, state)
        self._snapshot = snapshot
        self._state = state
        self._sequence = snapshot.manifest.product_sequence
        self._documents: dict[str, bytes | None] = {}
        self._vectors: dict[str, Float32 | None] = {}
        self._owners: dict[str, str] = {}

    @property
    def text_fields(self) -> tuple[str, ...]:
        """Fields of a product that are encoded, in their order."""
        return tuple(self._snapshot.settings["text_fields"])

    def refresh(self) -> None:
        """Read what changed since the last call.

        Raises:
            StateError: state cannot be read.
        """
        while changes := self._state.product_changes_since(self._sequence, limit=_CHANGES_READ):
            for change in changes:
                self._follow(change)
                self._sequence = change.sequence

    def _follow(self, change: ProductChange) -> None:
        product_id = change.product_id
        try:
            product, document = follow_change(change, self._document(product_id))
        except (InvalidInputError, orjson.JSONDecodeError):
            logger.exception("change %d of product %r cannot be read; left out", change.sequence, product_id)
            return
        self._documents[product_id] = document
        if product is not None:
            self._owners.update((variant.id, product_id) for variant in product.variants)
        if change.operation != "patch" or change.vector is not None:
            self._vectors[product_id] = change.vector

    def _document(self, product_id: str) -> bytes | None:
        if product_id in self._documents:
            return self._documents[product_id]
        row = self._snapshot.row_by_id.get(product_id, -1)
        return self._snapshot.documents.document(row) if row >= 0 else None

    def product(self, product_id: str) -> Product | None:
        """Return a product; None if there is none."""
        document = self._document(product_id)
        return None if document is None else parse_product(orjson.loads(document))

    def owner_of(self, variant_id: str) -> str | None:
        """Return the id of the product that an id of a variant stands for; None if there is none."""
        owner = self._owners.get(variant_id)
        if owner is None:
            row = self._snapshot.row_by_any_id.get(variant_id, -1)
            return self._snapshot.documents.id(row) if row >= 0 else None
        return owner

    def vector(self, product_id: str) -> Float32 | None:
        """Return the vector of a product's text, float32 [dimension]; None where there is none."""
        if product_id in self._vectors:
            return self._vectors[product_id]
        row = self._snapshot.row_by_id.get(product_id, -1)
        return self._snapshot.vectors(np.array([row]))[0] if row >= 0 else None


def follow_change(change: ProductChange, before: bytes | None) -> tuple[Product | None, bytes | None]:
    """Apply a change to a product.

    A patch changes its fields of the product as it is here, which may have come with a later feed than the writer of
    the patch knew. It brings no product back that is gone.

    Args:
        change: of state.
        before: the product's document; None where there is none.

    Returns:
        The product afterwards and its document; None where there is none.

    Raises:
        InvalidInputError: the change, or what it leads to, is no product.
        JSONDecodeError: of orjson: it is not JSON.
    """
    if change.document is None or (change.operation == "patch" and before is None):
        return None, None
    if change.operation != "patch" or before is None:
        return parse_product(orjson.loads(change.document)), change.document
    patched = parse_product(orjson.loads(before)).merged(orjson.loads(change.document))
    # Copied: what orjson returns keeps the room it was written in, thousands of bytes for a product of hundreds.
    return patched, bytes(memoryview(patched.document()))


def check_sequence(snapshot: Snapshot, state: StateStore) -> None:
    """Check that a state has the changes that a snapshot contains; without, new ones would count as read.

    Raises:
        StateError: it has not.
    """
    built = snapshot.manifest.product_sequence
    try:
        last = state.product_sequence()
    except StateError:
        logger.warning("state cannot be read yet; going on without its changes")
        return
    if last < built:
        raise StateError(
            f"state: holds {last} product changes, but catalogue {snapshot.folder} contains {built}; serve the state "
            "it was built with, or build it again with `mercato index ... --state URL`"
        )
