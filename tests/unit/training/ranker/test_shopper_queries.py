"""Queries that are made for what was bought: heads, modifiers of other kinds, pieces of titles."""

import numpy as np
import pytest

from mercato_training.common.shopper_queries import MODIFIED, ShopperQueries
from mercato_training.common.synthetic_queries import make_queries

SHOP = [
    {"title": "Steel rake with ash handle", "categories": ["garden", "rakes"]},
    {"title": "Leaf rake", "categories": ["garden", "rakes"]},
    {"title": "Copper kettle", "categories": ["kitchen", "tea kettles"]},
    {"title": "Oak bench", "categories": ["garden", "benches & stools"]},
]
PREPOSITIONS = {"for", "with", "without", "in", "to", "from", "on", "at", "by", "that", "under", "over", "no"}


def make(language: str = "english", seed: int = 0) -> tuple[ShopperQueries, list[tuple[str, ...]]]:
    maker = ShopperQueries(SHOP, language, np.random.default_rng(seed))
    return maker, [maker.make(document) for document in SHOP]


def test_names_of_categories_are_queries_as_before() -> None:
    _, made = make()

    for document, queries in zip(SHOP, made, strict=True):
        assert set(make_queries(tuple(document["categories"]))) <= set(queries)
        assert len(set(queries)) == len(queries)


def test_products_of_one_category_share_its_queries() -> None:
    _, (first, second, *_) = make()

    assert len(set(first) & set(second)) == len(make_queries(("garden", "rakes"))) + MODIFIED


@pytest.mark.parametrize("seed", range(5))
def test_a_modifier_stands_before_the_head_or_behind_a_preposition(seed: int) -> None:
    _, made = make(seed=seed)

    modified = made[0][2:-1]  # between the names and the piece of the title
    for query in modified:
        words = query.split()
        assert words[-1] == "rakes" or (words[0] == "rakes" and (len(words) == 1 or words[1] in PREPOSITIONS))
        assert len(words) <= 5


def test_in_french_a_modifier_follows_the_head() -> None:
    _, made = make("french")

    assert all(query.startswith("rakes") or "garden" in query for query in made[0][:-1])


def test_a_piece_of_a_title_has_its_words_but_for_two_letters() -> None:
    for seed in range(20):
        _, made = make(seed=seed)
        piece = made[0][-1].split()
        known = {"".join(sorted(word)) for word in ("steel", "rake", "with", "ash", "handle")}
        assert {"".join(sorted(word)) for word in piece} <= known


def test_the_same_seed_makes_the_same_queries() -> None:
    assert make(seed=3)[1] == make(seed=3)[1]


def test_a_product_of_which_nothing_is_known_has_no_query() -> None:
    assert ShopperQueries([{}], "english", np.random.default_rng(0)).make({}) == ()
