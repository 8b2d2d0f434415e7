"""Products that changed after the snapshot was built: few, in memory, searched with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mercato.catalog.product import Product
from mercato.filters import Filter, matches

Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

_FIRST_CAPACITY = 64


class Delta:
    """The changed products, one entry a change; an entry superseded by a later one is not alive.

    Attributes:
        products: the product of each entry; None for a deletion.
        documents: its JSON document.
        replaced_rows: the snapshot row that the entry's product had; -1 for a new product.
    """

    def __init__(self, dimension: int, list_terms: Callable[[Product], list[str]]) -> None:
        """Make an empty delta.

        Args:
            dimension: length of a vector.
            list_terms: terms of a product, as the word index has them.
        """
        self._list_terms = list_terms
        self._vectors = np.zeros((_FIRST_CAPACITY, dimension), np.float32)
        self._alive = np.zeros(_FIRST_CAPACITY, np.bool_)
        self.products: list[Product | None] = []
        self.documents: list[bytes] = []
        self.replaced_rows: list[int] = []
        self.term_counts: list[dict[str, int]] = []
        self._filter_masks: dict[str, Bool] = {}

    def __len__(self) -> int:
        """Return the number of entries, alive or not."""
        return len(self.products)

    @property
    def vectors(self) -> Float32:
        """float32 [entries, dimension]; zeros for a deletion."""
        return self._vectors[: len(self)]

    @property
    def alive(self) -> Bool:
        """Which entries are a product's present state: bool [entries]."""
        return self._alive[: len(self)]

    def append(self, product: Product | None, document: bytes, vector: Float32 | None, replaced_row: int) -> None:
        """Add an entry.

        Args:
            product: the product as it is now; None for a deletion.
            document: its JSON document.
            vector: float32 [dimension]; None for a deletion, or where it could not be encoded.
            replaced_row: snapshot row of the product; -1 if it had none.
        """
        place = len(self)
        if place == len(self._alive):
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
            self._alive = np.concatenate([self._alive, np.zeros_like(self._alive)])
        if vector is not None:
            self._vectors[place] = vector
        self._alive[place] = product is not None
        self.products.append(product)
        self.documents.append(document)
        self.replaced_rows.append(replaced_row)
        self.term_counts.append(dict(Counter(self._list_terms(product))) if product is not None else {})

    def retire(self, entry: int) -> None:
        """Mark an entry as superseded."""
        self._alive[entry] = False

    def passing(self, condition: Filter | None) -> Bool:
        """Return which entries are alive and pass a filter: bool [entries].

        Raises:
            InvalidInputError: the filter names a field in a way that does not fit it.
        """
        if condition is None:
            return self.alive.copy()
        known = self._filter_masks.get(condition.text, np.zeros(0, np.bool_))
        if len(known) < len(self):
            fresh = [product is not None and matches(condition, product) for product in self.products[len(known) :]]
            known = np.concatenate([known, np.array(fresh, np.bool_)])
            if len(self._filter_masks) >= 256:
                self._filter_masks.clear()
            self._filter_masks[condition.text] = known
        return known & self.alive
