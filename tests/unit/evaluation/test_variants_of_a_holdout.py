"""Holdouts and ratings that name variants speak of what an answer can show: their products."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from mercato_client import Client, ResultPage

from mercato.evaluation.asking import look_up
from mercato.evaluation.holdout import Interactions, Split
from mercato.evaluation.search import rate_products
from mercato.evaluation.shoppers import list_shoppers

OWNERS = {"tee-s": "tee", "tee-m": "tee"}


class ShopServer:
    """A client of a server that knows a tee in two sizes, and a cap."""

    def recommend(self, placement: str, *, seed_product_ids: Sequence[str], page_size: int) -> ResultPage:
        known = {*OWNERS, "tee", "cap"}
        return ResultPage(
            results=(),
            total=0,
            missing_ids=tuple(seed for seed in seed_product_ids if seed not in known),
            variant_products={seed: OWNERS[seed] for seed in seed_product_ids if seed in OWNERS},
        )


def bought(*rows: tuple[str, str]) -> Interactions:
    users, products = [user for user, _ in rows], [product for _, product in rows]
    return Interactions(users=users, products=products, rating=np.full(len(rows), np.nan))


def test_the_server_names_unknown_products_and_those_of_variants() -> None:
    unknown, owners = look_up(cast(Client, ShopServer()), ["tee-s", "cap", "gone", "tee-m", "tee"])
    assert unknown == {"gone"}
    assert owners == OWNERS


def test_a_holdout_is_of_products() -> None:
    split = Split(test=bought(("u", "tee-m"), ("u", "cap")), past=bought(("u", "tee-s")), moment={})
    named = split.name_products(OWNERS)
    assert (named.test.products, named.past.products) == (["tee", "cap"], ["tee"])
    [shopper] = list_shoppers(named, new_only=True)
    assert shopper.bought == {"cap": 1}  # the tee was bought before, in another size


def test_of_several_variants_the_best_rating_counts() -> None:
    rated = {"tee-s": 1, "cap": 2, "tee-m": 3, "gone": 3}
    assert rate_products(rated, {"gone"}, OWNERS) == {"tee": 3, "cap": 2}
