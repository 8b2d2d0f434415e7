"""Synthetic queries, which a catalogue's own products answer: what shoppers may type, where nobody has typed yet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

PHRASE_WORDS = 3
"""Most words of a phrase out of a title."""
LEAST_PRODUCTS = 3
"""A phrase that fewer products share is taken for chance."""
LARGEST_SHARE = 0.1
"""A phrase that more of the products share says nothing."""

_WORD = re.compile(r"[^\W_]+(?:[-./'][^\W_]+)*")


@lru_cache(maxsize=100_000)
def make_queries(categories: tuple[str, ...]) -> tuple[str, ...]:
    """Make the queries that a product's categories stand for.

    Purchase logs without searches are the usual case. Research on personalised product search (Ai et al. 2017,
    "Learning a Hierarchical Embedding Model for Personalized Product Search", after Van Gysel et al. 2016) takes the
    text of a product's categories as the query that led to its purchase.

    Args:
        categories: general to specific, as in the product document.

    Returns:
        The most specific category, and with it the one above, repeated words left out; lower case. Fewer where the two
        are the same, none without a category.
    """
    texts = []
    for depth in (1, 2):
        words = " ".join(categories[-depth:]).lower().split()
        text = " ".join(dict.fromkeys(words))
        if text and text not in texts:
            texts.append(text)
    return tuple(texts)


def split_title(title: str) -> list[str]:
    """Return the words of a title in lower case."""
    return _WORD.findall(title.lower())


def count_phrases(titles: Sequence[str]) -> Counter[str]:
    """Count for each phrase of one to `PHRASE_WORDS` words without digits the titles that have it."""
    counts: Counter[str] = Counter()
    for title in titles:
        counts.update(set(list_phrases(title)))
    return counts


def list_phrases(title: str) -> list[str]:
    """List the phrases of a title: runs of words without digits."""
    words = split_title(title)
    phrases = []
    for length in range(1, PHRASE_WORDS + 1):
        for start in range(len(words) - length + 1):
            run = words[start : start + length]
            if all(len(word) > 1 and not any(char.isdigit() for char in word) for word in run):
                phrases.append(" ".join(run))
    return phrases


class QueryMaker:
    """Makes queries for products: by what they are, by brand, by category, by attribute, by model number."""

    def __init__(self, titles: Sequence[str]) -> None:
        """Count what titles have in common.

        Args:
            titles: of all products.
        """
        self._counts = count_phrases(titles)
        self._most = max(LEAST_PRODUCTS, int(LARGEST_SHARE * len(titles)))

    def make_queries(self, document: Mapping[str, Any], rng: np.random.Generator) -> list[str]:
        """Make up to one query of each kind, in random order.

        Args:
            document: of the product.
            rng: for the draws.
        """
        title = str(document.get("title", ""))
        phrases = [phrase for phrase in dict.fromkeys(list_phrases(title)) if self._is_specific(phrase)]
        made: list[str] = []
        if phrases:
            # Common phrases say what a product is ("toner cartridge"), rare ones which.
            weights = np.sqrt([self._counts[phrase] for phrase in phrases])
            kind = phrases[int(rng.choice(len(phrases), p=weights / weights.sum()))]
            made.append(kind)
            brand = str(document.get("brand", "")).lower()
            if brand and brand not in kind:
                made.append(f"{brand} {kind}")
            attribute = _draw_attribute(document.get("attributes") or {}, rng)
            if attribute:
                made.append(f"{attribute} {kind}")
        made += make_queries(tuple(map(str, document.get("categories") or ())))
        words = split_title(title)
        if len(words) > 2:
            start = int(rng.integers(len(words) - 1))
            made.append(" ".join(words[start : start + int(rng.integers(2, 5))]))
        numbers = [word for word in words if len(word) > 3 and any(char.isdigit() for char in word)]
        if numbers and rng.random() < 0.25:
            made.append(str(rng.choice(numbers)))
        distinct = list(dict.fromkeys(query for query in made if query))
        return [distinct[index] for index in rng.permutation(len(distinct))]

    def _is_specific(self, phrase: str) -> bool:
        return LEAST_PRODUCTS <= self._counts[phrase] <= self._most


def _draw_attribute(attributes: Mapping[str, Any], rng: np.random.Generator) -> str:
    """Draw a short text of an attribute; empty where there is none."""
    texts = [value.lower() for value in attributes.values() if isinstance(value, str) and 2 < len(value) <= 24]
    return texts[int(rng.integers(len(texts)))] if texts else ""
