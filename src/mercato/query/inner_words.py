"""Words of a query that no text of the shop has alone, found within the words that it has."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import islice

from mercato.index.words import WordIndex
from mercato.text.compounds import AFTER_PARTICLE_WEIGHT, HEAD_WEIGHT, MODIFIER_WEIGHT, PARTICLES, PartFinder

MAX_WORDS = 32
"""Words that one word is looked for in, those of most products first."""
_MAX_SEEN = 512
_MIN_CHARS = 3
_MIN_HEAD_CHARS = 4
_MIN_BEGINNING_CHARS = 4
_CACHED_WORDS = 4096

Found = tuple[str, float]
"""A term, and what it is worth in the place of the word that was asked for."""


class InnerWords:
    """Finds the terms of an index that hold an unknown word: as their head, as their beginning, behind a particle.

    A word that stands alone somewhere needs none of it: what holds it has it as a minor term (`PartFinder`).
    """

    def __init__(self, words: WordIndex, parts: PartFinder) -> None:
        """Make a finder.

        Args:
            words: the index.
            parts: of the analyser that made it.
        """
        self._words = words
        self._parts = parts
        self.find = lru_cache(_CACHED_WORDS)(self._find)
        """`_find`, kept."""

    @property
    def knows_parts(self) -> bool:
        """Whether words of the language hold others: then no word is cut but where its parts are known."""
        return self._parts.finds_compounds

    @staticmethod
    def take_apart(minor: Sequence[Found]) -> tuple[tuple[str, ...], float] | None:
        """Say a word in others that texts have alone.

        Args:
            minor: what a text with the word holds beside.

        Returns:
            Terms that are all needed, and what they are worth; None where some part of a compound is not known.
        """
        behind = tuple(term for term, weight in minor if weight == AFTER_PARTICLE_WEIGHT)
        if behind:
            return behind[:1], AFTER_PARTICLE_WEIGHT
        parts = {term: weight for term, weight in minor if weight <= HEAD_WEIGHT}
        return (tuple(parts), 1.0) if {HEAD_WEIGHT, MODIFIER_WEIGHT} <= set(parts.values()) else None

    def _find(self, term: str, word: str) -> tuple[Found, ...]:
        """Find the terms that hold a word.

        Args:
            term: of the word; not in the index.
            word: as it was typed, in plain letters.

        Returns:
            Each with its weight; those of most products where there are more than `MAX_WORDS`.
        """
        if self._parts.is_particled(word):
            return tuple(
                (particle + word, AFTER_PARTICLE_WEIGHT)
                for particle in PARTICLES
                if particle[0] != word[0] and particle + word in self._words
            )
        if not self._parts.finds_compounds or len(term) < _MIN_CHARS or not term.isalpha():
            return ()
        heads = {
            other
            for end in dict.fromkeys((term, word, self._parts.stem_at_end(word)))
            for other in self._ending_with(end)
            if self._parts.may_end_with(other, end, sure=len(word) >= _MIN_HEAD_CHARS)
        }
        found = [(other, HEAD_WEIGHT) for other in self._commonest(heads)]
        beginning = {
            other
            for start in self._parts.list_beginnings(word)
            if len(start) >= _MIN_BEGINNING_CHARS
            for other in islice(self._words.with_prefix(start), _MAX_SEEN)
            if other not in heads and self._parts.may_begin_with(other, start)
        }
        found += [(other, MODIFIER_WEIGHT) for other in self._commonest(beginning)]
        return tuple(found)

    def _commonest(self, terms: Iterable[str]) -> Sequence[str]:
        return sorted(terms, key=lambda term: (-self._words.frequency(term), term))[:MAX_WORDS]

    def _ending_with(self, end: str) -> Iterator[str]:
        backwards = end[::-1]
        position = bisect_left(self._backwards, backwards)
        for found in islice(self._backwards, position, position + _MAX_SEEN):
            if not found.startswith(backwards):
                break
            yield found[::-1]

    @cached_property
    def _backwards(self) -> list[str]:
        """Every term backwards, ascending: words with one end lie together."""
        return sorted(term[::-1] for term in self._words.terms if term.isalpha())
