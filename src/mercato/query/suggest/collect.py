"""What a catalogue suggests: its categories, brands and titles, and the phrases that its titles share."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from enum import IntEnum
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


class Role(IntEnum):
    """What a text is to a product that has it."""

    TITLE = 0
    PHRASE = 1
    BRAND = 2
    CATEGORY = 3


Counts = tuple[int, int, int, int]
"""Products that have a text, by `Role`."""
NO_COUNTS: Counts = (0, 0, 0, 0)
_KIND_OF_ROLE = (KINDS.index("product"), KINDS.index("product"), KINDS.index("brand"), KINDS.index("category"))


class Entry(NamedTuple):
    """One suggestion.

    Attributes:
        text: folded.
        weight: the higher the better.
        kind: position in `KINDS`.
        counts: where it comes from, if from products.
    """

    text: str
    weight: float
    kind: int
    counts: Counts = NO_COUNTS


class ProductTexts(NamedTuple):
    """What a product adds to the suggestions, folded.

    Attributes:
        names: texts with their roles, phrases aside.
        phrases: of its title, as words.
    """

    names: set[tuple[str, Role]]
    phrases: set[tuple[str, ...]]


def list_texts(product: Suggestible) -> ProductTexts:
    """List what a product adds to the suggestions; texts too long to be suggested are left out."""
    title = _fold(product.title)
    names = {(title, Role.TITLE), (_fold(product.brand), Role.BRAND)}
    names.update((_fold(name), Role.CATEGORY) for name in product.categories)
    return ProductTexts({name for name in names if may_be_suggested(name[0])}, _list_phrases(title))


def may_be_suggested(text: str) -> bool:
    """Whether a folded text is short enough to be suggested, and not empty."""
    return 0 < len(text) <= MAX_PHRASE_CHARS


def weigh(counts: Sequence[int]) -> tuple[float, int]:
    """Return the weight of a text, ln(1 + products), and its kind; minus infinity where no product is left."""
    most = max(counts)
    kind = max((kind for kind, count in zip(_KIND_OF_ROLE, counts, strict=True) if count), default=0)
    return (math.log1p(most) if most else -math.inf), kind


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
    titles: Counter[str] = Counter()
    brands: Counter[str] = Counter()
    paths: Counter[tuple[str, ...]] = Counter()
    for product in products:
        titles[product.title] += 1
        brands[product.brand] += 1
        paths[tuple(product.categories)] += 1
    counts: dict[str, list[int]] = {}
    phrases: Counter[tuple[str, ...]] = Counter()
    for shown, count in titles.items():
        title = _fold(shown)
        _add(counts, title, Role.TITLE, count)
        for phrase in _list_phrases(title):
            phrases[phrase] += count
    for brand, count in brands.items():
        _add(counts, _fold(brand), Role.BRAND, count)
    for path, count in paths.items():
        for name in set(map(_fold, path)):
            _add(counts, name, Role.CATEGORY, count)
    for text, count in _select_phrases(phrases, stopwords).items():
        if len(text) <= MAX_PHRASE_CHARS:
            counts.setdefault(text, [0, 0, 0, 0])[Role.PHRASE] = count
    return sort_entries(Entry(text, *weigh(by_role), _freeze(by_role)) for text, by_role in counts.items())


def _add(counts: dict[str, list[int]], text: str, role: Role, products: int) -> None:
    if may_be_suggested(text):
        counts.setdefault(text, [0, 0, 0, 0])[role] += products


def _freeze(counts: Sequence[int]) -> Counts:
    title, phrase, brand, category = counts
    return title, phrase, brand, category


def collect_queries(shoppers: Mapping[str, int], faded: Mapping[str, float] | None = None) -> list[Entry]:
    """List what past queries suggest: weight 2 * ln(1 + shoppers), those of fewer than `MIN_SHOPPERS` left out.

    Args:
        shoppers: query, folded -> how many shoppers sent it.
        faded: the same with those of long ago counting less, which the weight goes by; None where all count alike.
    """
    kind, counts = KINDS.index("query"), shoppers if faded is None else faded
    return sort_entries(
        Entry(query, _QUERY_WEIGHT * math.log1p(counts[query]), kind)
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
    shared = {phrase: count for phrase, count in phrases.items() if count > 1 and may_stand(phrase, stopwords)}
    within: dict[tuple[str, ...], int] = {}
    for phrase, count in shared.items():
        for part in (phrase[1:], phrase[:-1]):
            if part:
                within[part] = max(within.get(part, 0), count)
    return Counter(
        {" ".join(phrase): count for phrase, count in shared.items() if stands_alone(count, within.get(phrase, 0))}
    )


def stands_alone(count: int, within: int) -> bool:
    """Whether a phrase says more than the longer one that most often holds it.

    Args:
        count: products that have the phrase.
        within: products that have the longer one.
    """
    return within < _KEPT_SHARE * count


def may_stand(phrase: tuple[str, ...], stopwords: Set[str]) -> bool:
    """Whether a phrase begins and ends with words that say something."""
    return all(
        word not in stopwords
        and any(character.isalpha() for character in word)
        and (len(word) > _SHORT_CHARS or not word.isascii())
        for word in (phrase[0], phrase[-1])
    )
