"""Correcting a query's spelling from the catalogue's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA

from mercato.index.vocabulary import LiveVocabulary, is_spelt
from mercato.text.words import list_words

MIN_CORRECTED_CHARS = 4
"""Shorter words have too many neighbours."""
TWO_EDITS_FROM_CHARS = 7
"""Shorter words are corrected by one edit only."""
RARE_PRODUCTS = 3
"""A word of at most so many products may be the catalogue's own mistake ..."""
COMMONER_TIMES = 100
"""... where a neighbour has so many times as many products; the query is answered as it is, and the other offered."""
MAX_UNKNOWN_WORDS = 5
"""A text of more unknown words is of another language or a paste, and would cost a search of the vocabulary each."""
_CACHED_WORDS = 4096


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A query with its words corrected.

    Attributes:
        text: the query as it seems to be meant.
        applied: the query holds a word that no product has, so the corrected one is searched; else it is offered only.
    """

    text: str
    applied: bool


class Speller:
    """Corrects words that the catalogue does not know to ones that it does, and offers commoner ones for rare words.

    Distances are optimal string alignments: insertions, deletions, substitutions and swaps of neighbours count one
    each. Of the nearest words the one with the query's first letter and, then, of most products is taken. Numbers,
    sizes, model numbers and scripts without cases are never touched.
    """

    def __init__(
        self,
        counts: Mapping[str, int],
        frequency: Callable[[str], int],
        is_compound: Callable[[str], bool],
        live: LiveVocabulary | None = None,
    ) -> None:
        """Make a speller.

        Args:
            counts: words that may be meant -> number of products, the most frequent first.
            frequency: number of products that a word as typed finds, other forms of it included; 0 for an unknown one,
                and not 0 for a word that says nothing, such as "the".
            is_compound: whether an unknown word is two known ones, written in one; only a nearer word is better.
            live: the same words as products change; None where they do not.
        """
        self._is_compound = is_compound
        self._frequency = frequency
        self._counts = dict(counts)
        self._words_of_length: dict[int, dict[str, None]] = {}
        for word in self._counts:
            self._words_of_length.setdefault(len(word), {})[word] = None
        self._live = live
        self._read = 0
        self._find_nearest = lru_cache(_CACHED_WORDS)(self._search_nearest)

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
        applied = changed = False
        unknown = 0
        for position, piece in enumerate(pieces):
            words = list_words(piece)
            if len(words) != 1 or words[0] not in piece.casefold() or not is_spelt(words[0]):
                continue
            unknown += len(words[0]) >= MIN_CORRECTED_CHARS and self._frequency(words[0]) <= RARE_PRODUCTS
            if unknown > MAX_UNKNOWN_WORDS:
                return None
            better, certain = self._correct_word(words[0])
            if better:
                pieces[position] = piece.casefold().replace(words[0], better)
                changed, applied = True, applied or certain
        return Correction(text=" ".join(pieces), applied=applied) if changed else None

    def _follow(self, live: LiveVocabulary) -> None:
        """Take over what changed; what was found for a word is forgotten once words come or go."""
        changed = dict.fromkeys(live.journal[self._read :])
        self._read = len(live.journal)
        for word in changed:
            count = live.count(word)
            if (count > 0) != (word in self._counts):
                self._find_nearest.cache_clear()
                words = self._words_of_length.setdefault(len(word), {})
                if count:
                    words[word] = None
                else:
                    del words[word], self._counts[word]
            if count:
                self._counts[word] = count

    def _correct_word(self, word: str) -> tuple[str, bool]:
        """Return the better word, empty where there is none, and whether the typed one is unknown."""
        if len(word) < MIN_CORRECTED_CHARS:
            return "", False
        found = self._frequency(word)
        if found > RARE_PRODUCTS:
            return "", False
        far = found == 0 and len(word) >= TWO_EDITS_FROM_CHARS and not self._is_compound(word)
        nearest = self._find_nearest(word, 2 if far else 1)
        if found and (nearest[:1] != word[0] or self._counts[nearest] < found * COMMONER_TIMES):
            return "", False
        return nearest, found == 0

    def _search_nearest(self, word: str, edits: int) -> str:
        """Return the word of the catalogue nearest to one, at most so many edits away; empty if there is none."""
        near = [
            other
            for length in range(len(word) - edits, len(word) + edits + 1)
            for other in self._words_of_length.get(length, ())
        ]
        if not near:
            return ""
        distances = process.cdist([word], near, scorer=OSA.distance, score_cutoff=edits, dtype=np.uint8)[0]
        within = np.flatnonzero((distances > 0) & (distances <= edits))
        candidates = [(int(distances[position]), near[position]) for position in within.tolist()]
        # Two edits from another first letter are mostly another word.
        candidates = [(edit, other) for edit, other in candidates if edit == 1 or other[0] == word[0]]
        best = min(
            candidates, key=lambda item: (item[0], item[1][0] != word[0], -self._counts[item[1]], item[1]), default=None
        )
        return best[1] if best else ""
