"""Which products hold a word, by themselves and by variant: what the field ``words`` of a filter asks.

A word counts in title, brand, categories and attributes. A description tells too much ("contains no leather", "goes
with leather shoes") to cost a product its place. A word under a negation ("no sugar added", "sugar free") is not held;
it is kept apart, written with a hyphen before it, descriptions included: ``words: ANY("-sugar")``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from mercato.arrays import Bool, Int32
from mercato.catalog.product import Product
from mercato.errors import SnapshotError
from mercato.grammar.exclusions import part_negated
from mercato.index import layout
from mercato.index.arrays import map_arrays, write_arrays
from mercato.index.catalog_words import CatalogWords, Numbering, NumberLists
from mercato.index.words import WordIndex
from mercato.text.words import WordAnalyzer

NOT_HELD = "-"
"""Before a word that a product says it is without."""
_FIELDS = ("title", "brand", "categories", "attributes")
_MASKS_KEPT = 256


def list_held(product: Product, analyzer: WordAnalyzer) -> set[str]:
    """List the terms that a product holds, and those it says it is without, each with `NOT_HELD` before it.

    Args:
        product: one without variants, or as one of them is (`Product.as_variants`).
        analyzer: the word index's.
    """
    held: set[str] = set()
    for name in (*_FIELDS, "description"):
        text, things = part_negated(product.field_text(name))
        if name != "description":
            held.update(analyzer.analyze(text))
        held.update(NOT_HELD + term for thing in things for term in analyzer.analyze(thing))
    return held


class HeldWords:
    """The rows of products, and of variants, by the words that they hold."""

    def __init__(self, folder: Path, words: WordIndex, analyzer: WordAnalyzer, owners: Int32) -> None:
        """Open what `write_held_words` wrote.

        Args:
            folder: the snapshot. One that was built without is read from the word index: descriptions count then.
            words: the word index.
            analyzer: its analyser.
            owners: int32 [variants], the row of each variant's product.

        Raises:
            SnapshotError: the file is altered.
        """
        self._analyzer = analyzer
        self._index = words
        self._owners = owners
        self._numbers: dict[str, int] | None = None
        self._unspaced: list[str] = []
        if (folder / layout.HELD_WORDS).exists():
            arrays = map_arrays(folder / layout.HELD_WORDS)
            try:
                terms = json.loads(arrays["terms"].tobytes())
                self._bounds, self._rows = arrays["bounds"], arrays["rows"]
                self._count, _ = (int(size) for size in arrays["sizes"])
            except (KeyError, ValueError) as exc:
                raise SnapshotError(f"{layout.HELD_WORDS}: cannot be read ({exc}); build the snapshot again") from exc
            self._numbers = {term: number for number, term in enumerate(terms)}
            self._unspaced = [term for term in terms if "\u3000" < term.lstrip(NOT_HELD)[:1]]
        self._find = lru_cache(_MASKS_KEPT)(self._find_rows)

    def knows(self, text: str) -> bool:
        """Tell whether some product holds the words of a text, as a filter asks for them."""
        return bool(self._find(text)[0].any())

    def mark(self, text: str, mask: Bool, *, variants: bool = False) -> None:
        """Set the products that hold every word of a text.

        Args:
            text: words; with `NOT_HELD` before them, what the products say that they are without.
            mask: bool [products] or [variants], written to.
            variants: whether variants are asked.
        """
        mask |= self._find(text)[1 if variants else 0]

    def holds(self, product: Product, text: str) -> bool:
        """Tell whether a product outside of the snapshot, as one of its variants is, holds every word of a text."""
        held = list_held(product, self._analyzer)
        groups = self._read(text)
        return bool(groups) and all(
            any(term in held for term in group) or (len(group) == 1 and _holds_inside(group[0], held))
            for group in groups
        )

    def _read(self, text: str) -> list[tuple[str, ...]]:
        """Return the terms of each word of a text: one of them has to be held."""
        sign = NOT_HELD if text.startswith(NOT_HELD) else ""
        groups: list[tuple[str, ...]] = []
        for chunk in self._analyzer.split(text.removeprefix(NOT_HELD)):
            if chunk.joined and len(chunk.parts) > 1 and all(map(str.isalpha, chunk.parts)):
                groups += ((sign + part, sign + chunk.joined) for part in chunk.parts)
            else:
                groups += ((sign + term,) for term in ((chunk.joined,) if chunk.joined else chunk.parts))
        return groups

    def _find_rows(self, text: str) -> tuple[Bool, Bool]:
        products = np.zeros(self._index.count, np.bool_)
        variants = np.zeros(len(self._owners), np.bool_)
        groups = self._read(text)
        if not groups:
            return products, variants
        products[:], variants[:] = True, True
        for group in groups:
            some, some_variants = np.zeros_like(products), np.zeros_like(variants)
            for term in self._widen(group):
                rows = self._lookup(term)
                some[rows[rows < self._index.count]] = True
                some_variants[rows[rows >= self._index.count] - self._index.count] = True
            if self._numbers is None and len(variants):
                some_variants = some[self._owners]
            products &= some
            variants &= some_variants
        return products, variants

    def _widen(self, group: Sequence[str]) -> list[str]:
        """Add the pairs of a script without spaces that a single character stands in."""
        one = group[0].lstrip(NOT_HELD)
        if len(group) > 1 or len(one) != 1 or one < "\u3000":
            return list(group)
        return [term for term in self._unspaced if _holds_inside(group[0], (term,))] or list(group)

    def _lookup(self, term: str) -> Int32:
        if self._numbers is None:
            return self._index.lookup(term)[0]
        number = self._numbers.get(term)
        if number is None:
            return np.zeros(0, np.int32)
        found: Int32 = self._rows[self._bounds[number] : self._bounds[number + 1]]
        return found


def _holds_inside(term: str, held: Iterable[str]) -> bool:
    one = term.lstrip(NOT_HELD)
    if len(one) != 1 or one < "\u3000":
        return False
    negated = term.startswith(NOT_HELD)
    return any(one in other and other.startswith(NOT_HELD) == negated for other in held)


def write_held_words(folder: Path, products: Sequence[Product], words: CatalogWords, analyzer: WordAnalyzer) -> None:
    """Write the words that products and their variants hold: rows of products, then of variants in their order.

    Args:
        folder: the snapshot.
        products: the catalogue, in row order.
        words: theirs; those of variants are read beside.
        analyzer: the word index's.
    """
    variants = [variant for product in products if product.variants for variant in product.as_variants()]
    everyone = [*products, *variants]
    fields = (*_FIELDS, "description")
    texts = {
        field: np.concatenate([words.fields[field], words.read(variant.field_text(field) for variant in variants)])
        for field in fields
    }
    parted = {field: _part_texts(everyone, field, texts[field], words) for field in fields}
    kept = np.stack([parted[field][0] for field in _FIELDS], axis=1).ravel()
    denied = [one for _, things in parted.values() for one in things]
    holding = words.by_text.take(kept).join(len(_FIELDS)).distinct()
    without = words.by_text.take(np.array([text for _, text in denied], np.int64))
    denying = np.array([row for row, _ in denied], np.int64)[without.owners]

    numbers: Numbering[str] = Numbering()
    terms = _number_terms(holding.numbers, words, analyzer, numbers, "")
    lacking = _number_terms(without.numbers, words, analyzer, numbers, NOT_HELD)
    held = holding.follow(terms)
    lacked = NumberLists(bounds=np.arange(len(without.numbers) + 1), numbers=without.numbers).follow(lacking)
    listed = sorted(numbers)
    place = np.empty(len(listed), np.int64)
    place[[numbers[term] for term in listed]] = np.arange(len(listed))
    found = place[np.concatenate([held.numbers, lacked.numbers])]
    rows = np.concatenate([held.owners, denying[lacked.owners]])
    found, rows = np.divmod(np.unique(found * len(everyone) + rows), len(everyone))
    bounds = np.zeros(len(listed) + 1, np.int64)
    np.cumsum(np.bincount(found, minlength=len(listed)), out=bounds[1:])
    write_arrays(
        folder / layout.HELD_WORDS,
        {
            "terms": np.frombuffer(json.dumps(listed, ensure_ascii=False).encode("utf-8", "surrogatepass"), np.uint8),
            "bounds": bounds,
            "rows": rows.astype(np.int32),
            "sizes": np.array([len(products), len(variants)], np.int64),
        },
    )


def _part_texts(
    products: Sequence[Product], field: str, texts: Int32, words: CatalogWords
) -> tuple[Int32, list[tuple[int, int]]]:
    """Part what stands under a negation from the rest, in each distinct text of a field.

    Args:
        products: whose texts they are.
        field: of the products.
        texts: int32 [products], their numbers.
        words: what numbers texts; the parts are read beside.

    Returns:
        The number of each product's text without what is negated, int32 [products]; and pairs of a product's position
        and the number of a text that it says it is without.
    """
    _, firsts, distinct = np.unique(texts, return_index=True, return_inverse=True)
    kept = texts[firsts]
    negated: dict[int, Int32] = {}
    for position, row in enumerate(firsts.tolist()):
        rest, things = part_negated(products[row].field_text(field))
        if things:
            kept[position] = words.read([rest])[0]
            negated[position] = words.read(things)
    denied = [
        (row, text)
        for row in np.flatnonzero(np.isin(distinct, list(negated))).tolist()
        for text in negated[distinct[row]]
    ]
    return kept[distinct], denied


def _number_terms(
    used: Int32, words: CatalogWords, analyzer: WordAnalyzer, numbers: Numbering[str], sign: str
) -> NumberLists:
    """Number the terms of those words that are used, with a sign before each; of other words the lists are empty."""
    wanted = np.zeros(len(words.words), np.bool_)
    wanted[used] = True
    return NumberLists.collect(
        [numbers[sign + term] for term in analyzer.read_word(word).terms] if is_used else ()
        for word, is_used in zip(words.words, wanted.tolist(), strict=True)
    )
