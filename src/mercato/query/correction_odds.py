"""How likely a word was meant by what was typed: a noisy channel whose weights were learned from made-up slips.

Each word that may have been meant has odds against what was typed (Kernighan, Church & Gale 1990: how usual the word is
times how likely the slip; Brill & Moore 2000), as a sum of weighted features; what was typed has the sum 0. The
probabilities of all of them are the softmax of the sums (McFadden 1973, conditional logit). `python -m benchmarks
spelling_weights` learns the weights of several shops at once, so that they say nothing about one of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mercato.query.typos import NearWord

MAX_TOGETHER = 4.0
"""No pair of words says more than that it is e^4 times as frequent, or as rare, as by chance."""
LEVELS_OF_TEN = 20.0

WEIGHTS: dict[str, float] = {
    "any": -0.97,
    "count": 0.42,
    "level": 0.05,
    "typed_level": -1.0,
    "typed_unknown": 2.29,
    "length": 0.61,
    "compound": -1.42,
    "swapped": 0.86,
    "doubled": 1.2,
    "lost": 2.19,
    "added": -1.02,
    "near": 0.51,
    "other": -1.56,
    "two": -3.15,
    "first": -0.64,
    "alike": -0.15,
    "others": 0.3,
    "together": 0.93,
    "never_together": -3.52,
    "neighbours": -1.04,
    "side_by_side": 3.51,
}
"""Of the features of `describe`, learned by `benchmarks/training/spelling_weights.py`."""


@dataclass(frozen=True, kw_only=True)
class Typed:
    """A word as typed, and what is known of it.

    Attributes:
        word: the word.
        level: how usual it is anywhere (`SpellingEvidence.known`) or in past queries; 0 for unknown.
        compound: it is two words of the shop, written in one.
    """

    word: str
    level: int
    compound: bool


@dataclass(frozen=True, kw_only=True)
class Meant:
    """A word that may have been meant, and what is known of it in this query.

    Attributes:
        near: the word and the slip.
        count: products that have it, and past queries.
        level: how usual it is anywhere.
        together: for each other word of the query, in how many products both are, and in how many by chance.
        pairs: for each neighbour in the query, whether titles or past queries have both side by side.
    """

    near: NearWord
    count: float
    level: int
    together: Sequence[tuple[float, float]]
    pairs: Sequence[bool]


def describe(typed: Typed, meant: Meant) -> dict[str, float]:
    """Return the features of a word that may have been meant, by name; those that are not there are 0."""
    near = meant.near
    features = {
        "any": 1.0,
        "count": math.log1p(meant.count),
        near.slip.name.lower(): 1.0,
        "first": float(near.first),
        "alike": float(near.alike),
        "length": math.log(len(typed.word)),
        "typed_level": typed.level / LEVELS_OF_TEN,
        "typed_unknown": float(typed.level == 0),
        "level": meant.level / LEVELS_OF_TEN,
        "compound": float(typed.compound),
    }
    if meant.together:
        said = [
            max(-MAX_TOGETHER, min(math.log((both + 0.5) / (chance + 0.5)), MAX_TOGETHER))
            for both, chance in meant.together
        ]
        features["others"] = 1.0
        features["together"] = sum(said) / len(said)
        features["never_together"] = sum(both == 0 for both, _ in meant.together) / len(said)
    if meant.pairs:
        features["neighbours"] = len(meant.pairs)
        features["side_by_side"] = sum(meant.pairs)
    return features


def weigh(typed: Typed, candidates: Sequence[Meant]) -> list[float]:
    """Return the probability of each word that may have been meant; what is left of 1 is that of the word as typed."""
    sums = [
        sum(WEIGHTS.get(name, 0.0) * value for name, value in describe(typed, meant).items()) for meant in candidates
    ]
    highest = max([0.0, *sums])
    odds = [math.exp(one - highest) for one in sums]
    total = sum(odds) + math.exp(-highest)
    return [one / total for one in odds]
