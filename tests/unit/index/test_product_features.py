"""What the ranker reads of each product, in a snapshot and after changes."""

import math

import numpy as np

from mercato.features.inputs import ProductFeatures
from mercato.index.product_features import append_features, build_features, leaf_category, number_names
from mercato.signals.popularity import Popularity
from mercato.signals.repeat import DEFAULT_INTERVAL_DAYS, Repeat
from tests.stores import product

PRODUCTS = [
    product("a", "a", price=2, brand="Acme", categories=["Food", "Dairy"]),
    product("b", "b", brand="Bolt", categories=["Food"], availability="PREORDER"),
    product("c", "c", price=0, brand="Acme", categories=["Toys", "Dairy"], availability="OUT_OF_STOCK"),
]
POPULARITY = Popularity(
    count=np.array([0, 1, 3], np.float32), buyers=np.zeros(3, np.int32), trend=np.array([0, 0.5, -1], np.float32)
)
REPEAT = Repeat(rate=np.array([0.25, 0, 1], np.float32), interval_days=np.array([30, 7, 14], np.float32))


def test_columns_of_a_snapshot() -> None:
    columns, settings = build_features(PRODUCTS, POPULARITY, REPEAT)

    np.testing.assert_allclose(columns.log_popularity, [0, math.log(1 + 1), math.log(1 + 3)], rtol=1e-6)
    assert columns.trend.tolist() == [0, 0.5, -1]
    assert columns.repeat_rate.tolist() == [0.25, 0, 1]
    assert columns.repeat_interval_days.tolist() == [30, 7, 14]
    np.testing.assert_array_equal(columns.price, np.array([2, np.nan, 0], np.float32))
    assert settings["leaf_categories"] == {"Dairy": 0, "Food": 1}
    assert settings["brands"] == {"Acme": 0, "Bolt": 1}
    assert columns.leaf_category.tolist() == [0, 1, 0]  # "Dairy" is the last of a and of c
    assert columns.brand.tolist() == [0, 1, 0]
    assert columns.in_stock.tolist() == [True, False, False]


def test_changed_products_inherit_what_was_learned_and_new_ones_have_defaults() -> None:
    columns, settings = build_features(PRODUCTS, POPULARITY, REPEAT)
    replacement = product("c", "c", price=5, brand="New brand", categories=["Food"])
    fresh = product("d", "d", price=1, brand="Bolt", categories=["Cheese"])

    grown = append_features(columns, [(replacement, 2), (fresh, -1), (None, 0)], settings)

    np.testing.assert_allclose(grown.log_popularity[3:], [math.log(1 + 3), 0, 0], rtol=1e-6)
    assert grown.trend[3:].tolist() == [-1, 0, 0]
    assert grown.repeat_rate[3:].tolist() == [1, 0, 0.25]
    assert grown.repeat_interval_days[3:].tolist() == [14, DEFAULT_INTERVAL_DAYS, 30]
    np.testing.assert_array_equal(grown.price[3:], np.array([5, 1, np.nan], np.float32))
    assert grown.leaf_category[3:].tolist() == [1, -1, -1]  # a category that the snapshot has not is none
    assert grown.brand[3:].tolist() == [-1, 1, -1]
    assert grown.in_stock[3:5].tolist() == [True, True]


def test_appending_keeps_the_snapshot_and_every_type() -> None:
    columns, settings = build_features(PRODUCTS, POPULARITY, REPEAT)

    grown = append_features(columns, [(PRODUCTS[0], 0)], settings)
    again = append_features(grown, [(PRODUCTS[1], -1)], settings)

    for name in ProductFeatures.__dataclass_fields__:
        if name.startswith("kind_"):
            continue
        before, after = getattr(columns, name), getattr(again, name)
        assert after.dtype == before.dtype
        assert len(after) == 3 + 1 + 1
        np.testing.assert_array_equal(after[:3], before)
        np.testing.assert_array_equal(after[:4], getattr(grown, name))


def test_names_are_numbered_in_order_of_appearance_without_the_empty_one() -> None:
    assert number_names(["b", "", "a", "b"]) == {"b": 0, "a": 1}


def test_the_leaf_category_is_the_most_specific() -> None:
    assert [leaf_category(item) for item in PRODUCTS] == ["Dairy", "Food", "Dairy"]
    assert leaf_category(product("e", "e")) == ""
