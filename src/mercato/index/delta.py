"""Products that changed after the snapshot was built: few, in memory, searched with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from mercato.arrays import Bool, Float32, Float64, Int32
from mercato.catalog.column_builder import attribute_fields
from mercato.catalog.product import Product
from mercato.filters import Filter, matches_one

_FIRST_CAPACITY = 64
_MASKS_KEPT = 256
_LONG_MASKS_KEPT = 16


@dataclass(frozen=True, kw_only=True)
class Postings:
    """Where a term occurs.

    Attributes:
        entries: the entries that have it, ascending.
        weights: its weighted frequency in each, as the word index weighs fields.
    """

    entries: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


class Delta:
    """The changed products, one entry a change; an entry superseded by a later one is not alive.

    Attributes:
        products: the product of each entry; None for a deletion.
        documents: its JSON document.
        items: what filters and facets look at: the product of each entry, one as each of its variants is where it has
            any; None for a deletion. Where no product has variants, items are entries.
        postings: the entries of each term, superseded ones too; without those that inherit their words.
        fields: full names of the attributes that some product has, as filters call them.
    """

    def __init__(
        self,
        dimension: int,
        weigh_terms: Callable[[Product], Mapping[str, float]],
        holds: Callable[[Product, str], bool] | None = None,
    ) -> None:
        """Make an empty delta.

        Args:
            dimension: length of a vector.
            weigh_terms: terms of a product and their weighted frequencies, as the word index has them.
            holds: tells whether a product holds the words of a text, which filters may ask; None where none does.
        """
        self._weigh_terms = weigh_terms
        self._holds = holds
        self._alive = np.zeros(_FIRST_CAPACITY, np.bool_)
        self._inherits_vector = np.zeros(_FIRST_CAPACITY, np.bool_)
        self._inherits_words = np.zeros(_FIRST_CAPACITY, np.bool_)
        self._own_vectors = np.zeros((_FIRST_CAPACITY, dimension), np.float32)
        self._own_entries = np.zeros(_FIRST_CAPACITY, np.int32)
        self._own_positions = np.zeros(_FIRST_CAPACITY, np.int32)
        self._own_count = 0
        self._replaced_rows = np.zeros(_FIRST_CAPACITY, np.int32)
        self._came = np.zeros(_FIRST_CAPACITY, np.float64)
        self.products: list[Product | None] = []
        self.documents: list[bytes] = []
        self.items: list[Product | None] = []
        self._entry_of_item = np.zeros(_FIRST_CAPACITY, np.int32)
        self.postings: dict[str, Postings] = {}
        self.fields: set[str] = set()
        self._filter_masks: dict[Filter, Bool] = {}
        self._long_filter_masks: dict[Filter, Bool] = {}

    def __len__(self) -> int:
        """Return the number of entries, alive or not."""
        return len(self.products)

    @property
    def inherits_vector(self) -> Bool:
        """Which entries have the vector of the snapshot row they replace, and are found by it: bool [entries]."""
        return self._inherits_vector[: len(self)]

    @property
    def inherits_words(self) -> Bool:
        """Which entries have the words of the snapshot row they replace, and are found by it: bool [entries]."""
        return self._inherits_words[: len(self)]

    @property
    def own_vectors(self) -> Float32:
        """The vectors that the snapshot's index does not have: float32 [m, dimension]."""
        return self._own_vectors[: self._own_count]

    @property
    def own_entries(self) -> Int32:
        """The entry of each of `own_vectors`, superseded ones too: int32 [m]."""
        return self._own_entries[: self._own_count]

    @property
    def own_positions(self) -> Int32:
        """Where the vector of each entry stands in `own_vectors`, -1 where it has none of its own: int32 [entries]."""
        return self._own_positions[: len(self)]

    @property
    def replaced_rows(self) -> Int32:
        """The snapshot row that each entry's product had, -1 for a new product: int32 [entries]."""
        return self._replaced_rows[: len(self)]

    @property
    def came(self) -> Float64:
        """When each entry's product came, seconds since 1970; -inf where the snapshot has it: float64 [entries]."""
        return self._came[: len(self)]

    @property
    def entry_of_item(self) -> Int32:
        """The entry of each of `items`: int32 [items], ascending."""
        return self._entry_of_item[: len(self.items)]

    @property
    def has_variants(self) -> bool:
        """Whether items are others than entries."""
        return len(self.items) > len(self)

    @property
    def alive(self) -> Bool:
        """Which entries are a product's present state: bool [entries]."""
        return self._alive[: len(self)]

    def append(
        self,
        product: Product | None,
        document: bytes,
        vector: Float32 | None,
        replaced_row: int,
        *,
        inherits_vector: bool = False,
        inherits_words: bool = False,
        came: float = -np.inf,
    ) -> None:
        """Add an entry.

        Args:
            product: the product as it is now; None for a deletion.
            document: its JSON document.
            vector: float32 [dimension]; None for a deletion, where it could not be encoded, or may be where it is
                inherited.
            replaced_row: snapshot row of the product; -1 if it had none.
            inherits_vector: the vector is that of the replaced row (its price changed, say, not its text).
            inherits_words: so are its words. A price feed changes many products; their words need no second place.
            came: when the product was first written, seconds since 1970; -inf where that is not known.
        """
        entry = len(self)
        if entry == len(self._alive):
            self._double("_own_positions", "_alive", "_inherits_vector", "_inherits_words", "_replaced_rows", "_came")
        self._own_positions[entry] = -1
        if vector is not None and not inherits_vector:
            self._append_own(entry, vector)
        self._inherits_vector[entry] = inherits_vector
        self._inherits_words[entry] = inherits_words
        self._alive[entry] = product is not None
        self._replaced_rows[entry] = replaced_row
        self._came[entry] = came
        self.products.append(product)
        self.documents.append(document)
        for item in (None,) if product is None else product.as_variants():
            if len(self.items) == len(self._entry_of_item):
                self._double("_entry_of_item")
            self._entry_of_item[len(self.items)] = entry
            self.items.append(item)
        if product is None:
            return
        self.fields.update(attribute_fields(product))
        if not inherits_words:
            for term, weight in self._weigh_terms(product).items():
                postings = self.postings.setdefault(term, Postings())
                postings.entries.append(entry)
                postings.weights.append(weight)

    def _append_own(self, entry: int, vector: Float32) -> None:
        if self._own_count == len(self._own_entries):
            self._double("_own_vectors", "_own_entries")
        self._own_vectors[self._own_count] = vector
        self._own_entries[self._own_count] = entry
        self._own_positions[entry] = self._own_count
        self._own_count += 1

    def _double(self, *columns: str) -> None:
        for name in columns:
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros_like(column)]))

    def retire(self, entry: int) -> None:
        """Mark an entry as superseded."""
        self._alive[entry] = False

    def passing(self, condition: Filter | None) -> Bool:
        """Return which entries are alive and pass a filter, one that the snapshot accepts: bool [entries]."""
        if condition is None:
            return self.alive.copy()
        return self.hold_some(self._passing_items(condition)) & self.alive

    def passing_items(self, condition: Filter | None) -> Bool:
        """Return which items are alive and pass a filter, one that the snapshot accepts: bool [items]."""
        alive = self.alive[self.entry_of_item] if self.has_variants else self.alive.copy()
        return alive if condition is None else alive & self._passing_items(condition)

    def hold_some(self, items: Bool) -> Bool:
        """Return which entries have one of some items, bool [entries]."""
        if not self.has_variants:
            return items
        entries = np.zeros(len(self), np.bool_)
        entries[self.entry_of_item[items]] = True
        return entries

    def _passing_items(self, condition: Filter) -> Bool:
        masks = self._long_filter_masks if condition.is_long else self._filter_masks
        known = masks.get(condition, np.zeros(0, np.bool_))
        if len(known) < len(self.items):
            fresh = [
                item is not None and matches_one(condition, item, self._holds) for item in self.items[len(known) :]
            ]
            known = np.concatenate([known, np.array(fresh, np.bool_)])
            if condition not in masks and len(masks) >= (_LONG_MASKS_KEPT if condition.is_long else _MASKS_KEPT):
                masks.clear()
            masks[condition] = known
        return known
