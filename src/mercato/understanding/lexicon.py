"""The catalogue's own values as words of queries: brands, categories, colours, sizes, materials."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from mercato.catalog.column_builder import attribute_fields, field_values
from mercato.catalog.field_names import ATTRIBUTES, write_field, write_text
from mercato.catalog.product import Product, format_value
from mercato.index.live import LiveCatalog
from mercato.text.words import WordAnalyzer
from mercato.understanding.field_kinds import find_kind

MAX_VALUES = 20_000
"""A field of more values holds texts or codes."""
MAX_VALUE_WORDS = 5
MAX_SHARE = 0.5
"""What more than half of all products have tells none of them apart."""
MIN_CERTAINTY = {"brand": 0.25, "colour": 0.1, "size": 0.1, "material": 0.1}
"""Of the products that hold a value's words, the share that has the value: below, the words mean something else."""
_PARTS = re.compile(r"\s*(?:[,;/|&+]|\s(?:and|und|et|y|e|en)\s)\s*")
_CACHED = 4_096

Key = tuple[str, ...]


class Meaning:
    """What some words mean in one field.

    Attributes:
        kind: ``brand``, ``category``, ``colour``, ``size`` or ``material``.
        field: a full name.
        values: of the field that have the meaning, and how many products have each.
    """

    __slots__ = ("_filter", "field", "kind", "values")

    def __init__(self, kind: str, field: str) -> None:
        """Make an empty one."""
        self.kind = kind
        self.field = field
        self.values: dict[str, int] = {}
        self._filter = ""

    @property
    def products(self) -> int:
        """About how many products have it."""
        return sum(self.values.values())

    def write_filter(self) -> str:
        """Write what it stands for in the language of filters."""
        if not self._filter:
            self._filter = f"{write_field(self.field)}: ANY({', '.join(map(write_text, self.values))})"
        return self._filter

    def add(self, value: str, count: int) -> None:
        """Add a value, or more products that have it."""
        if value not in self.values:
            self._filter = ""
        self.values[value] = self.values.get(value, 0) + count


class Lexicon:
    """Values by the terms of their words. What later changes bring is added as it is read."""

    def __init__(self, catalog: LiveCatalog, stopwords: frozenset[str]) -> None:
        """Read the values of a catalogue.

        Args:
            catalog: the products.
            stopwords: terms that say nothing, and are no values.
        """
        self._catalog = catalog
        self._analyzer = catalog.analyzer
        self._stopwords = stopwords
        self._meanings: dict[Key, dict[str, Meaning]] = {}
        self._read_items = 0
        self.longest = 1
        """Most terms of a value."""
        columns = catalog.snapshot.columns
        for field in columns.fields:
            kind = _kind_of(field)
            column = columns.text(field) if kind else None
            if column is None or len(column) > MAX_VALUES:
                continue
            for value, count in zip(column.values(), (column.indptr[1:] - column.indptr[:-1]).tolist(), strict=True):
                self._add(kind, field, value, count)
        self.find = lru_cache(_CACHED)(self._find)
        """The meanings of a value's terms, one for each kind, the commonest first; none where they are no value."""

    def update(self) -> None:
        """Read the products that changed since the last call."""
        items = self._catalog.delta.items
        if self._read_items == len(items):
            return
        for item in items[self._read_items :]:
            if item is not None:
                self._add_product(item)
        self._read_items = len(items)
        self.find.cache_clear()

    def _add_product(self, product: Product) -> None:
        for field in ("brand", "categories", *attribute_fields(product)):
            kind = _kind_of(field)
            for value in field_values(product, field) if kind else ():
                if isinstance(value, str):
                    self._add(kind, field, format_value(value), 1)

    def _add(self, kind: str, field: str, value: str, count: int) -> None:
        parts = {value} if kind in ("brand", "category") else {value, *_PARTS.split(value)}
        for part in parts:
            for key in list_keys(self._analyzer, part):
                if not key or len(key) > MAX_VALUE_WORDS or self._stopwords.issuperset(key):
                    continue
                if all(term.isdigit() for term in key) and kind != "size":
                    continue
                meaning = self._meanings.setdefault(key, {}).setdefault(f"{kind} {field}", Meaning(kind, field))
                meaning.add(value, count)
                self.longest = max(self.longest, len(key))

    def _find(self, key: Key) -> tuple[Meaning, ...]:
        known = self._meanings.get(key)
        if known is None:
            return ()
        best: dict[str, Meaning] = {}
        for meaning in known.values():
            if meaning.kind not in best or meaning.products > best[meaning.kind].products:
                best[meaning.kind] = meaning
        return tuple(sorted(best.values(), key=lambda one: -one.products))

    def tells_apart(self, meaning: Meaning) -> bool:
        """Tell whether a value tells some products from most others."""
        return meaning.products <= MAX_SHARE * max(self._catalog.base, 1)

    def certainty(self, key: Key, meaning: Meaning) -> float:
        """Return the share of the products with a value among those that hold its word, 0 to 1; 1 of several words."""
        if len(key) > 1:
            return 1.0
        frequency = min((self._catalog.snapshot.words.frequency(term) for term in key), default=0)
        return min(meaning.products / frequency, 1.0) if frequency else 1.0

    def is_certain(self, key: Key, meaning: Meaning) -> bool:
        """Tell whether words that may mean a value mostly do in this shop."""
        return self.certainty(key, meaning) >= MIN_CERTAINTY.get(meaning.kind, 0.0)


def list_keys(analyzer: WordAnalyzer, text: str) -> list[Key]:
    """List the terms that a value is found by: those of its words, and of all in one word where it has a hyphen."""
    chunks = analyzer.split(text)
    keys = [tuple(part for chunk in chunks for part in chunk.parts)]
    if len(chunks) == 1 and chunks[0].joined:
        keys.append((chunks[0].joined,))
    return keys


def _kind_of(field: str) -> str:
    if field == "brand":
        return "brand"
    if field == "categories":
        return "category"
    return find_kind(field.removeprefix(ATTRIBUTES)) if field.startswith(ATTRIBUTES) else ""


def join_terms(pieces: Sequence[Key]) -> Key:
    """Join the terms of neighbouring words to the key of a value."""
    return tuple(term for piece in pieces for term in piece)
