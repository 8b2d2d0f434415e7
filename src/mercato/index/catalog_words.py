"""The words of a catalogue, as numbers: each distinct text is read once, whoever counts its words.

Brands, categories and titles repeat among products, and words repeat among texts. What an index keeps of words (their
terms, how they are spelt) is found for distinct words, and spread over texts and products by array operations.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mercato.arrays import Bool, Int32, Int64
from mercato.catalog.product import Product
from mercato.index.search_weights import WORD_FIELDS
from mercato.text.words import list_words

Key = TypeVar("Key")

KEY_CHARS = 64
"""A longer text is known again by a checksum of 128 bits, so that texts joined of attributes are not held in memory."""


@dataclass(frozen=True, kw_only=True)
class NumberLists:
    """Lists of numbers, one after another.

    Attributes:
        bounds: int64 [lists + 1]; list i is ``numbers[bounds[i]:bounds[i + 1]]``.
        numbers: int32.
    """

    bounds: Int64
    numbers: Int32

    @classmethod
    def collect(cls, lists: Iterable[Sequence[int]]) -> NumberLists:
        """Make them of lists."""
        numbers, ends = array("i"), array("q", [0])
        for one in lists:
            numbers.extend(one)
            ends.append(len(numbers))
        return cls(bounds=np.array(ends, np.int64), numbers=np.array(numbers, np.int32))

    @property
    def lengths(self) -> Int64:
        """Length of each list, int64 [lists]."""
        return np.diff(self.bounds)

    @property
    def owners(self) -> Int64:
        """The list that each number stands in, int64 [numbers]."""
        return np.repeat(np.arange(len(self.bounds) - 1), self.lengths)

    def take(self, chosen: Int32 | Int64) -> NumberLists:
        """Return some lists, in that order; one may be taken again and again."""
        bounds = _bound(self.lengths[chosen])
        positions = np.repeat(self.bounds[chosen] - bounds[:-1], np.diff(bounds))
        positions += np.arange(len(positions))
        return NumberLists(bounds=bounds, numbers=self.numbers[positions])

    def follow(self, next_lists: NumberLists) -> NumberLists:
        """Put in place of each number the list that it is the number of."""
        spread = next_lists.take(self.numbers)
        return NumberLists(bounds=spread.bounds[self.bounds], numbers=spread.numbers)

    def join(self, parts: int) -> NumberLists:
        """Join every so many lists to one."""
        return NumberLists(bounds=self.bounds[::parts], numbers=self.numbers)

    def select(self, wanted: Bool) -> NumberLists:
        """Keep some of the numbers: bool [numbers]."""
        kept = np.concatenate([[0], np.cumsum(wanted)])
        return NumberLists(bounds=kept[self.bounds], numbers=self.numbers[wanted])

    def distinct(self) -> NumberLists:
        """Return each list's numbers once, ascending."""
        if not len(self.numbers):
            return self
        base = int(self.numbers.max()) + 1
        lists, numbers = np.divmod(np.unique(self.owners * base + self.numbers), base)
        counts = np.bincount(lists, minlength=len(self.bounds) - 1)
        return NumberLists(bounds=_bound(counts), numbers=numbers.astype(np.int32))

    def count(self, kinds: int) -> Int64:
        """Return in how many lists each number stands that are `distinct`: int64 [kinds]."""
        return np.bincount(self.numbers, minlength=kinds).astype(np.int64)


class CatalogWords:
    """The words of the texts of products; more texts may be read later.

    Attributes:
        count: number of products.
        fields: field of `WORD_FIELDS` -> number of each product's text, int32 [products].
    """

    def __init__(self, products: Sequence[Product]) -> None:
        """Read every field of `WORD_FIELDS` of products."""
        self._text_numbers: Numbering[str | bytes] = Numbering()
        self._word_numbers: Numbering[str] = Numbering()
        self._word_of = array("i")
        self._ends = array("q", [0])
        self.count = len(products)
        self.fields = {field: self.read(product.field_text(field) for product in products) for field in WORD_FIELDS}

    def read(self, texts: Iterable[str]) -> Int32:
        """Read texts, those that are not known yet.

        Returns:
            The number of each, int32 [texts]; equal texts have one number.
        """
        numbers, text_numbers, number_of = array("i"), self._text_numbers, self._word_numbers.__getitem__
        for text in texts:
            numbers.append(text_numbers[text if len(text) <= KEY_CHARS else _digest(text)])
            if len(text_numbers) == len(self._ends):  # it was not known
                self._word_of.extend(map(number_of, list_words(text)))
                self._ends.append(len(self._word_of))
        return np.array(numbers, np.int32)

    @property
    def words(self) -> list[str]:
        """The distinct words of all texts read so far, as `list_words` gives them; the position is the number."""
        return list(self._word_numbers)

    @property
    def by_text(self) -> NumberLists:
        """The words of each text that was read, in the text's order."""
        return NumberLists(bounds=np.array(self._ends, np.int64), numbers=np.array(self._word_of, np.int32))

    def list_words(self, *fields: str) -> NumberLists:
        """List the words of products' fields, field after field, repeated where they repeat: a list a product."""
        texts = np.stack([self.fields[field] for field in fields], axis=1).ravel()
        return self.by_text.take(texts).join(len(fields))


class Numbering(dict[Key, int]):
    """Numbers things in order of first appearance."""

    def __missing__(self, key: Key) -> int:
        """Give the next number."""
        number = self[key] = len(self)
        return number


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _bound(lengths: Int64) -> Int64:
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    return bounds
