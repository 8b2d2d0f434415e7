"""What kind of thing a product is: from its categories and the names of its attributes."""

import math

import numpy as np
import pytest

from mercato.features.kinds import Kinds, compare_kinds
from mercato.index.product_features import append_features, build_features, build_kinds, weigh_kinds
from mercato.signals.popularity import Popularity
from mercato.signals.repeat import Repeat
from tests.stores import product

TONER = product("t", "Toner", attributes={"yield": 5, "colour": "black"})
CABLE = product("c", "Cable", attributes={"length": 2, "colour": "white"}, categories=["Cables"])
BARE = product("b", "Bare")
PRODUCTS = [TONER, CABLE, BARE]


def as_dense(kinds: Kinds, count: int) -> np.ndarray:
    rows = np.zeros((len(kinds.bounds) - 1, count), np.float32)
    position, names, weights = kinds.gather(np.arange(len(rows), dtype=np.int32))
    rows[position, names] = weights
    return rows


def test_rare_names_weigh_more() -> None:
    weights = weigh_kinds(PRODUCTS)

    assert weights == pytest.approx(
        {
            "attribute colour": math.log(3 / 2),
            "attribute yield": math.log(3 / 1),
            "attribute length": math.log(3 / 1),
            "category Cables": math.log(3 / 1),
        }
    )


def test_kinds_are_unit_vectors_and_a_product_without_names_has_none() -> None:
    weights = weigh_kinds(PRODUCTS)
    rows = as_dense(build_kinds(PRODUCTS, weights), len(weights))

    colour, rare = math.log(3 / 2), math.log(3)
    toner = np.array([colour, rare, 0, 0]) / math.hypot(colour, rare)
    cable = np.array([colour, 0, rare, rare]) / math.sqrt(colour**2 + 2 * rare**2)
    np.testing.assert_allclose(rows, [toner, cable, np.zeros(4)], rtol=1e-6)


def test_comparison_with_the_mean_of_examples() -> None:
    kinds = build_kinds(PRODUCTS, weigh_kinds(PRODUCTS))
    rows = np.array([1, 0, 2, 0], np.int32)
    similarity = compare_kinds(*kinds.gather(rows), np.array([False, True, True, False]))

    colour, rare = math.log(3 / 2), math.log(3)
    together = colour**2 / (math.hypot(colour, rare) * math.sqrt(colour**2 + 2 * rare**2))
    # The mean of the toner and of the product without a kind is half a toner.
    assert similarity == pytest.approx([together / 2, 1 / 2, 0, 1 / 2], rel=1e-6)


def test_without_examples_or_kinds_nothing_is_alike() -> None:
    kinds = build_kinds(PRODUCTS, weigh_kinds(PRODUCTS))
    rows = np.array([0, 1], np.int32)
    assert compare_kinds(*kinds.gather(rows), np.zeros(2, bool)).tolist() == [0, 0]
    unknown = Kinds(bounds=np.zeros(0, np.int64), names=np.zeros(0, np.int32), weights=np.zeros(0, np.float32))
    assert compare_kinds(*unknown.gather(rows), np.ones(2, bool)).tolist() == [0, 0]


def test_rows_can_be_taken_in_another_order() -> None:
    weights = weigh_kinds(PRODUCTS)
    kinds = build_kinds(PRODUCTS, weights)
    order = np.array([2, 0, 1])
    np.testing.assert_array_equal(as_dense(kinds.take(order), len(weights)), as_dense(kinds, len(weights))[order])


def test_changed_products_have_kinds_of_known_names() -> None:
    popularity = Popularity(count=np.zeros(3, np.float32), buyers=np.zeros(3, np.int32), trend=np.zeros(3, np.float32))
    repeat = Repeat(rate=np.zeros(3, np.float32), interval_days=np.ones(3, np.float32))
    columns, settings = build_features(PRODUCTS, popularity, repeat)
    changed = product("n", "New", attributes={"yield": 7, "never seen": 1}, available_time="1970-01-03T12:00:00Z")

    grown = append_features(columns, [(changed, -1), (None, 0)], settings)

    rows = as_dense(grown.kinds, len(settings["kinds"]))
    np.testing.assert_array_equal(rows[:3], as_dense(columns.kinds, len(settings["kinds"])))
    assert rows[3].tolist() == [1.0 if name == "attribute yield" else 0.0 for name in settings["kinds"]]
    assert not rows[4].any()
    assert np.isnan(grown.available_days[:3]).all()
    assert grown.available_days[3] == 2.5
