"""Whom a holdout asks for: what each user bought in it, what is known of them, and to which group they belong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mercato.evaluation.holdout import Interactions, Split, count_by_user


@dataclass(frozen=True, kw_only=True)
class Shopper:
    """A user who bought something in the holdout.

    Attributes:
        user: the id.
        bought: product -> 1; what is to be recommended.
        ratings: product -> rating, where there are any.
        before: products bought before.
        moment: what the server must know nothing of, and of nothing later, seconds since 1970; None for the present.
    """

    user: str
    bought: Mapping[str, int]
    ratings: Mapping[str, float]
    before: frozenset[str]
    moment: float | None


def list_shoppers(split: Split, *, new_only: bool, unknown: frozenset[str] = frozenset()) -> list[Shopper]:
    """List who is asked for, in the order of the holdout.

    Args:
        split: the test and the past.
        new_only: leave out products that the user had bought before, and users without any other.
        unknown: products that the catalogue does not hold; they are left out.
    """
    before: dict[str, set[str]] = defaultdict(set)
    for user, product in zip(split.past.users, split.past.products, strict=True):
        before[user].add(product)
    bought: dict[str, dict[str, int]] = {}
    ratings: dict[str, dict[str, float]] = defaultdict(dict)
    rows = zip(split.test.users, split.test.products, split.test.rating.tolist(), strict=True)
    for user, product, rating in rows:
        if product in unknown or (new_only and product in before[user]):
            continue
        bought.setdefault(user, {})[product] = 1
        if rating == rating:
            ratings[user][product] = rating
    return [
        Shopper(
            user=user,
            bought=products,
            ratings=ratings.get(user, {}),
            before=frozenset(before[user]),
            moment=split.moment.get(user),
        )
        for user, products in bought.items()
    ]


def group_by_history(shoppers: Sequence[Shopper], past: Interactions) -> dict[str, str]:
    """Group users by what is known of them: ``new`` (nothing), ``light`` (below the median), ``heavy`` (from it on).

    Args:
        shoppers: who is asked for.
        past: what they bought before.
    """
    counts = count_by_user(past)
    known = [counts[shopper.user] for shopper in shoppers if counts[shopper.user]]
    middle = float(np.median(known)) if known else 0.0
    return {
        shopper.user: "new" if not counts[shopper.user] else "light" if counts[shopper.user] < middle else "heavy"
        for shopper in shoppers
    }
