"""A query as the word index is asked it: groups of terms that stand for one wish each, with other ways to say it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from mercato.index.words import WordIndex
from mercato.query.inner_words import InnerWords
from mercato.text.letters import plain_letters
from mercato.text.words import Chunk, WordAnalyzer, list_words

COMPOUND_WEIGHT = 1.0
"""A word written in one or in two is the same word."""
PREFIX_WEIGHT = 0.8
"""A longer model number is another model, mostly of the same kind: it comes after the one that was asked for."""
MAX_QUERY_WORDS = 32
"""A shopper types a dozen words; each more costs time and says less."""
MAX_COMPOUND_WORDS = 4
TERMS_KEPT = 16_384
"""Words in one piece of which a reader remembers whether the catalogue knows them."""
MAX_PREFIX_TERMS = 32
MIN_PREFIX_CHARS = 4
MIN_SPLIT_CHARS = 3
MAX_SPLIT_WORD_CHARS = 40
MAX_ABBREVIATION_CHARS = 4
RARE_PRODUCTS = 3
"""A word of more products is looked for as it is: "keyboard" is no board with a key."""

_VOWEL = re.compile("[^b-df-hj-np-tv-xz]")
_LETTERS_OR_DIGITS = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another way to say what a group says.

    Attributes:
        terms: all of them must be there.
        weight: what it is worth beside the words as they were typed, above 0, at most 1.
    """

    terms: tuple[str, ...]
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class WordGroup:
    """Words of a query that belong together.

    Attributes:
        chunks: the words; each counts by itself.
        alternatives: what says the same as all of them.
    """

    chunks: tuple[Chunk, ...]
    alternatives: tuple[Alternative, ...] = ()

    @property
    def size(self) -> int:
        """Number of words it stands for."""
        return len(self.chunks)

    @property
    def is_plain(self) -> bool:
        """Whether it is one word of one term, and nothing says the same."""
        return len(self.chunks) == 1 and not self.alternatives and len(self.chunks[0].terms) == 1


@dataclass(frozen=True, kw_only=True)
class WordQuery:
    """What the word index is asked.

    Attributes:
        groups: in the query's order, none twice.
    """

    groups: tuple[WordGroup, ...]

    @property
    def size(self) -> int:
        """Number of words."""
        return sum(group.size for group in self.groups)


Expansion = Callable[[Sequence[Chunk]], list[WordGroup]]
"""Groups the words of a query that have synonyms, and the others alone."""


def group_alone(chunks: Sequence[Chunk]) -> list[WordGroup]:
    """Make a group of each word: a query without synonyms."""
    return [WordGroup(chunks=(chunk,)) for chunk in chunks]


class QueryReader:
    """Reads queries for one word index."""

    def __init__(
        self, analyzer: WordAnalyzer, stopwords: frozenset[str], words: WordIndex, expand: Expansion = group_alone
    ) -> None:
        """Make a reader.

        Args:
            analyzer: the index's analyser.
            stopwords: terms that say nothing about a product.
            words: the index.
            expand: finds synonyms.
        """
        self._analyzer = analyzer
        self._stopwords = stopwords
        self._words = words
        self._expand = expand
        self._inner = InnerWords(words, analyzer.parts) if analyzer.parts is not None else None
        self._term_of = lru_cache(maxsize=TERMS_KEPT)(self._find_term)

    def read(self, text: str) -> WordQuery:
        """Read a query.

        Words that say nothing are left out, unless nothing else is left ("The Who"); a repeated word counts once.
        Words that the catalogue writes in one are also looked for in one ("lc 51 c" -> "lc51c"), one that it writes in
        several also in several ("notebookbag"), and a model number also as the beginning of longer ones.
        Of a pasted text the first `MAX_QUERY_WORDS` words are read.
        """
        spelt: dict[Chunk, str] = {}
        for word in list_words(text):
            for chunk in self._analyzer.split_word(word):
                spelt.setdefault(chunk, word)
        chunks = list(spelt)
        kept = [chunk for chunk in chunks if not self._stopwords.issuperset(chunk.terms)]
        groups: list[WordGroup] = []
        alone: list[Chunk] = []
        for group in self._expand((kept or chunks)[:MAX_QUERY_WORDS]):
            if group.size == 1 and not group.alternatives:
                alone.append(group.chunks[0])
                continue
            groups += self._join(alone, spelt)
            alone = []
            groups.append(group)
        groups += self._join(alone, spelt)
        return WordQuery(groups=tuple(self._widen(group, spelt) for group in groups))

    def is_compound(self, word: str) -> bool:
        """Return whether a word that the catalogue does not have is two that it has."""
        return any(
            chunk.parts[0] not in self._words and self._take_apart(chunk) for chunk in self._analyzer.split(word)
        )

    def count_inside(self, word: str) -> int:
        """Return in how many products a word stands, at most, that the catalogue has within other words only."""
        found = [other for chunk in self._analyzer.split(word) for other in self._find_inside(chunk, word)]
        return sum(self._words.frequency(other.terms[0]) for other in found)

    def _join(self, chunks: Sequence[Chunk], spelt: Mapping[Chunk, str]) -> list[WordGroup]:
        """Group neighbours that the catalogue writes in one word, the longest first."""
        groups = []
        position = 0
        while position < len(chunks):
            for size in range(min(MAX_COMPOUND_WORDS, len(chunks) - position), 0, -1):
                together = tuple(chunks[position : position + size])
                term = self._join_words(together, spelt) if size > 1 else ""
                if size == 1 or term:
                    other = (Alternative(terms=(term,), weight=COMPOUND_WEIGHT),) if term else ()
                    groups.append(WordGroup(chunks=together, alternatives=other))
                    position += size
                    break
        return groups

    def _join_words(self, chunks: Sequence[Chunk], spelt: Mapping[Chunk, str]) -> str:
        """Return the known term of words written in one, by their stems or as typed; empty if there is none."""
        stems = "".join(part for chunk in chunks for part in chunk.parts)
        if not any(map(str.isalpha, stems)):
            return ""
        typed = "".join(spelt.get(chunk, "".join(chunk.parts)) for chunk in chunks)
        return self._term_of(stems) or (self._term_of(typed) if typed != stems and typed.isalpha() else "")

    def _find_term(self, word: str) -> str:
        """Return a known term for a word in one piece; empty if there is none, or if it is a number: 5 2 is not 52."""
        if not any(map(str.isalpha, word)):
            return ""
        if word in self._words:
            return word
        chunks = self._analyzer.split(word)
        term = (chunks[0].joined or chunks[0].parts[0]) if len(chunks) == 1 else ""
        return term if term in self._words else ""

    def _widen(self, group: WordGroup, spelt: Mapping[Chunk, str]) -> WordGroup:
        if group.size != 1:
            return group
        chunk = group.chunks[0]
        term = chunk.joined or chunk.parts[0]
        alternatives = [*self._singular(term), *self._longer(term)]
        known_parts = chunk.joined and all(part in self._words for part in chunk.parts)
        if not known_parts and self._words.frequency(term) <= RARE_PRODUCTS:
            alternatives += self._take_apart(chunk)
            alternatives += self._find_inside(chunk, spelt.get(chunk, term))
        return replace(group, alternatives=(*group.alternatives, *alternatives)) if alternatives else group

    def _take_apart(self, chunk: Chunk) -> list[Alternative]:
        """Find the words that a rare or unknown one is made of."""
        if self._inner is not None and not chunk.joined:
            apart = self._inner.take_apart(chunk.minor)
            if apart:
                return [Alternative(terms=apart[0], weight=apart[1])]
            if self._inner.knows_parts and not _is_model_number(chunk.parts[0]):
                return []
        return self._split(chunk.joined or chunk.parts[0])

    def _find_inside(self, chunk: Chunk, word: str) -> list[Alternative]:
        """Find the words that hold one which no text has alone."""
        if self._inner is None or chunk.joined or chunk.parts[0] in self._words:
            return []
        found = self._inner.find(chunk.parts[0], plain_letters(word))
        return [Alternative(terms=(term,), weight=weight) for term, weight in found]

    def _singular(self, term: str) -> list[Alternative]:
        """Find the abbreviation whose plural this seems to be, which stemmers leave as it is: ``tvs`` -> ``tv``."""
        one = term.removesuffix("s")
        if not 2 <= len(one) < len(term) <= MAX_ABBREVIATION_CHARS or _VOWEL.search(term):
            return []
        rarer = self._words.frequency(term) < self._words.frequency(one)  # "gps" is no plural of the brand "GP"
        return [Alternative(terms=(one,))] if rarer else []

    def _longer(self, term: str) -> list[Alternative]:
        """Find model numbers that go on where this one ends, not with another digit: ``lc51`` -> ``lc51c``."""
        if len(term) < MIN_PREFIX_CHARS or not term[0].isalpha() or not _is_model_number(term):
            return []  # a size ("16gb") begins with a digit
        longer = islice(self._words.with_prefix(term), MAX_PREFIX_TERMS)
        return [
            Alternative(terms=(other,), weight=PREFIX_WEIGHT)
            for other in longer
            if other != term and not other[len(term)].isdigit()
        ]

    def _split(self, term: str) -> list[Alternative]:
        """Find the parts of a rare or unknown word: between letters and digits, else the two commonest known words."""
        if _is_model_number(term):
            parts = tuple(map(self._known, _LETTERS_OR_DIGITS.findall(term)))
            return [Alternative(terms=parts)] if len(parts) > 1 and all(parts) else []
        if len(term) > MAX_SPLIT_WORD_CHARS:
            return []
        best: tuple[str, ...] = ()
        best_frequency = 0
        for cut in range(MIN_SPLIT_CHARS, len(term) - MIN_SPLIT_CHARS + 1):
            first, second = self._known(term[:cut]), self._known(term[cut:])
            frequency = min(self._words.frequency(first), self._words.frequency(second))
            if frequency > best_frequency:
                best, best_frequency = (first, second), frequency
        return [Alternative(terms=best, weight=COMPOUND_WEIGHT)] if best else []

    def _known(self, word: str) -> str:
        return word if word in self._words else self._term_of(word)


def _is_model_number(term: str) -> bool:
    return any(char.isdigit() for char in term) and any(char.isalpha() for char in term)
