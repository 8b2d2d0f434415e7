"""The catalogue as it is now: a snapshot and the changes since, behind one set of row numbers.

Rows 0..n-1 are the snapshot's. Product change number s of state is row n + (s - snapshot's product sequence - 1), so
every process that has read the same changes uses the same numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from mercato.arrays import Bool, Float32, Int32, Int64
from mercato.catalog.product import Product, changes_text, parse_product
from mercato.errors import InvalidInputError
from mercato.features.inputs import ProductFeatures
from mercato.filters import Filter, evaluate_variants
from mercato.index import codes
from mercato.index.allowed import Allowed, FilterMasks, mark_texts
from mercato.index.current import check_sequence, follow_change
from mercato.index.delta import Delta
from mercato.index.held_words import HeldWords
from mercato.index.nearest import TextIndex
from mercato.index.product_features import append_features
from mercato.index.search_weights import FusionWeights
from mercato.index.snapshot import Snapshot
from mercato.index.titles import TitleTerms, number_titles
from mercato.index.variant_groups import SETTING as GROUP_SETTING
from mercato.index.variant_groups import VariantGroups
from mercato.index.vocabulary import LiveVocabulary
from mercato.index.words import list_terms
from mercato.state.store import StateStore
from mercato.state.values import ProductChange
from mercato.text.catalog_languages import LANGUAGE_FIELDS

logger = logging.getLogger(__name__)

_COUNTED_ENTRIES = 256
_MASKS_KEPT = 128
_TEXTS_KEPT = 8_192
_LONG_MASKS_KEPT = 16
"""Filters of thousands of values, which are megabytes each."""
_CHANGES_READ = 4_096
_VECTORS_A_STEP = 64
"""A copy of more than 128 KB is memory that the system has to give anew each time."""


class LiveCatalog:
    """Snapshot and delta through one interface."""

    def __init__(self, snapshot: Snapshot, state: StateStore | None, nearest: TextIndex | None = None) -> None:
        """Join a snapshot with a state store.

        Args:
            snapshot: the snapshot.
            state: where changes are read from; None for a catalogue that does not change.
            nearest: what finds the snapshot's texts near to a vector; None for its own index, where it has one.

        Raises:
            StateError: the snapshot contains changes that this state does not have: what is written to it would get
                numbers that count as read.
        """
        if state is not None:
            check_sequence(snapshot, state)
        self.snapshot = snapshot
        self.nearest = nearest
        self.base = snapshot.count
        """Number of snapshot rows; delta entry e is row base + e."""
        self._state = state
        self.languages = snapshot.languages()
        self.analyzer = self.languages.main
        self.fusion = FusionWeights(**snapshot.settings["fusion"])
        columns = snapshot.columns
        self.held_words = HeldWords(snapshot.folder, snapshot.words, self.analyzer, columns.variant_products)
        columns.use_words(self.held_words)
        self.delta = Delta(snapshot.manifest.dimension, self._weigh_terms, self.held_words.holds)
        self._sequence = snapshot.manifest.product_sequence
        self.current_row: Int32 = snapshot.number_rows()
        """int32 [snapshot rows]: the row where each snapshot product is now; -1 if deleted."""
        self.vector_row: Int32 = snapshot.number_rows()
        """int32 [snapshot rows]: the row that each snapshot row's vector finds now; -1 if deleted or of a new text."""
        self.alive: Bool = snapshot.mark_rows()
        self._changed_rows: dict[str, int] = {}
        self._vocabulary: LiveVocabulary | None = None
        self._changed_variants: dict[str, str] = {}
        """Id of a variant to that of the product which a change gave it to."""
        self._code_fields = tuple(snapshot.settings.get(codes.SETTING, ()))
        self._changed_codes: dict[str, set[str]] = {}
        """Code to the ids of the products that a change gave it to."""
        self._groups = VariantGroups(snapshot.columns, snapshot.settings.get(GROUP_SETTING, ""), snapshot.groups)
        self._features = snapshot.features
        self._features_entries = 0
        self.terms_of = lru_cache(_TEXTS_KEPT)(self._list_terms)
        """The terms of a short text that comes again and again, such as a size or a colour."""
        self._masks = lru_cache(_MASKS_KEPT)(self._filter_masks)
        self._long_masks = lru_cache(_LONG_MASKS_KEPT)(self._filter_masks)

    def term_frequency(self, term: str) -> int:
        """Return in how many products a term of the word index stands now.

        Of a term of more than `_COUNTED_ENTRIES` products those count, too, that had it before they changed.
        """
        entries = self.delta.postings[term].entries if term in self.delta.postings else []
        frequency = self.snapshot.words.frequency(term) + len(entries)
        if not len(self.delta) or frequency > _COUNTED_ENTRIES:
            return frequency
        rows, _ = self.snapshot.words.lookup(term)
        changed = self.current_row[rows] - self.base
        inheriting = (changed >= 0) & self.delta.inherits_words[np.maximum(changed, 0)]
        kept = int(np.count_nonzero(self.alive[rows] | inheriting))
        return kept + int(np.count_nonzero(self.delta.alive[entries]))

    def _list_terms(self, text: str) -> frozenset[str]:
        return frozenset(self.analyzer.list_held(text))

    @property
    def vocabulary(self) -> LiveVocabulary:
        """The words of the products as they are now; counted from the first time on that somebody asks for them."""
        if self._vocabulary is None:
            self._vocabulary = LiveVocabulary(self.snapshot.vocabulary)
            for row in np.flatnonzero(~self.alive).tolist():
                self._vocabulary.replace(self._read_product(row), None)
            for entry in np.flatnonzero(self.delta.alive).tolist():
                self._vocabulary.replace(None, self.delta.products[entry])
        return self._vocabulary

    def _weigh_terms(self, product: Product) -> dict[str, float]:
        words = self.snapshot.words
        analyzer = self.languages.choose(product.text(LANGUAGE_FIELDS))
        return words.weigh(*list_terms(product, words.settings.fields, analyzer, self.languages.by_field))

    def refresh(self) -> None:
        """Read what changed since the last call.

        Raises:
            StateError: state cannot be read; the catalogue stays as it was.
        """
        if self._state is None:
            return
        while changes := self._state.product_changes_since(self._sequence, limit=_CHANGES_READ):
            for change in changes:
                self._apply(change)
                self._sequence = change.sequence

    def _apply(self, change: ProductChange) -> None:
        product_id = change.product_id
        original = self.snapshot.row_by_id.get(product_id, -1)
        previous = self._changed_rows.get(product_id, original)
        try:
            product, document = follow_change(change, self.document(previous) if previous >= 0 else None)
        except (InvalidInputError, orjson.JSONDecodeError):
            # A newer version may have written it; the product stays as it was, and the entry keeps its number.
            logger.exception("change %d of product %r cannot be read; left out", change.sequence, product_id)
            self.delta.append(None, b"", None, original)
            return
        entry_row = self.base + len(self.delta)
        vector = self._fitting(change)
        inherits = False
        if change.operation == "patch" and change.vector is None and product is not None:
            inherits = previous < self.base or bool(self.delta.inherits_vector[previous - self.base])
            vector = None if inherits else self._vector_of(previous)
        elif vector is not None and original >= 0:
            inherits = np.array_equal(vector, self.snapshot.vectors(np.array([original]))[0])
        if self._vocabulary is not None and not _keeps_texts(change):
            self._vocabulary.replace(self._read_product(previous), product)
        if previous >= self.base:
            self.delta.retire(previous - self.base)
        if original >= 0:
            self.alive[original] = False
            self.current_row[original] = entry_row if product is not None else -1
            self.vector_row[original] = entry_row if inherits else -1
        inherits_words = product is not None and self._keeps_words(change, previous)
        self.delta.append(
            product,
            document or b"",
            vector,
            original,
            inherits_vector=inherits,
            inherits_words=inherits_words,
            came=self._find_coming(change, previous, original),
        )
        self._changed_rows[product_id] = entry_row if product is not None else -1
        if product is not None:
            self._changed_variants.update((variant.id, product_id) for variant in product.variants)
            if not inherits_words:
                for code in codes.list_codes(product, self._code_fields):
                    self._changed_codes.setdefault(code, set()).add(product_id)

    def _find_coming(self, change: ProductChange, previous: int, original: int) -> float:
        """Return when a changed product was first written, -inf where the snapshot has it."""
        if original >= 0 or change.time is None:
            return -np.inf
        return float(self.delta.came[previous - self.base]) if previous >= self.base else change.time

    def _keeps_words(self, change: ProductChange, previous: int) -> bool:
        """Tell whether a change leaves a product the words that the snapshot has of it."""
        if not _keeps_texts(change):
            return False
        return previous < self.base or bool(self.delta.inherits_words[previous - self.base])

    def _vector_of(self, row: int) -> Float32 | None:
        """Return the vector of a row, float32 [dimension]; None where it has none."""
        vector: Float32 = self.vectors(np.array([row]))[0]
        return vector if vector.any() else None

    def _fitting(self, change: ProductChange) -> Float32 | None:
        """Return a change's vector; None where it has none or an encoder of another dimension made it."""
        vector, dimension = change.vector, self.snapshot.manifest.dimension
        if vector is None or vector.shape == (dimension,):
            return vector
        logger.error("change %d has a vector of %d numbers, not %d", change.sequence, len(vector), dimension)
        return None

    def row_of(self, product_id: str) -> int:
        """Return the row of a product, else of the product that has a variant of this id; -1 if there is none.

        What was known of a variant that a change took away still says something of its product.
        """
        changed = self._changed_rows.get(product_id)
        if changed is not None and changed >= 0:
            return changed
        original = self.snapshot.row_by_any_id.get(product_id, -1)
        owner = self._changed_variants.get(product_id)
        if owner is not None:
            is_product = changed is None and original >= 0 and self.snapshot.documents.id(original) == product_id
            return original if is_product else self._changed_rows[owner]
        return -1 if original < 0 or changed is not None else int(self.current_row[original])

    def rows_of(self, product_ids: Sequence[str]) -> Int32:
        """Return the rows of products, as `row_of` does, int32 [n]."""
        rows = np.fromiter(map(self.snapshot.row_by_any_id.find, product_ids), np.int32, len(product_ids))
        if self._changed_rows:
            rows = np.where(rows >= 0, self.current_row[rows], np.int32(-1))
            changed, variants = self._changed_rows, self._changed_variants
            for index, product_id in enumerate(product_ids):
                if rows[index] < 0 or product_id in changed or product_id in variants:
                    rows[index] = self.row_of(product_id)
        return rows

    def find_code(self, text: str) -> Int32:
        """Find the products that a text names by an id or another code of theirs, its signs, spaces and case aside.

        Returns:
            Rows int32 [n], ascending; none where the text is no code, as nearly always, or many products have it. Ids
            and attributes that are called codes go before those that only look like it.
        """
        code = codes.squeeze(text)
        named = [int(self.current_row[row]) for row in self.snapshot.codes.find(code).tolist()] if code else []
        named += [self.row_of(product_id) for product_id in self._changed_codes.get(code, ())]
        rows = sorted(set(named) - {-1})
        if not rows or len(rows) > codes.MOST_HOLDERS:
            return np.zeros(0, np.int32)
        products = {row: product for row in rows if (product := self._read_product(row)) is not None}
        for fields in (list(filter(codes.is_code_name, self._code_fields)), self._code_fields):
            rows = [row for row, product in products.items() if code in codes.list_codes(product, fields)]
            if rows:
                break
        return np.array(rows, np.int32)

    def titles(self, rows: Int64) -> TitleTerms | None:
        """Return the terms of the titles of rows, int64 [n] ascending; None where the snapshot does not have them."""
        known = self.snapshot.titles
        if known is None:
            return None
        changed = rows[rows >= self.base] - self.base
        taken = known.take(rows[rows < self.base])
        if not len(changed):
            return taken
        products = [self.delta.products[entry] for entry in changed.tolist()]
        return taken.followed_by(number_titles(self.terms_of(one.title) if one else () for one in products))

    def owner_of(self, variant_id: str) -> str | None:
        """Return the id of the product that an id of a variant stands for; None if there is none."""
        row = self.row_of(variant_id)
        return self.id_of(row) if row >= 0 else None

    def identity_of(self, row: int) -> str:
        """Return what a shopper takes a row for: the id of its product, or what groups it with other variants."""
        group = self.groups.value_of(row) if self.groups else None
        return self.id_of(row) if group is None else f"\0{group}"

    def id_of(self, row: int) -> str:
        """Return a row's product id."""
        if row < self.base:
            return self.snapshot.documents.id(row)
        product = self.delta.products[row - self.base]
        return product.id if product is not None else ""

    def has_variants(self, row: int) -> bool:
        """Tell whether a row's product has variants."""
        if row < self.base:
            return bool(self._find_variants(row).stop)
        product = self.delta.products[row - self.base]
        return product is not None and bool(product.variants)

    def name_products(self, ids: Sequence[str]) -> dict[str, str]:
        """Return for each id that is a variant's the id of its product."""
        if self.snapshot.columns.variants is None and not self.delta.has_variants:
            return {}
        named = {known: self.id_of(row) for known, row in zip(ids, self.rows_of(ids).tolist(), strict=True) if row >= 0}
        return {known: product for known, product in named.items() if known != product}

    def passing_variants(self, row: int, allowed: Allowed) -> Bool:
        """Return which variants of a row's product pass the filter of what is allowed, bool [its variants]."""
        if row < self.base:
            own, passing = self._find_variants(row), allowed.variants
        else:
            entry = row - self.base
            bounds = np.array([entry, entry + 1], np.int32)
            own, passing = slice(*np.searchsorted(self.delta.entry_of_item, bounds).tolist()), allowed.items
        return np.ones(own.stop - own.start, np.bool_) if passing is None else passing[own]

    def _find_variants(self, row: int) -> slice:
        """Find the variants of a snapshot row among all; an empty slice at 0 where it has none."""
        products = self.snapshot.columns.variant_products
        if not len(products):
            return slice(0, 0)
        first, last = np.searchsorted(products, np.array([row, row + 1], np.int32)).tolist()
        return slice(first, last) if last > first else slice(0, 0)

    def document(self, row: int) -> bytes:
        """Return a row's JSON document."""
        return self.snapshot.documents.document(row) if row < self.base else self.delta.documents[row - self.base]

    def product(self, product_id: str) -> Product | None:
        """Return a product as it is now; None if there is none, a variant's id included."""
        product = self._read_product(self.row_of(product_id))
        return product if product is not None and product.id == product_id else None

    def _read_product(self, row: int) -> Product | None:
        if row >= self.base:
            return self.delta.products[row - self.base]
        return parse_product(orjson.loads(self.document(row))) if row >= 0 else None

    @property
    def text_fields(self) -> tuple[str, ...]:
        """Fields of a product that are encoded, in their order."""
        return tuple(self.snapshot.settings["text_fields"])

    def vector(self, product_id: str) -> Float32 | None:
        """Return the vector of a product, float32 [dimension]; None where there is none."""
        row = self.row_of(product_id)
        return self._vector_of(row) if row >= 0 else None

    def vectors(self, rows: npt.NDArray[np.integer[Any]]) -> Float32:
        """Return the vectors of rows, float32 [n, dimension]."""
        if not len(self.delta) or not len(rows) or int(rows.max()) < self.base:
            return self.snapshot.vectors(rows)
        vectors = np.zeros((len(rows), self.snapshot.manifest.dimension), np.float32)
        entries = np.maximum(rows - self.base, 0)
        changed = rows >= self.base
        inherited = changed & self.delta.inherits_vector[entries]
        known = ~changed | inherited
        vectors[known] = self.snapshot.vectors(np.where(inherited, self.delta.replaced_rows[entries], rows)[known])
        positions = self.delta.own_positions[entries]
        own = changed & (positions >= 0)
        vectors[own] = self.delta.own_vectors[positions[own]]
        return vectors

    def cosines(self, rows: npt.NDArray[np.integer[Any]], probe: Float32) -> Float32:
        """Return the product of each row's vector with a query's, float32 [n]: their cosine."""
        if not len(rows) or not len(self.delta) or int(rows.max()) < self.base:
            return self.snapshot.dense.compare(probe, self.snapshot.texts.text_of_row[rows].astype(np.int64))
        cosines = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _VECTORS_A_STEP):
            step = slice(start, start + _VECTORS_A_STEP)
            # Not "@": for a few hundred rows a library that wakes its threads takes longer.
            np.einsum("ij,j->i", self.vectors(rows[step]), probe, out=cosines[step])
        return cosines

    def original_rows(self, rows: Int32) -> Int32:
        """Return the snapshot rows whose learned signals hold for rows, int32 [n]; -1 for new products.

        Of variants that the feed groups that is the row of their group's leader.
        """
        originals = rows
        if len(self.delta) and len(rows) and int(rows.max()) >= self.base:
            replaced = self.delta.replaced_rows[np.maximum(rows - self.base, 0)]
            originals = np.where(rows < self.base, rows, replaced).astype(np.int32)
        return self.groups.lead(rows, originals) if self.groups else originals

    def move_rows(self, rows: Int32) -> Int32:
        """Return where the products of snapshot rows are now, int32 [n], -1 if deleted; other rows stay."""
        if not len(self.delta):
            return rows
        of_snapshot = rows < self.base
        return np.where(of_snapshot, self.current_row[np.where(of_snapshot, rows, 0)], rows).astype(np.int32)

    @property
    def groups(self) -> VariantGroups:
        """The variants that the feed groups, over all rows."""
        known = len(self._groups) - self.base
        if self._groups and known < len(self.delta):
            fresh = range(known, len(self.delta))
            self._groups.append((self.delta.products[e], int(self.delta.replaced_rows[e])) for e in fresh)
        return self._groups

    def features(self) -> ProductFeatures:
        """Return what the ranker reads of each product, over all rows."""
        if self._features_entries < len(self.delta):
            fresh = range(self._features_entries, len(self.delta))
            entries = [(self.delta.products[e], int(self.delta.replaced_rows[e])) for e in fresh]
            self._features = append_features(self._features, entries, self.snapshot.settings)
            self._features_entries = len(self.delta)
        return self._features

    def allow(self, condition: Filter | None) -> Allowed:
        """Return the products that pass a filter and are not deleted or superseded.

        Raises:
            InvalidInputError: the filter names a field that the catalogue lacks, or uses it wrongly.
        """
        passing = self.find_passing(condition)
        if condition is None:
            return passing
        return replace(passing, texts=self._with_inherited(self._find_masks(condition).texts, passing.entries))

    def find_passing(self, condition: Filter | None) -> Allowed:
        """Return what `allow` does, but for texts, which only a search by vectors needs: a third of the work.

        Raises:
            InvalidInputError: as `allow` does.
        """
        delta = self.delta
        entries = delta.passing(condition)
        items = delta.passing_items(condition) if delta.has_variants else None
        if condition is None:
            return Allowed(rows=self.alive, texts=None, entries=entries, rows_missing=len(delta) > 0, items=items)
        masks = self._find_masks(condition)
        return Allowed(
            rows=masks.rows & self.alive,
            texts=None,
            entries=entries,
            rows_missing=True,
            variants=masks.variants,
            items=items,
        )

    def tell_passing(self, condition: Filter, rows: Int32) -> Bool:
        """Tell which of some products, int32 [n], pass a filter: bool [n]; raises as `allow` does."""
        if len(rows) and rows.max() >= self.base:
            return self.find_passing(condition).holds(rows)
        return self._find_masks(condition).rows[rows] & self.alive[rows]

    def allow_both(self, one: Allowed, other: Allowed) -> Allowed:
        """Return the products that two filters allow; of one with variants the same variant has to pass both."""
        texts = [mask for mask in (one.texts, other.texts) if mask is not None]
        rows, entries = one.rows & other.rows, one.entries & other.entries
        variants, items = one.variants if other.variants is None else other.variants, None
        if one.variants is not None and other.variants is not None:
            columns, variants = self.snapshot.columns, one.variants & other.variants
            rows[columns.with_variants] &= columns.have_some(variants)
        if one.items is not None and other.items is not None:
            items = one.items & other.items
            entries &= self.delta.hold_some(items)
        return Allowed(
            rows=rows,
            texts=np.logical_and.reduce(texts) if texts else None,
            entries=entries,
            rows_missing=one.rows_missing or other.rows_missing,
            variants=variants,
            items=items,
        )

    def texts_left(self, allowed: Allowed) -> Bool:
        """Return the texts by which some allowed product is found, bool [texts], and no others."""
        return self._with_inherited(mark_texts(allowed.rows, self.snapshot.texts), allowed.entries)

    def reach(self, allowed: Allowed) -> int:
        """Return how many allowed products are found by the snapshot's vectors."""
        return int(np.count_nonzero(allowed.rows)) + int(np.count_nonzero(allowed.entries & self.delta.inherits_vector))

    def _with_inherited(self, texts: Bool, entries: Bool) -> Bool:
        inheriting = np.flatnonzero(entries & self.delta.inherits_vector)
        if len(inheriting):
            texts = texts.copy()
            texts[self.snapshot.texts.text_of_row[self.delta.replaced_rows[inheriting]]] = True
        return texts

    def _find_masks(self, condition: Filter) -> FilterMasks:
        return (self._long_masks if condition.is_long else self._masks)(condition)

    def _filter_masks(self, condition: Filter) -> FilterMasks:
        rows, variants = evaluate_variants(condition, self.snapshot.columns, self.delta.fields)
        return FilterMasks(rows, variants, self.snapshot.texts)


def _keeps_texts(change: ProductChange) -> bool:
    """Tell whether a change surely leaves a product the words that it had."""
    return (
        change.operation == "patch" and change.document is not None and not changes_text(orjson.loads(change.document))
    )
