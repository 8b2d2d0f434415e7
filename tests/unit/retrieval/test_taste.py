"""What is nearly the same as a disliked product, and how much less its kind is worth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mercato.features.inputs import History
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.retrieval.taste import (
    LARGEST_DEMOTION,
    MOST_ALIKE,
    NEARLY_SAME,
    NO_TASTE,
    PRIOR_PRODUCTS,
    find_near_duplicates,
    find_same_cosine,
    find_taste,
)
from mercato.signals.history import PURCHASE
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from tests import stores

COPIES = [stores.product(f"c{n}", "Round garden table", brand="Veld") for n in range(3)]
OTHERS = [
    stores.product("c-other", "Round garden table", brand="Other"),
    stores.product("chair", "Tall kitchen chair", brand="Veld"),
]
MANY = [stores.product(f"m{n:03d}", "Greeting card", brand="Many") for n in range(MOST_ALIKE + 1)]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = stores.open_store(tmp_path / "state.db")
    yield store
    store.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sized = [
        stores.product(f"s{n}", f"Shirt {n}", categories=["Clothes"], attributes={"item_group_id": "shirt"})
        for n in range(3)
    ]
    folder = tmp_path_factory.mktemp("taste")
    stores.build(folder / "catalog", [*stores.make_products(), *COPIES, *OTHERS, *MANY, *sized])
    return folder


@pytest.fixture
def catalog(state: SqliteStateStore, folder: Path) -> LiveCatalog:
    return LiveCatalog(Snapshot(folder / "catalog"), state)


def near(catalog: LiveCatalog, *ids: str) -> set[str]:
    return {catalog.id_of(row) for row in find_near_duplicates(catalog, catalog.rows_of(ids)).tolist()}


def bought(catalog: LiveCatalog, *ids: str) -> History:
    rows = catalog.rows_of(ids)
    count = len(rows)
    return History(
        rows=rows,
        time=np.full(count, stores.NOW - stores.DAY),
        type=np.full(count, PURCHASE, np.uint8),
        price=np.full(count, np.nan, np.float32),
    )


def test_the_same_text_is_the_same_product(catalog: LiveCatalog) -> None:
    assert near(catalog, "c0") == {"c0", "c1", "c2"}
    assert near(catalog, "chair") == {"chair"}


def test_another_brand_is_another_product(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    [vector] = catalog.vectors(catalog.rows_of(["c0"]))
    for name, brand in (("x-other", "Other"), ("x-own", "Veld"), ("x-none", "")):
        copy = stores.product(name, "Round garden table, new", brand=brand)
        state.append_product_changes([ProductChange("upsert", name, copy.document(), vector, time=stores.NOW)])
    catalog.refresh()
    assert near(catalog, "c0") == {"c0", "c1", "c2", "x-own", "x-none"}


def test_variants_of_a_group_are_the_same(catalog: LiveCatalog) -> None:
    assert near(catalog, "s1") == {"s0", "s1", "s2"}


def test_a_text_of_very_many_products_is_the_name_of_a_kind(catalog: LiveCatalog) -> None:
    assert near(catalog, "m000") == {"m000"}


def test_the_threshold_goes_by_how_far_apart_texts_are(catalog: LiveCatalog) -> None:
    vectors = catalog.snapshot.dense.vectors
    pairs = (vectors @ vectors.T).mean()
    assert find_same_cosine(catalog) == pytest.approx(1 - NEARLY_SAME * (1 - pairs), abs=1e-6)


def test_products_that_came_or_changed_since_are_compared_too(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    assert near(catalog, "c0") == {"c0", "c1", "c2"}
    later = stores.product("c9", "Round garden table", brand="Veld")
    renamed = stores.product("c1", "Wind chime", brand="Veld")
    state.append_product_changes([stores.upsert(later), stores.upsert(renamed), stores.delete("c2")])
    catalog.refresh()
    assert near(catalog, "c0") == near(catalog, "c9") == {"c0", "c9"}


def test_kinds_are_worth_less_by_how_many_of_their_products_are_disliked(catalog: LiveCatalog) -> None:
    rows = catalog.rows_of(["p08", "p10", "p00", "p04"])  # dark chocolates, whole milk, frozen pizza: all of Acme
    disliked, nothing = rows[:2], rows[:0]
    taste = find_taste(catalog, bought(catalog, "p04"), disliked, nothing)
    of_category = -LARGEST_DEMOTION * 2 / (2 + 0 + PRIOR_PRODUCTS)
    of_brand = -LARGEST_DEMOTION * 2 / (2 + 1 + PRIOR_PRODUCTS)
    again = catalog.rows_of(["p08", "p09", "p00", "p01"])  # itself, its category, its brand, neither
    expected = [-1.0, of_category, of_brand, 0.0]
    assert taste.weigh(catalog, again).tolist() == pytest.approx(expected, abs=1e-6)


def test_a_kind_is_never_worth_less_than_the_largest_demotion(catalog: LiveCatalog) -> None:
    rows = catalog.rows_of([f"p{n:02d}" for n in range(0, 40, 2)])
    taste = find_taste(catalog, History.empty(), rows, rows[:0])
    assert taste.weigh(catalog, catalog.rows_of(["p09"]))[0] >= -LARGEST_DEMOTION
    weights = taste.weigh(catalog, np.arange(catalog.base, dtype=np.int32))
    kinds = weights[~np.isin(np.arange(catalog.base), taste.unwanted)]
    assert kinds.min() >= -LARGEST_DEMOTION


def test_what_is_liked_itself_stays(catalog: LiveCatalog) -> None:
    [c0, c1] = catalog.rows_of(["c0", "c1"]).tolist()
    taste = find_taste(catalog, History.empty(), np.array([c0], np.int32), np.array([c1], np.int32))
    assert c0 in taste.unwanted
    assert c1 not in taste.unwanted


def test_nothing_disliked_is_no_taste(catalog: LiveCatalog) -> None:
    nothing = np.array([-1], np.int32)
    assert find_taste(catalog, History.empty(), nothing, nothing) is NO_TASTE
    assert not NO_TASTE
    assert NO_TASTE.weigh(catalog, np.arange(3, dtype=np.int32)).tolist() == [0.0, 0.0, 0.0]
