"""What makes two queries one: the terms of their words, whatever their order, case and endings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from mercato.text.words import WordAnalyzer

NO_KEY = 0
"""Key of a text without any word."""

_KEY_BYTES = 8
_BETWEEN = "\x1f"  # no term holds a control character


def list_query_terms(text: str, analyzer: WordAnalyzer) -> tuple[str, ...]:
    """Return the terms of a query, each once, sorted: "red mugs" and "Mug, red" have the same.

    A word with parts gives the term of its spelling in one word, where it has one: "wi-fi" and "wifi" are one. Words
    that say nothing are kept: "without sugar" is not "with sugar".

    Args:
        text: the query as it was typed.
        analyzer: of the catalogue.
    """
    terms: set[str] = set()
    for chunk in analyzer.split(text):
        terms.update((chunk.joined,) if chunk.joined else chunk.parts)
    return tuple(sorted(terms))


def hash_query(text: str, analyzer: WordAnalyzer) -> int:
    """Return the key of a query: 64 bits of BLAKE2b over its terms, or `NO_KEY` where it has none.

    Of a million distinct queries two share a key with a chance of 3 in 100 million (n ** 2 / 2 ** 65).
    """
    return hash_terms(list_query_terms(text, analyzer))


def hash_terms(terms: Sequence[str]) -> int:
    """Return the key of a query of some terms, each once, sorted."""
    if not terms:
        return NO_KEY
    joined = _BETWEEN.join(terms).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(joined, digest_size=_KEY_BYTES).digest(), "little")
