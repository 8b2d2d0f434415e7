"""Queries for the benchmark of spelling: a shop's own with one typo each, and such with a word that it lacks."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase

import numpy as np
import orjson

from mercato.catalog.product import Product, parse_product
from mercato.index.live import LiveCatalog
from mercato.index.vocabulary import is_spelt
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.text.words import list_words

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
KINDS = {"delete": 0.25, "substitute": 0.25, "transpose": 0.2, "insert": 0.2, "double": 0.1}
"""Kinds of typos and how often each is made."""
NEAR_KEY = 0.75
"""Share of substituted and inserted letters that lie beside the right one on a keyboard; the others are any."""
FIRST_LETTER = 0.5
MAX_WORDS = 4
FOREIGN_ALONE = 0.25
PARTS = ("tuning", "report")


@dataclass(frozen=True, kw_only=True)
class Misspelt:
    """A query with one typo.

    Attributes:
        right: the query as it is meant.
        typed: as it is typed.
        kind: of the typo.
    """

    right: str
    typed: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A query with a word that the shop does not have.

    Attributes:
        text: the query.
        word: the word.
        source: where it comes from.
    """

    text: str
    word: str
    source: str


def part_of(word: str) -> str:
    """Return which part of the words one belongs to: those that thresholds were chosen by, or those of the report."""
    return PARTS[zlib.crc32(word.encode()) % len(PARTS)]


def list_neighbours(letter: str) -> str:
    """Return the letters beside one on an English keyboard, ascending; empty for what is no letter of it."""
    places = {key: (row, column + row / 2) for row, keys in enumerate(ROWS) for column, key in enumerate(keys)}
    if letter not in places:
        return ""
    row, column = places[letter]
    near = (key for key, (y, x) in places.items() if abs(y - row) <= 1 and abs(x - column) <= 1 and key != letter)
    return "".join(sorted(near))


def misspell(word: str, rng: np.random.Generator) -> tuple[str, str]:
    """Make one typo; the first letter is half as likely as any other.

    Args:
        word: at least three letters.
        rng: decides kind and place.

    Returns:
        The word with it, which differs, and the kind.
    """
    weights = np.ones(len(word))
    weights[0] = FIRST_LETTER
    while True:
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        at = int(rng.choice(len(word), p=weights / weights.sum()))
        letters = list_neighbours(word[at]) if rng.random() < NEAR_KEY else ascii_lowercase
        if kind == "delete":
            typed = word[:at] + word[at + 1 :]
        elif kind == "double":
            typed = word[: at + 1] + word[at:]
        elif kind == "transpose":
            typed = word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
        elif not letters:
            continue
        else:
            kept = word[at] if kind == "insert" else ""
            typed = word[:at] + kept + str(rng.choice(list(letters))) + word[at + 1 :]
        if typed != word:
            return typed, kind


class ShopQueries:
    """Queries that a shop's own texts make."""

    def __init__(self, catalog: LiveCatalog, queries: QueryAnalyzer) -> None:
        """Take a shop.

        Args:
            catalog: its products.
            queries: how its queries are read.
        """
        self._catalog = catalog
        self._queries = queries

    @cached_property
    def words(self) -> list[str]:
        """The words of the titles that have a spelling, ascending."""
        titles = (self._read(row).title for row in range(self._catalog.base))
        return sorted({word for title in titles for word in list_words(title) if is_spelt(word)})

    def has(self, word: str) -> bool:
        """Return whether a word stands in some product, in whatever form."""
        return any(map(self._catalog.term_frequency, self._catalog.analyzer.analyze(word)))

    def make(self, rng: np.random.Generator) -> str:
        """Make a right query of one to four words: of a title, a category, a brand, an attribute."""
        while True:
            product = self._read(int(rng.integers(self._catalog.base)))
            title = list_words(product.title)
            values = [value for value in product.attributes.values() if isinstance(value, str) and is_spelt(value)]
            choice = rng.random()
            if choice < 0.2 and product.categories:
                words = list_words(str(rng.choice(product.categories)).split(">")[-1])[:MAX_WORDS]
            elif choice < 0.3 and product.brand:
                words = list_words(product.brand)[:1] + _cut(title, rng, MAX_WORDS - 1)
            elif choice < 0.4 and values:
                words = list_words(str(rng.choice(values))) + _cut(title, rng, MAX_WORDS - 1)
            else:
                words = _cut(title, rng, MAX_WORDS)
            words = list(dict.fromkeys(words))
            if any(len(word) > 3 and is_spelt(word) for word in words):
                return " ".join(words)

    def misspell(self, right: str, rng: np.random.Generator, part: str) -> Misspelt | None:
        """Make a typo somewhere in the letters of a query.

        Args:
            right: the query.
            rng: decides where.
            part: only in words of this part of all.

        Returns:
            The query with it; None where no known word of three letters and more is of the part and says something.
        """
        words = right.split(" ")
        places = [
            index
            for index, word in enumerate(words)
            for _ in word
            if is_spelt(word)
            and part_of(word) == part
            and self.has(word)
            and not self._queries.stopwords.issuperset(self._catalog.analyzer.analyze(word))
        ]
        if not places:
            return None
        place = int(rng.choice(places))
        typed, kind = misspell(words[place], rng)
        return Misspelt(right=right, typed=" ".join([*words[:place], typed, *words[place + 1 :]]), kind=kind)

    def list_missing(self, words: Sequence[str], part: str) -> list[str]:
        """Keep the words of a part that the shop does not have, each once."""
        return [word for word in dict.fromkeys(words) if part_of(word) == part and not self.has(word)]

    def join_words(self, rng: np.random.Generator, part: str) -> tuple[str, str]:
        """Make a query with two words of a title written in one that the shop does not have; gives it and that word."""
        while True:
            words = self.make(rng).split(" ")
            for place in range(len(words) - 1):
                joined = words[place] + words[place + 1]
                spelt = is_spelt(words[place]) and is_spelt(words[place + 1])
                if spelt and part_of(joined) == part and not self.has(joined):
                    return " ".join([*words[:place], joined, *words[place + 2 :]]), joined

    def add_foreign(self, word: str, source: str, rng: np.random.Generator) -> Foreign:
        """Make a query of a word that the shop does not have: alone in a quarter, else among words of the shop."""
        if rng.random() < FOREIGN_ALONE:
            return Foreign(text=word, word=word, source=source)
        words = self.make(rng).split(" ")[: MAX_WORDS - 1]
        words.insert(int(rng.integers(len(words) + 1)), word)
        return Foreign(text=" ".join(words), word=word, source=source)

    def _read(self, row: int) -> Product:
        return parse_product(orjson.loads(self._catalog.document(row)))


def _cut(words: Sequence[str], rng: np.random.Generator, most: int) -> list[str]:
    size = int(rng.integers(1, most + 1))
    start = int(rng.integers(max(len(words) - size, 0) + 1))
    return list(words[start : start + size])
