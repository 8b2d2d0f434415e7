"""A log in which nobody buys anything twice, made from a seed over the titles of a real catalogue.

What follows what comes from the titles: the successors of a product are drawn from those whose words are nearest to its
own. Order, recency and drift are in it: most purchases follow one of the last ones, products come and are forgotten,
and what sells changes with the months. As many as `Recipe` says are noise, which no method can foresee.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from benchmarks.recommendation.baselines_recommend import DAY, Purchases
from mercato.arrays import Float64, Int64

FIRST_DAY = 15_000
"""Days since 1970 at which the log starts."""
BUCKET_DAYS = 30
"""What sells is drawn anew every so many days."""
SEASONS_BEFORE = 400
"""Days before the log in which its oldest products came."""
LEFT_FOR_EVER = 0.1
"""Share of its appeal that a product keeps however old it is."""
NEAREST = 60
"""Products with the nearest titles, of which successors are drawn."""
BLOCK = 1_000
TRIES = 8
"""Draws until a product comes that the user does not have; then the visit is over."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is made.

    Attributes:
        users: how many.
        days: length of the log.
        shortest: purchases of a user at least.
        mean: of the purchases that a user makes beyond them.
        gap_days: mean time between two visits.
        same_visit: share of purchases that are made on the day of the one before.
        successors: of each product.
        after_last: share of purchases that follow the last product.
        after_recent: share that follow one of the five before it; the rest goes by what sells at the time.
        half_life_days: age at which a product has lost half its appeal.
        seed: of every draw.
    """

    users: int = 12_000
    days: int = 1_500
    shortest: int = 5
    mean: float = 4.0
    gap_days: float = 40.0
    same_visit: float = 0.3
    successors: int = 15
    after_last: float = 0.3
    after_recent: float = 0.25
    half_life_days: float = 250.0
    seed: int = 5


def make_purchases(titles: list[str], recipe: Recipe) -> Purchases:
    """Make a log over products with these titles; each user's purchases in order, no product twice.

    Args:
        titles: of the products; their positions are the products' codes.
        recipe: what is made.
    """
    random = np.random.default_rng(recipe.seed)
    count = len(titles)
    appeal = 1.0 / random.permutation(np.arange(1, count + 1)) ** 0.8
    came = random.uniform(-SEASONS_BEFORE, recipe.days, count)
    successors, shares = _draw_successors(titles, appeal, recipe, random)
    selling = _list_selling(appeal, came, recipe)
    users: list[int] = []
    products: list[int] = []
    days: list[float] = []
    for user in range(recipe.users):
        day = float(random.uniform(0, recipe.days - recipe.gap_days))
        own: list[int] = []
        for _ in range(recipe.shortest + int(random.exponential(recipe.mean))):
            if own and random.random() > recipe.same_visit:
                day += max(random.exponential(recipe.gap_days), 1.0)
            if day >= recipe.days:
                break
            product = _draw_next(own, day, successors, shares, selling, came, recipe, random)
            if product < 0:
                break
            own.append(product)
            users.append(user)
            products.append(product)
            days.append(float(int(day)))
    second = np.arange(len(days)) % 50_000  # of one day they stay in order
    return Purchases(
        user=np.array(users, np.int64),
        product=np.array(products, np.int64),
        time=(np.array(days) + FIRST_DAY) * DAY + second,
        users=recipe.users,
        products=count,
    )


def _draw_next(
    own: list[int],
    day: float,
    successors: Int64,
    shares: Float64,
    selling: list[Float64],
    came: Float64,
    recipe: Recipe,
    random: np.random.Generator,
) -> int:
    """Draw what a user buys next; -1 where nothing new comes up."""
    sold = selling[min(int(day) // BUCKET_DAYS, len(selling) - 1)]
    for _ in range(TRIES):
        kind = random.random()
        if own and kind < recipe.after_last + recipe.after_recent:
            last = kind < recipe.after_last
            start = own[-1] if last else own[-1 - int(random.integers(min(len(own), 6)))]
            product = int(successors[start, np.searchsorted(shares, random.random())])
        else:
            product = int(np.searchsorted(sold, random.random() * sold[-1]))
        if came[product] <= day and product not in own:
            return product
    return -1


def _draw_successors(
    titles: list[str], appeal: Float64, recipe: Recipe, random: np.random.Generator
) -> tuple[Int64, Float64]:
    """Draw each product's successors, int64 [products, successors], and the cumulated shares of their positions."""
    words = [sorted(set(title.lower().split())) for title in titles]
    code = {word: number for number, word in enumerate(sorted({word for own in words for word in own}))}
    lengths = [len(own) for own in words]
    table = sparse.csr_matrix(
        (
            np.ones(sum(lengths), np.float32),
            (
                [row for row, length in enumerate(lengths) for _ in range(length)],
                [code[w] for own in words for w in own],
            ),
        ),
        shape=(len(titles), len(code)),
    )
    rarity = np.log(len(titles) / np.maximum(table.getnnz(axis=0), 1)).astype(np.float32)
    table = sparse.csr_matrix(table.multiply(rarity))
    norms = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    table = sparse.diags(1.0 / np.maximum(norms, 1e-9)) @ table
    successors = np.zeros((len(titles), recipe.successors), np.int64)
    for start in range(0, len(titles), BLOCK):
        near = (table[start : start + BLOCK] @ table.T).toarray()
        near[np.arange(len(near)), start + np.arange(len(near))] = -1.0
        nearest = np.argpartition(-near, NEAREST, axis=1)[:, :NEAREST]
        # Gumbel: draws without replacement, by the square root of the appeal.
        luck = 0.5 * np.log(appeal[nearest]) + random.gumbel(size=nearest.shape)
        order = np.argsort(-luck, axis=1)[:, : recipe.successors]
        successors[start : start + BLOCK] = np.take_along_axis(nearest, order, axis=1)
    share = 1.0 / np.arange(1, recipe.successors + 1)
    return successors, np.cumsum(share / share.sum())[:-1]


def _list_selling(appeal: Float64, came: Float64, recipe: Recipe) -> list[Float64]:
    """Return for each month the cumulated appeal of all products, float64 [products]."""
    found = []
    for day in range(0, recipe.days + BUCKET_DAYS, BUCKET_DAYS):
        age = day - came
        fresh = LEFT_FOR_EVER + (1 - LEFT_FOR_EVER) * 0.5 ** (np.maximum(age, 0.0) / recipe.half_life_days)
        found.append(np.cumsum(np.where(age >= -BUCKET_DAYS, appeal * fresh, 0.0)))
    return found


def split_last(purchases: Purchases) -> tuple[Purchases, Int64, Int64]:
    """Hold back each user's last purchase.

    Returns:
        What is known; the users who have both a past and a last purchase, int64 [u]; and these purchases, int64 [u].
    """
    order = np.lexsort((np.arange(len(purchases.user)), purchases.time, purchases.user))
    user = purchases.user[order]
    last = order[np.append(user[1:] != user[:-1], True)] if len(user) else order
    counts = np.bincount(purchases.user, minlength=purchases.users)
    asked = last[counts[purchases.user[last]] > 1]
    keep = np.ones(len(purchases.user), np.bool_)
    keep[asked] = False
    past = Purchases(
        user=purchases.user[keep],
        product=purchases.product[keep],
        time=purchases.time[keep],
        users=purchases.users,
        products=purchases.products,
    )
    return past, purchases.user[asked], purchases.product[asked]
