"""Histories with a real order in them, made from a seed: what comes next depends on what came last.

Each product has a few successors with unequal shares. The next product of a user is, with the shares of `Recipe`,

* a successor of the last product,
* a successor of the one before it (somebody goes on with what they had left), or
* any product, by a popularity that falls with its rank (Zipf): noise, which no method can foresee.

Successors are drawn without regard to popularity, so that order says much and the set of products little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mercato.arrays import Int64


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is made.

    Attributes:
        users: how many.
        products: how many.
        shortest: events of a user at least.
        longest: events of a user at most.
        successors: of each product.
        after_last: share of events that follow the last product.
        after_earlier: share of events that follow the one before it; the rest is noise.
        seed: of every draw.
    """

    users: int = 2_000
    products: int = 1_000
    shortest: int = 20
    longest: int = 60
    successors: int = 5
    after_last: float = 0.5
    after_earlier: float = 0.2
    seed: int = 11


def make_histories(recipe: Recipe) -> list[Int64]:
    """Make histories: for each user int64 [n], products from 0, oldest first."""
    random = np.random.default_rng(recipe.seed)
    successors = np.stack(
        [random.choice(recipe.products, recipe.successors, replace=False) for _ in range(recipe.products)]
    )
    share = 1.0 / np.arange(1, recipe.successors + 1)
    share /= share.sum()
    popularity = 1.0 / random.permutation(np.arange(1, recipe.products + 1))
    popularity /= popularity.sum()
    histories = []
    for _ in range(recipe.users):
        length = int(random.integers(recipe.shortest, recipe.longest + 1))
        noise = random.choice(recipe.products, length, p=popularity)
        which = random.choice(recipe.successors, length, p=share)
        kind = random.random(length)
        codes = noise.astype(np.int64)
        for index in range(1, length):
            if kind[index] < recipe.after_last:
                codes[index] = successors[codes[index - 1], which[index]]
            elif kind[index] < recipe.after_last + recipe.after_earlier and index > 1:
                codes[index] = successors[codes[index - 2], which[index]]
        histories.append(codes)
    return histories
