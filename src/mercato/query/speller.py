"""Correcting a query's spelling with a sense of the whole query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np

from mercato.index.spelling_evidence import LEVELS_OF_TEN, SpellingEvidence, WordLevels, join_pair
from mercato.index.vocabulary import LiveVocabulary, is_spelt
from mercato.query.correction_odds import Meant, Typed, weigh
from mercato.query.typos import NearWord, NearWords, Slip
from mercato.text.words import list_words

TWO_SLIPS_FROM_CHARS = 7
"""In shorter words two slips are only looked for where both sound alike."""
ALIKE_FROM_CHARS = 4
SHORT_CHARS = 4
RARE_PRODUCTS = 3
"""A word of at most so many products may be the catalogue's own mistake; another is offered, not searched."""
COMMONER_TIMES = 100
"""A word of some products is questioned only where a neighbour has so many times as many."""
UNLISTED_LEVEL = 20
"""Of any word where there is no list, as in older snapshots: it may be one word in a hundred millions."""
ASKED_LEVELS = 40
"""What three shoppers ask for is as usual as a word that stands in one of some million."""
OFTENER_LEVELS = 30
"""A word that is asked for thirty times as often as the typed one is what shoppers mean by that."""
MAX_UNKNOWN_WORDS = 5
"""A text of more unknown words is of another language or a paste, and would cost a search of the vocabulary each."""
APPLIED_PROBABILITY = 0.9
"""A correction is searched where it is so likely that something else was meant than was typed ..."""
APPLIED_SHORT_PROBABILITY = 0.97
"""... for a word of three letters, which is near many others ..."""
LIKELIEST_PROBABILITY = 0.4
"""... and this the likeliest of the words that may have been."""
OFFERED_PROBABILITY = 0.5
"""A correction that is so likely is offered."""
_CACHED_WORDS = 4096
_NOTHING = WordLevels(hashes=np.zeros(0, np.uint32), levels=np.zeros(0, np.uint8))
NO_EVIDENCE = SpellingEvidence(known=_NOTHING, pairs=_NOTHING, asked=_NOTHING)

Together = Callable[[str, str], tuple[float, float] | None]
"""In how many products two words are, and in how many they would be by chance; None where one of them says nothing."""


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A query with its words corrected.

    Attributes:
        text: the query as it seems to be meant.
        applied: it is nearly certain, so that it is searched; else it is offered only.
    """

    text: str
    applied: bool


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A word of a query that may be another.

    Attributes:
        typed: the word.
        candidates: what may have been meant.
        products: how many products have the typed one.
    """

    typed: Typed
    candidates: Sequence[Meant]
    products: int


class _Certainty(IntEnum):
    """How certain a correction is."""

    NONE = 0
    POSSIBLE = 1
    LIKELY = 2
    """Certain but for a few products that have the word as typed; it goes along where another word is corrected."""
    CERTAIN = 3


@dataclass(frozen=True, kw_only=True)
class _Word:
    piece: int
    text: str
    products: int

    @property
    def is_doubtful(self) -> bool:
        return self.products <= RARE_PRODUCTS


class Speller:
    """Finds the words of a query that probably are others, from what the shop, its past queries and languages hold.

    A word that more than a few products have is never doubted, and numbers, sizes, model numbers and scripts without
    cases are never touched. A word that the shop does not have is another one only where that is likelier than that it
    was meant: `mercato.query.correction_odds`.
    """

    def __init__(
        self,
        counts: Mapping[str, int],
        frequency: Callable[[str], int],
        is_compound: Callable[[str], bool],
        live: LiveVocabulary | None = None,
        evidence: SpellingEvidence = NO_EVIDENCE,
        together: Together | None = None,
    ) -> None:
        """Make a speller.

        Args:
            counts: words that may be meant -> number of products.
            frequency: number of products that a word as typed finds, other forms of it included; 0 for an unknown one,
                and not 0 for a word that says nothing, such as "the".
            is_compound: whether an unknown word is two known ones, written in one.
            live: the same words as products change; None where they do not.
            evidence: what is known of words besides the products.
            together: how often two words are in one product; None where that is not known.
        """
        self._is_compound = is_compound
        self._frequency = frequency
        self._counts = dict(counts)
        self._near = NearWords(self._counts)
        self._live = live
        self._evidence = evidence
        self._together = together
        self._read = 0
        self._find_near = lru_cache(_CACHED_WORDS)(self._search_near)

    def correct(self, text: str) -> Correction | None:
        """Correct a query.

        Args:
            text: a normalised query.

        Returns:
            What it seems to mean; None where nothing better is known, or more than `MAX_UNKNOWN_WORDS` are unknown.
        """
        if self._live is not None and self._read < len(self._live.journal):
            self._follow(self._live)
        pieces = text.split(" ")
        words = list(self._read_words(pieces))
        doubtful = [place for place, word in enumerate(words) if word.is_doubtful]
        if not doubtful or len(doubtful) > MAX_UNKNOWN_WORDS:
            return None
        chosen = [(words[place], *self._choose(self._doubt(words, place))) for place in doubtful]
        applied = any(certainty is _Certainty.CERTAIN for _, _, certainty in chosen)
        least = _Certainty.LIKELY if applied else _Certainty.POSSIBLE
        changed = [(word, better) for word, better, certainty in chosen if certainty >= least]
        for word, better in changed:
            pieces[word.piece] = pieces[word.piece].casefold().replace(word.text, better)
        return Correction(text=" ".join(pieces), applied=applied) if changed else None

    def find_doubts(self, text: str) -> list[Doubt]:
        """Return the words of a query that are doubted and have words near them, whatever comes of it."""
        words = list(self._read_words(text.split(" ")))
        doubts = (self._doubt(words, place) for place, word in enumerate(words) if word.is_doubtful)
        return [doubt for doubt in doubts if doubt.candidates]

    def _read_words(self, pieces: Sequence[str]) -> Iterator[_Word]:
        """List the words that have a spelling, and in how many products each is."""
        for position, piece in enumerate(pieces):
            written = list_words(piece)
            if len(written) != 1 or written[0] not in piece.casefold():
                continue
            for part in written[0].split("-"):
                if is_spelt(part):
                    count = self._counts.get(part, 0)
                    products = count if count > RARE_PRODUCTS else self._frequency(part)
                    yield _Word(piece=position, text=part, products=products)

    def _doubt(self, words: Sequence[_Word], place: int) -> Doubt:
        """Collect what is known of a word and of those near it."""
        word = words[place]
        near = self._find_near(word.text)
        others = [other.text for other in words if other is not word and 0 < other.products]
        beside = [(words[at].text, at < place) for at in (place - 1, place + 1) if 0 <= at < len(words)]
        beside = [(other, before) for other, before in beside if other in self._counts]
        asked = [self._evidence.asked.level(candidate.word) for candidate in near]
        candidates = [
            Meant(
                near=candidate,
                count=self._counts[candidate.word] + (10 ** (level / LEVELS_OF_TEN) if level else 0),
                level=self._evidence.known.level(candidate.word),
                together=self._count_together(candidate.word, others),
                pairs=[
                    self._evidence.pairs.level(
                        join_pair(other, candidate.word) if before else join_pair(candidate.word, other)
                    )
                    > 0
                    for other, before in beside
                ],
            )
            for candidate, level in zip(near, asked, strict=True)
        ]
        typed = Typed(
            word=word.text,
            level=self._level_of(word.text, max(asked, default=0)),
            compound=bool(near) and not word.products and self._is_compound(word.text),
        )
        return Doubt(typed=typed, candidates=candidates, products=word.products)

    def _count_together(self, word: str, others: Sequence[str]) -> list[tuple[float, float]]:
        if self._together is None:
            return []
        return [found for other in others if (found := self._together(word, other)) is not None]

    def _level_of(self, word: str, meant: int) -> int:
        """Return how usual a word is anywhere; one that shoppers ask for is usual, unless they mean another by it."""
        known, asked = self._evidence.known.level(word), self._evidence.asked.level(word)
        if not len(self._evidence.known.hashes):
            known = UNLISTED_LEVEL
        if asked and asked + OFTENER_LEVELS >= meant:
            return max(known, asked + ASKED_LEVELS)
        return known

    def _choose(self, doubt: Doubt) -> tuple[str, _Certainty]:
        """Return the word that was probably meant, empty where it is the typed one, and how certain that is."""
        if not doubt.candidates:
            return "", _Certainty.NONE
        chances = weigh(doubt.typed, doubt.candidates)
        best = min(
            range(len(chances)),
            key=lambda place: (-chances[place], -doubt.candidates[place].count, doubt.candidates[place].near.word),
        )
        word = doubt.candidates[best].near.word
        needed = APPLIED_SHORT_PROBABILITY if len(doubt.typed.word) < SHORT_CHARS else APPLIED_PROBABILITY
        if sum(chances) >= needed and chances[best] >= LIKELIEST_PROBABILITY:
            if not doubt.products:
                return word, _Certainty.CERTAIN
            commoner = doubt.candidates[best].count >= COMMONER_TIMES * doubt.products
            return (word, _Certainty.LIKELY) if commoner else ("", _Certainty.NONE)
        if doubt.products or chances[best] < OFFERED_PROBABILITY:
            return "", _Certainty.NONE
        return word, _Certainty.POSSIBLE

    def _search_near(self, typed: str) -> list[NearWord]:
        """Find the words that may have been meant by a word, whatever the rest of the query."""
        edits = 2 if len(typed) >= ALIKE_FROM_CHARS and not self._frequency(typed) else 1
        return [
            near
            for near in self._near.find(typed, edits)
            if near.slip is not Slip.TWO or near.alike or (len(typed) >= TWO_SLIPS_FROM_CHARS and not near.first)
        ]

    def _follow(self, live: LiveVocabulary) -> None:
        """Take over what changed; what was found for a word is forgotten once words come or go."""
        changed = dict.fromkeys(live.journal[self._read :])
        self._read = len(live.journal)
        for word in changed:
            count = live.count(word)
            if (count > 0) != (word in self._counts):
                self._find_near.cache_clear()
                if count:
                    self._near.add(word)
                else:
                    self._near.remove(word)
                    del self._counts[word]
            if count:
                self._counts[word] = count
