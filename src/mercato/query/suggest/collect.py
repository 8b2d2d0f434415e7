"""What a catalogue suggests: its categories, brands and titles, and the phrases that its titles share."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from mercato.query.suggest.request import fold_phrase

KINDS = ("product", "brand", "category", "query")
"""Where a suggestion comes from; of several the last here is named."""

MAX_SUGGESTIONS = 200_000
MAX_PHRASE_CHARS = 60
MAX_PHRASE_WORDS = 4
MIN_SHOPPERS = 2
"""Shoppers who must have sent a query before others are shown it: one alone may have typed a name or an address."""

_QUERY_WEIGHT = 2.0  # what people type says more than what titles hold
_KEPT_SHARE = 0.8  # a phrase that mostly stands in a longer one says less than that one
_SHORT_CHARS = 2  # oz, ct, pk: what stands beside numbers
_SEGMENT = re.compile(r"\s*[,;:|()\[\]/\u3001\u3002\uff0c]\s*|\s+[-\u2013\u2014]\s+")
_WORD = re.compile(r"[^\s]+")


class Suggestible(NamedTuple):
    """What suggestions read of a product.

    Attributes:
        title: as shown.
        brand: empty where there is none.
        categories: general to specific.
    """

    title: str
    brand: str
    categories: Sequence[str]


class Entry(NamedTuple):
    """One suggestion.

    Attributes:
        text: folded.
        weight: the higher the better.
        kind: position in `KINDS`.
    """

    text: str
    weight: float
    kind: int


def collect_entries(products: Iterable[Suggestible], stopwords: Set[str] = frozenset()) -> list[Entry]:
    """List what a catalogue suggests.

    The weight is ln(1 + products that have the phrase). Of titles those phrases are taken that two products share, one
    to four words between punctuation marks, that neither begin nor end with a stop word, and that do not mostly stand
    within a longer one; and whole titles, if short.

    Args:
        products: the catalogue.
        stopwords: words that a phrase neither begins nor ends with.

    Returns:
        Distinct texts, the heaviest first, equal ones by text; at most `MAX_SUGGESTIONS`.
    """
    names: dict[str, Counter[str]] = {kind: Counter() for kind in ("brand", "category", "title")}
    phrases: Counter[tuple[str, ...]] = Counter()
    for product in products:
        if product.brand:
            names["brand"][_fold(product.brand)] += 1
        names["category"].update({_fold(name) for name in product.categories})
        title = _fold(product.title)
        names["title"][title] += 1
        phrases.update(_list_phrases(title))
    entries: dict[str, Entry] = {}
    for counts, kind in (
        (names["title"], "product"),
        (_select_phrases(phrases, stopwords), "product"),
        (names["brand"], "brand"),
        (names["category"], "category"),
    ):
        for text, count in counts.items():
            if text and len(text) <= MAX_PHRASE_CHARS:
                weight = max(math.log1p(count), entries[text].weight if text in entries else 0.0)
                entries[text] = Entry(text, weight, KINDS.index(kind))
    return sort_entries(entries.values())


def collect_queries(shoppers: Mapping[str, int]) -> list[Entry]:
    """List what past queries suggest: weight 2 * ln(1 + shoppers), those of fewer than `MIN_SHOPPERS` left out.

    Args:
        shoppers: query, folded -> how many shoppers sent it.
    """
    kind = KINDS.index("query")
    return sort_entries(
        Entry(query, _QUERY_WEIGHT * math.log1p(count), kind)
        for query, count in shoppers.items()
        if count >= MIN_SHOPPERS and 0 < len(query) <= MAX_PHRASE_CHARS
    )


def sort_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Order entries by weight, the heaviest first, equal ones by text, and keep the first `MAX_SUGGESTIONS`."""
    return sorted(entries, key=lambda entry: (-entry.weight, entry.text))[:MAX_SUGGESTIONS]


def _fold(text: str) -> str:
    return fold_phrase(text[: MAX_PHRASE_CHARS * 4])


def _list_phrases(title: str) -> set[tuple[str, ...]]:
    phrases: set[tuple[str, ...]] = set()
    for segment in _SEGMENT.split(title):
        words = _WORD.findall(segment)
        for size in range(1, MAX_PHRASE_WORDS + 1):
            phrases.update(tuple(words[start : start + size]) for start in range(len(words) - size + 1))
    return phrases


def _select_phrases(phrases: Counter[tuple[str, ...]], stopwords: Set[str]) -> Counter[str]:
    shared = {phrase: count for phrase, count in phrases.items() if count > 1 and _may_stand(phrase, stopwords)}
    within: dict[tuple[str, ...], int] = {}
    for phrase, count in shared.items():
        for part in (phrase[1:], phrase[:-1]):
            if part:
                within[part] = max(within.get(part, 0), count)
    return Counter(
        {" ".join(phrase): count for phrase, count in shared.items() if within.get(phrase, 0) < _KEPT_SHARE * count}
    )


def _may_stand(phrase: tuple[str, ...], stopwords: Set[str]) -> bool:
    """Whether a phrase begins and ends with words that say something."""
    return all(
        word not in stopwords
        and any(character.isalpha() for character in word)
        and (len(word) > _SHORT_CHARS or not word.isascii())
        for word in (phrase[0], phrase[-1])
    )
