"""Words of a query that say nothing about a product, by language; the lists are those of the bm25s library.

Apart from the analyser of words, because queries alone are read without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from mercato.text.letters import plain_letters

if TYPE_CHECKING:
    from mercato.text.words import WordAnalyzer


@cache
def _read_lists() -> dict[str, tuple[str, ...]]:
    """Read the lists once they are needed: the library brings scipy along."""
    from bm25s import stopwords

    return {
        "english": (*stopwords.STOPWORDS_EN, "something", "some", "any"),
        "german": tuple(stopwords.STOPWORDS_GERMAN),
        "french": tuple(stopwords.STOPWORDS_FRENCH),
        "spanish": tuple(stopwords.STOPWORDS_SPANISH),
        "italian": tuple(stopwords.STOPWORDS_ITALIAN),
        "dutch": tuple(stopwords.STOPWORDS_DUTCH),
        "portuguese": tuple(stopwords.STOPWORDS_PORTUGUESE),
        "danish": tuple(stopwords.STOPWORDS_DANISH),
        "norwegian": tuple(stopwords.STOPWORDS_NORWEGIAN),
        "swedish": tuple(stopwords.STOPWORDS_SWEDISH),
        "russian": tuple(stopwords.STOPWORDS_RUSSIAN),
        "turkish": tuple(stopwords.STOPWORDS_TURKISH),
    }


# Particles of Chinese and Japanese, which are words in no other language.
_EVERYWHERE = tuple(
    "的 了 和 与 與 及 或 之 吗 嗎 呢 吧 の を に は が と で も へ や な お ご い た から まで より".split()
)


def list_meaningless(language: str) -> frozenset[str]:
    """Return a language's stop words in plain letters; empty for a language without a list."""
    return frozenset(map(plain_letters, _read_lists().get(language, ())))


def list_stopwords(analyzer: WordAnalyzer, language: str) -> frozenset[str]:
    """Return a language's stop words as terms of the analyser; and the particles that are none elsewhere."""
    words = (*_read_lists().get(language, ()), *_EVERYWHERE)
    return frozenset(term for word in words for term in analyzer.analyze(word))


def drop_stopwords(terms: Sequence[str], unwanted: frozenset[str]) -> list[str]:
    """Return the terms without stop words; all of them where nothing else is left ("The Who")."""
    kept = [term for term in terms if term not in unwanted]
    return kept or list(terms)
