"""The head of a query, which says what is wanted, and its modifiers, which say of what sort: by grammar.

"red wine for dinner" wants wine. In English and most Germanic languages the head ends the noun phrase, in the Romance
ones it begins it, and what follows a preposition says no more than what for. This is a prior only: what the shop sells
is weighed against it in `mercato.retrieval.kinds`, as "pasta gluten free" wants pasta too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

import numpy as np

from mercato.arrays import Float32
from mercato.query.word_query import WordGroup, WordQuery
from mercato.text.words import WordAnalyzer, list_words

MODIFIER = 0.3
"""What a modifier counts beside the head."""


class HeadPlace(Enum):
    """Where the head of a noun phrase stands."""

    LAST = "last"
    FIRST = "first"
    ANYWHERE = "anywhere"


_FIRST = ("arabic", "catalan", "french", "indonesian", "irish", "italian", "portuguese", "romanian", "spanish")
_LAST = (
    "danish", "dutch", "english", "finnish", "german", "hindi", "hungarian", "nepali", "norwegian", "swedish", "tamil",
    "turkish",
)  # fmt: skip
PLACES: Mapping[str, HeadPlace] = {
    **dict.fromkeys(_FIRST, HeadPlace.FIRST),
    **dict.fromkeys(_LAST, HeadPlace.LAST),
}
"""Language as the snapshot calls it to where its heads stand; anywhere in the others."""

PREPOSITIONS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "english": "for with without in to from on at by that under over no",
        "german": "für fuer mit ohne in im zum zur zu aus auf bei unter über vom von gegen als",
        "dutch": "voor met zonder in van uit op bij onder tegen als",
        "danish": "til med uden i fra på under mod som",
        "norwegian": "til med uten i fra på under mot som",
        "swedish": "för till med utan i från på under mot som",
        "french": "pour avec sans en au aux à dans sur sous contre par",
        "spanish": "para con sin en al a sobre bajo contra por",
        "italian": "per con senza in al alla allo ai alle a su sotto contro da",
        "portuguese": "para com sem em ao à a sobre sob contra por",
        "catalan": "per amb sense en al a sobre contra",
        "romanian": "pentru cu fără fara în in la pe sub contra",
        "russian": "для с со без в на от из под против",
        "indonesian": "untuk dengan tanpa di dari",
    }.items()
}
"""Words after which a query says what for, with what, or without what; those that only join two nouns ("of", "de") are
none of them."""


class HeadFinder:
    """Finds the head of queries in one language."""

    def __init__(self, analyzer: WordAnalyzer, language: str) -> None:
        """Make a finder.

        Args:
            analyzer: as the queries are read.
            language: as the snapshot calls it.
        """
        self._analyzer = analyzer
        self._place = PLACES.get(language, HeadPlace.ANYWHERE)
        self._prepositions = PREPOSITIONS.get(language, frozenset())

    def weigh(self, text: str, query: WordQuery) -> Float32:
        """Weigh the groups of a query: 1 for what may be its head, `MODIFIER` for the others; float32 [groups].

        Args:
            text: the query as it was typed.
            query: the same, read.
        """
        phrase = self._cut(list_words(text))
        ordered = phrase if self._place is HeadPlace.FIRST else phrase[::-1]
        heads: set[str] = set()
        known = [_list_terms(group) for group in query.groups]
        for word in ordered:
            terms = set(self._analyzer.analyze(word))
            if any(terms & of_group for of_group in known):
                heads |= terms
                if self._place is not HeadPlace.ANYWHERE and not any(map(str.isdigit, word)):
                    break
        weights = [1.0 if not heads or of_group & heads else MODIFIER for of_group in known]
        return np.array(weights, np.float32)

    def _cut(self, words: Sequence[str]) -> Sequence[str]:
        """Return the words before the first preposition, all of them where the query begins with one."""
        for position, word in enumerate(words):
            if position and word in self._prepositions:
                return words[:position]
        return words


def _list_terms(group: WordGroup) -> set[str]:
    """List the terms of the words of a group."""
    return {term for chunk in group.chunks for term in chunk.terms}
