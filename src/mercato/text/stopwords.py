"""Words of a query that say nothing about a product, by language; the lists are those of the bm25s library.

Apart from the analyser of words, because queries alone are read without them.
"""

from __future__ import annotations

from collections.abc import Sequence

from bm25s import stopwords

from mercato.text.words import WordAnalyzer

_LISTS: dict[str, tuple[str, ...]] = {
    "english": (*stopwords.STOPWORDS_EN, "something", "some", "any"),
    "german": tuple(stopwords.STOPWORDS_GERMAN),
    "french": tuple(stopwords.STOPWORDS_FRENCH),
    "spanish": tuple(stopwords.STOPWORDS_SPANISH),
    "italian": tuple(stopwords.STOPWORDS_ITALIAN),
    "dutch": tuple(stopwords.STOPWORDS_DUTCH),
    "portuguese": tuple(stopwords.STOPWORDS_PORTUGUESE),
}


def list_stopwords(analyzer: WordAnalyzer, language: str) -> frozenset[str]:
    """Return a language's stop words as terms of the analyser; empty for a language without a list."""
    return frozenset(term for word in _LISTS.get(language, ()) for term in analyzer.analyze(word))


def drop_stopwords(terms: Sequence[str], unwanted: frozenset[str]) -> list[str]:
    """Return the terms without stop words; all of them where nothing else is left ("The Who")."""
    kept = [term for term in terms if term not in unwanted]
    return kept or list(terms)
