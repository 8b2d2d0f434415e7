"""Collecting what spelling goes by: lists of the words of languages, neighbours in titles, and past queries."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np

from mercato.index.catalog_words import CatalogWords, NumberLists
from mercato.index.vocabulary import is_spelt
from mercato.index.word_statistics import LEVELS_OF_TEN, WordLevels, WordStatistics, hash_word, join_pair, list_pairs
from mercato.state.values import SearchQuery
from mercato.text.words import list_words

LIST_CODES = {
    "arabic": "ar", "catalan": "ca", "danish": "da", "dutch": "nl", "english": "en", "finnish": "fi", "french": "fr",
    "german": "de", "greek": "el", "hindi": "hi", "hungarian": "hu", "indonesian": "id", "italian": "it",
    "lithuanian": "lt", "norwegian": "nb", "porter": "en", "portuguese": "pt", "romanian": "ro", "russian": "ru",
    "spanish": "es", "swedish": "sv", "tamil": "ta", "turkish": "tr",
}  # fmt: skip
"""Languages of an index to those of the lists, where there is one."""
ANYWHERE = "en"
"""Brands, names and goods are known in its list whatever a shop's language is."""
NEIGHBOURS = ("de", "fr", "es", "it", "nl", "pt", "pl", "sv")
"""Everyday words of these are known too, but less usual."""
FOREIGN_SHARE = 0.05
"""How usual a word of another language is beside one of the shop's own."""
LARGEST_CENTIBELS = 900
"""The lists begin at one in a billion."""
MAX_PAIRS = 1_000_000
ACTOR_QUERIES = 3
"""One shopper's queries with a word count so many times, so that nobody makes a word usual alone."""
MIN_ACTORS = 3
"""A word that fewer shoppers asked for is no word that is asked for."""


def collect_statistics(catalog: CatalogWords, language: str, queries: Sequence[SearchQuery]) -> WordStatistics:
    """Collect all of it.

    Args:
        catalog: words of the products.
        language: of its texts, as the Snowball stemmer calls it.
        queries: past ones; may be empty.
    """
    asked, pairs = _count_queries(queries)
    pairs.update(_count_pairs(catalog))
    return WordStatistics(
        known=list_known(language),
        pairs=WordLevels.collect(dict(pairs.most_common(MAX_PAIRS))),
        asked=WordLevels.collect(asked),
    )


@cache
def list_known(language: str) -> WordLevels:
    """Read the lists of a language and of others; kept, for who builds many snapshots.

    The lists are those of wordfreq (Speer 2022, doi.org/10.5281/zenodo.7199437): web pages, books, subtitles, news,
    Wikipedia and social media. Each word also counts by its plain spelling, without accents.

    Args:
        language: as the Snowball stemmer calls it; one without a list is known by what is known anywhere.
    """
    own = LIST_CODES.get(language, ANYWHERE)
    others = [code for code in NEIGHBOURS if code != own]
    lists = [(own, "best", 1.0), *((code, "small", FOREIGN_SHARE) for code in others)]
    if own != ANYWHERE:
        lists.append((ANYWHERE, "large", FOREIGN_SHARE))
    levels = []
    for code, size, share in lists:
        levels.append(_read_list(code, size, share))
    return WordLevels.merge((found.hashes, found.levels) for found in levels)


def _read_list(code: str, size: str, share: float) -> WordLevels:
    import wordfreq  # read by `mercato index` alone

    hashes: list[int] = []
    levels: list[int] = []
    lost = round(LEVELS_OF_TEN * np.log10(share))
    for centibels, words in enumerate(wordfreq.get_frequency_list(code, size)):
        level = round((LARGEST_CENTIBELS - centibels) * LEVELS_OF_TEN / 100) + lost
        if level < 1:
            break
        spelt = [folded for word in words if is_spelt(folded := word.casefold())]
        spelt += [plain for word in spelt if not word.isascii() and (plain := _drop_accents(word)) != word]
        hashes += map(hash_word, spelt)
        levels += [level] * len(spelt)
    return WordLevels.merge([(np.array(hashes, np.uint32), np.array(levels, np.uint8))])


def _count_queries(queries: Sequence[SearchQuery]) -> tuple[Counter[str], Counter[str]]:
    """Count the words of past queries and their neighbours, each shopper at most `ACTOR_QUERIES` times."""
    by_shopper: dict[tuple[str, str], int] = {}
    counts: Counter[str] = Counter()
    shoppers: Counter[str] = Counter()
    for query in queries:
        words = [word for word in list_words(query.text) if is_spelt(word)]
        for unit in {*words, *list_pairs(words)}:
            times = by_shopper.get((unit, query.shopper), 0)
            if times < ACTOR_QUERIES:
                by_shopper[unit, query.shopper] = times + 1
                counts[unit] += 1
                shoppers[unit] += times == 0
    usual = {unit: count for unit, count in counts.items() if shoppers[unit] >= MIN_ACTORS}
    words_alone = Counter({unit: count for unit, count in usual.items() if " " not in unit})
    return words_alone, Counter({unit: count for unit, count in usual.items() if " " in unit})


def _count_pairs(catalog: CatalogWords) -> dict[str, int]:
    """Count in how many titles each pair of neighbours stands, of words that have a spelling."""
    words = catalog.words
    spelt = np.fromiter(map(is_spelt, words), np.bool_, len(words))
    titles = catalog.list_words("title")
    titles = titles.select(spelt[titles.numbers])
    # Each word but the last of a title begins a pair.
    begins = np.diff(titles.owners, append=-1) == 0
    after = np.append(titles.numbers[1:], 0)
    pairs, numbers = np.unique(titles.numbers.astype(np.int64) * len(words) + after, return_inverse=True)
    found = NumberLists(bounds=titles.bounds, numbers=numbers.astype(np.int32)).select(begins).distinct()
    firsts, seconds = (part.tolist() for part in np.divmod(pairs, max(len(words), 1)))
    counted = zip(firsts, seconds, found.count(len(pairs)).tolist(), strict=True)
    return {join_pair(words[first], words[second]): count for first, second, count in counted if count}


def _drop_accents(word: str) -> str:
    decomposed = unicodedata.normalize("NFD", word)
    return unicodedata.normalize("NFC", "".join(char for char in decomposed if not unicodedata.combining(char)))
