"""The floor of a catalogue, learned from its own texts and from what shoppers of other trades type; nobody rates.

What a shop does not have is near to something all the same: to 20,000 products nearer than to twenty, and in the
vectors of one encoder nearer than in those of another. So it is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from mercato.arrays import Float32, Float64, Int32
from mercato.index.dense import DenseIndex
from mercato.index.match_floor import MatchFloor
from mercato.text.words import list_words

FOREIGN_SHARE = 0.95
"""Of what the shop does not have, this share lies below the floor."""
REACHING_SHARE = 0.97
"""Of titles cut after two or three words, this share finds something above the floor."""
FINDING_SHARE = 0.97
"""Of all queries made of titles, this share finds the very product, by its words and meaning together."""
LEAST_CREDIT = 0.5
"""Words make up for this share of the way from chance to the floor at least."""
FAR_TRADES = 1 / 6
"""The share of all trades that is farthest from the shop; of the others it may sell something, a shop of many
departments of most."""
CUT_FORMS = 2
"""The first forms of a query are cut titles."""
SAMPLE = 200
"""Products whose words make queries."""
COMPARED = 2_000
"""Texts that the mean of all is taken of."""
_BATCH = 64
"""Queries that are encoded and compared at a time."""

Encode = Callable[[Sequence[str]], Float32]
Nearest = Mapping[tuple[str, str], Float64]
"""By trade and language, the cosine of each query with the product nearest to it."""


@dataclass(frozen=True, kw_only=True)
class SampledQuery:
    """A query made of the words of one product.

    Attributes:
        text: the query.
        row: of the product.
        is_cut: it is the beginning of the title, which names what the product is.
    """

    text: str
    row: int
    is_cut: bool = True


@cache
def read_trades() -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Read the queries that are shipped: (trade, language) to queries."""
    lines = (files("mercato.indexing") / "trades.txt").read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if line and not line.startswith("#"):
            name, _, queries = line.partition(": ")
            trade, language = name.split(" ")
            found[trade, language] = tuple(query.strip() for query in queries.split(", "))
    return found


def sample_queries(titles: Sequence[str], rng: np.random.Generator) -> list[SampledQuery]:
    """Make queries of two or three words out of titles: the first, neighbours, and words from anywhere.

    Args:
        titles: by row.
        rng: chooses products and words.

    Returns:
        Queries of up to `SAMPLE` products, each text once; none of titles without a word.
    """
    made: dict[str, SampledQuery] = {}
    for row in rng.permutation(len(titles))[:SAMPLE].tolist():
        words = list_words(titles[row])
        start = int(rng.integers(0, max(len(words) - 1, 1)))
        anywhere = [words[index] for index in sorted(rng.permutation(len(words))[:2].tolist())]
        for number, chosen in enumerate((words[:2], words[:3], words[start : start + 2], anywhere)):
            text = " ".join(chosen)
            if text:
                made.setdefault(text, SampledQuery(text=text, row=row, is_cut=number < CUT_FORMS))
    return list(made.values())


def calibrate_floor(
    index: DenseIndex,
    text_of_row: Int32,
    sampled: Sequence[SampledQuery],
    shares: Callable[[SampledQuery], float],
    encode: Encode,
    *,
    multilingual: bool = False,
) -> MatchFloor:
    """Learn the floor of a catalogue.

    ``meaning`` is what `FOREIGN_SHARE` of the queries of trades far from the shop do not reach, and `REACHING_SHARE` of
    titles that are cut short do; where both cannot be, the latter goes before. ``words`` is as large as it must be for
    `FINDING_SHARE` of queries made of titles' words to find the product that they are made of.

    Args:
        index: the distinct texts.
        text_of_row: int32 [products], the text of each.
        sampled: queries made of products' words.
        shares: how well the product of a query holds its words beside the best, 0 to 1.
        encode: queries to vectors, float32 [n, D].
        multilingual: the encoder reads queries of all languages: each of those of the trades has a level of its own.
    """
    trades = read_trades()
    vectors, tops = _search(index, [query for queries in trades.values() for query in queries], encode)
    bounds = np.cumsum([len(queries) for queries in trades.values()])[:-1]
    nearest = dict(zip(trades, np.split(tops, bounds), strict=True))
    meaning = find_foreign_level(nearest)
    languages = find_foreign_levels(nearest) if multilingual else {}
    chance = float((vectors @ index.take(np.arange(0, index.count, max(1, index.count // COMPARED))).T).mean())
    if not sampled:
        return _round(meaning, max(meaning - chance, 0.0), chance, languages)
    vectors, tops = _search(index, [one.text for one in sampled], encode)
    meaning = min(meaning, float(np.quantile(tops[[one.is_cut for one in sampled]], 1 - REACHING_SHARE)))
    own = np.einsum("ij,ij->i", vectors, index.take(text_of_row[[one.row for one in sampled]])).astype(np.float64)
    held = np.array([shares(one) for one in sampled])
    return _round(meaning, find_credit(meaning, own, held, chance), chance, languages)


def find_foreign_level(nearest: Nearest) -> float:
    """Find the cosine that queries of trades far from a shop do not reach, in the language that comes nearest."""
    return max(find_foreign_levels(nearest).values())


def find_foreign_levels(nearest: Nearest) -> dict[str, float]:
    """Find the cosine that queries of trades far from a shop do not reach, by language."""
    means = {
        trade: np.concatenate([tops for (name, _), tops in nearest.items() if name == trade]).mean()
        for trade, _ in nearest
    }
    far = set(sorted(means, key=lambda trade: means[trade])[: max(1, round(FAR_TRADES * len(means)))])
    by_language: dict[str, list[Float64]] = {}
    for (trade, language), tops in nearest.items():
        if trade in far:
            by_language.setdefault(language, []).append(tops)
    return {language: float(np.quantile(np.concatenate(tops), FOREIGN_SHARE)) for language, tops in by_language.items()}


def find_credit(meaning: float, own: Float64, held: Float64, chance: float) -> float:
    """Find what words must make up for.

    Args:
        meaning: the floor.
        own: float64 [n], the cosine of each query with the product that it is made of.
        held: float64 [n], how well that product holds its words, 0 to 1.
        chance: the mean cosine of a query with any product.
    """
    most = max(meaning - chance, 0.0)
    needed = np.maximum(meaning - own, 0.0) / np.maximum(held, 1e-6)
    return float(np.clip(np.quantile(needed, FINDING_SHARE), LEAST_CREDIT * most, most))


def _search(index: DenseIndex, texts: Sequence[str], encode: Encode) -> tuple[Float32, Float64]:
    """Return the vectors of queries, float32 [n, D], and the cosine of each with its nearest text, float64 [n]."""
    vectors = np.concatenate([encode(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)])
    tops, _ = index.search(vectors, 1)
    return vectors, tops[:, 0].astype(np.float64)


def _round(meaning: float, words: float, chance: float, languages: Mapping[str, float]) -> MatchFloor:
    levels = {language: round(level, 4) for language, level in languages.items()}
    return MatchFloor(meaning=round(meaning, 4), words=round(words, 4), chance=round(chance, 4), languages=levels)
