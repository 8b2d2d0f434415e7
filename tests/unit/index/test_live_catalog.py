"""Snapshot and changes through one interface; the changes go through a real state store."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mercato.errors import InvalidInputError, StateError
from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from tests.stores import (
    DIMENSION,
    BreakableStore,
    HashEncoder,
    build,
    delete,
    make_products,
    open_store,
    product,
    upsert,
)

COUNT = 40
OLD = {item.id: item for item in make_products()}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder = tmp_path_factory.mktemp("shop")
    build(folder / "catalog")
    return Snapshot(folder / "catalog")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = open_store(tmp_path / "state.db")
    yield store
    store.close()


@pytest.fixture
def catalog(snapshot: Snapshot, store: SqliteStateStore) -> LiveCatalog:
    return LiveCatalog(snapshot, store)


def apply(catalog: LiveCatalog, store: SqliteStateStore, *changes: ProductChange) -> None:
    store.append_product_changes(changes)
    catalog.refresh()


def allowed_ids(catalog: LiveCatalog, text: str | None = None) -> set[str]:
    allowed = catalog.allow(parse_filter(text) if text else None)
    rows = [*np.flatnonzero(allowed.rows).tolist(), *(np.flatnonzero(allowed.entries) + catalog.base).tolist()]
    ids = [catalog.id_of(row) for row in rows]
    assert len(set(ids)) == len(ids) == allowed.count()
    return set(ids)


def test_without_changes_it_is_the_snapshot(catalog: LiveCatalog) -> None:
    catalog.refresh()

    assert catalog.base == COUNT
    assert allowed_ids(catalog) == set(OLD)
    assert catalog.features() is catalog.snapshot.features
    assert catalog.product("p07") == OLD["p07"]
    assert catalog.rows_of(["p07", "nothing", "p00"]).tolist() == [7, -1, 0]


def test_a_catalogue_without_state_does_not_change(snapshot: Snapshot) -> None:
    catalog = LiveCatalog(snapshot, None)

    catalog.refresh()

    assert allowed_ids(catalog) == set(OLD)


def test_a_new_product_has_the_next_row(catalog: LiveCatalog, store: SqliteStateStore) -> None:
    oats = product("oats", "Rolled oats", price=3, brand="Acme")
    apply(catalog, store, upsert(oats))

    assert catalog.row_of("oats") == COUNT + 0
    assert catalog.id_of(COUNT) == "oats"
    assert catalog.document(COUNT) == oats.document()
    assert catalog.product("oats") == oats
    assert catalog.original_rows(np.array([COUNT, 7], np.int32)).tolist() == [-1, 7]
    np.testing.assert_array_equal(
        catalog.vectors(np.array([7, COUNT])), HashEncoder().encode([OLD["p07"].text(), oats.text()])
    )
    assert allowed_ids(catalog) == {*OLD, "oats"}
    assert catalog.features().price[[7, COUNT]].tolist() == [8, 3]


def test_a_replaced_product_is_found_at_its_new_row_only(catalog: LiveCatalog, store: SqliteStateStore) -> None:
    apply(catalog, store, upsert(product("p07", "Another thing", price=99)))

    assert catalog.row_of("p07") == COUNT
    assert not catalog.alive[7]
    assert catalog.current_row[7] == COUNT
    assert catalog.original_rows(np.array([COUNT], np.int32)).tolist() == [7]
    assert allowed_ids(catalog) == set(OLD)
    assert allowed_ids(catalog, "price > 39.5") == {"p07", "p39"}
    assert allowed_ids(catalog, "price = 8") == set()


def test_a_deleted_product_is_nowhere(catalog: LiveCatalog, store: SqliteStateStore) -> None:
    apply(catalog, store, delete("p07"))

    assert catalog.row_of("p07") == -1
    assert catalog.product("p07") is None
    assert catalog.current_row[7] == -1
    assert allowed_ids(catalog) == set(OLD) - {"p07"}
    assert allowed_ids(catalog, 'id: ANY("p07", "p08")') == {"p08"}


def test_a_deletion_of_what_there_is_not_takes_a_row_and_does_no_harm(
    catalog: LiveCatalog, store: SqliteStateStore
) -> None:
    apply(catalog, store, delete("nothing"), upsert(product("new", "New")))

    assert catalog.row_of("new") == COUNT + 1
    assert allowed_ids(catalog) == {*OLD, "new"}


def test_deleted_and_put_back(catalog: LiveCatalog, store: SqliteStateStore) -> None:
    back = product("p07", "Back again", price=1)
    apply(catalog, store, delete("p07"), upsert(back))

    assert catalog.row_of("p07") == COUNT + 1
    assert catalog.product("p07") == back
    assert allowed_ids(catalog) == set(OLD)
    assert catalog.current_row[7] == COUNT + 1
    apply(catalog, store, delete("p07"))
    assert allowed_ids(catalog) == set(OLD) - {"p07"}


def test_the_last_of_many_changes_holds(catalog: LiveCatalog, store: SqliteStateStore) -> None:
    apply(catalog, store, *(upsert(product("p07", f"Version {n}", price=100 + n)) for n in range(70)))
    apply(catalog, store, upsert(product("new", "New")), upsert(product("new", "Newer")), delete("p08"))

    assert catalog.product("p07") == product("p07", "Version 69", price=169)
    assert catalog.row_of("new") == COUNT + 71
    assert allowed_ids(catalog) == {*OLD, "new"} - {"p08"}
    assert allowed_ids(catalog, "price >= 100") == {"p07"}


def test_a_price_change_passes_its_filter(catalog: LiveCatalog, store: SqliteStateStore) -> None:
    cheap = "price < 3"
    assert allowed_ids(catalog, cheap) == {"p00", "p01"}  # 1.00 and 2.00

    apply(catalog, store, upsert(OLD["p30"].merged({"price": 0.5})), upsert(OLD["p00"].merged({"price": 5})))

    assert allowed_ids(catalog, cheap) == {"p01", "p30"}


def test_a_filter_may_name_a_field_that_only_a_change_has(catalog: LiveCatalog, store: SqliteStateStore) -> None:
    for text in ('colour: ANY("red")', 'NOT colour: ANY("red")', "weight > 3"):
        with pytest.raises(InvalidInputError, match="unknown field"):
            catalog.allow(parse_filter(text))

    apply(catalog, store, upsert(product("new", "New", attributes={"colour": "red", "weight": 4})))

    assert allowed_ids(catalog, 'colour: ANY("red")') == {"new"}
    assert allowed_ids(catalog, 'attributes.colour: ANY("red")') == {"new"}
    assert allowed_ids(catalog, "weight > 3") == {"new"}
    assert allowed_ids(catalog, 'NOT colour: ANY("red")') == set(OLD)
    with pytest.raises(InvalidInputError, match="unknown field 'height'"):
        catalog.allow(parse_filter("height > 3"))


@pytest.mark.parametrize("text", ["price < 3", 'available_time > "2026-01-01"', 'currency: ANY("EUR")'])
def test_fixed_fields_are_known_where_no_product_has_them(tmp_path: Path, text: str) -> None:
    build(tmp_path / "catalog", [product("bare", "Bare")])
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), None)

    assert allowed_ids(catalog, text) == set()


def test_texts_of_which_some_row_passes(tmp_path: Path) -> None:
    items = [product("a", "same", price=1), product("b", "same", price=5), product("c", "other", price=5)]
    build(tmp_path / "catalog", items)
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), None)

    cheap = catalog.allow(parse_filter("price < 3"))

    assert cheap.texts is not None
    assert cheap.texts.tolist() == catalog.texts_left(cheap).tolist() == [True, False]
    assert catalog.reach(cheap) == cheap.count() == 1
    assert catalog.allow(None).texts is None
    assert catalog.texts_left(catalog.allow(None)).tolist() == [True, True]


def test_a_product_whose_text_stayed_is_found_by_the_vector_it_had(
    catalog: LiveCatalog, store: SqliteStateStore
) -> None:
    dear = OLD["p07"].merged({"price": 70})
    renamed = product("p08", "Renamed", price=80)
    apply(catalog, store, upsert(dear), upsert(renamed), delete("p09"))

    assert catalog.vector_row[[6, 7, 8, 9]].tolist() == [6, COUNT, -1, -1]
    assert catalog.current_row[[6, 7, 8, 9]].tolist() == [6, COUNT, COUNT + 1, -1]
    above = catalog.allow(parse_filter("price > 60"))
    assert above.texts is not None
    assert np.flatnonzero(above.texts).tolist() == [catalog.snapshot.texts.text_of_row[7]]
    assert (above.count(), catalog.reach(above)) == (2, 1)
    assert catalog.reach(catalog.allow(None)) == COUNT - 2
    apply(catalog, store, upsert(product("p07", "Renamed too")))
    assert catalog.vector_row[7] == -1
    apply(catalog, store, upsert(dear))
    assert catalog.vector_row[7] == COUNT + 4


def test_which_rows_are_allowed(catalog: LiveCatalog, store: SqliteStateStore) -> None:
    apply(catalog, store, upsert(product("a", "A", price=1)), delete("p07"), upsert(product("b", "B", price=50)))
    rows = np.array([-1, 0, 7, 39, COUNT, COUNT + 1, COUNT + 2], np.int32)

    assert catalog.allow(None).holds(rows).tolist() == [False, True, False, True, True, False, True]
    cheap = catalog.allow(parse_filter("price < 3"))
    assert cheap.holds(rows).tolist() == [False, True, False, False, True, False, False]


def test_two_processes_use_the_same_rows(snapshot: Snapshot, tmp_path: Path) -> None:
    """One reads each change as it comes, one all of them later, one after the store was opened anew."""
    first_store = open_store(tmp_path / "state.db")
    early = LiveCatalog(snapshot, first_store)
    changes = [
        upsert(product("x", "X")), delete("p01"), upsert(product("p01", "P")), upsert(product("x", "Y")),
        delete("nothing"), upsert(product("z", "Z")), delete("z"), upsert(product("p39", "Q")),
    ]  # fmt: skip
    for change in changes:
        apply(early, first_store, change)
    first_store.close()
    late = LiveCatalog(Snapshot(snapshot.folder), open_store(tmp_path / "state.db"))
    late.refresh()

    ids = [*OLD, "x", "z", "nothing"]
    assert early.rows_of(ids).tolist() == late.rows_of(ids).tolist()
    assert early.rows_of(["p01", "x", "z", "p39"]).tolist() == [COUNT + 2, COUNT + 3, -1, COUNT + 7]
    np.testing.assert_array_equal(early.current_row, late.current_row)
    np.testing.assert_array_equal(early.delta.alive, late.delta.alive)


def test_features_follow_every_change(catalog: LiveCatalog, store: SqliteStateStore) -> None:
    apply(catalog, store, upsert(product("a", "A", price=7)))
    assert catalog.features().price[COUNT] == 7
    apply(catalog, store, delete("a"), upsert(OLD["p00"].merged({"price": 9})))

    features = catalog.features()

    assert len(features.price) == COUNT + 3
    assert features.price[COUNT + 2] == 9
    assert features.log_popularity[COUNT + 2] == features.log_popularity[0]


def test_changes_that_the_snapshot_contains_are_not_read_again(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state.db")
    store.append_product_changes([upsert(product("a", "A")), delete("p07")])
    build(tmp_path / "catalog", product_sequence=2)
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), store)

    apply(catalog, store, upsert(product("b", "B")))

    assert catalog.row_of("b") == COUNT
    assert allowed_ids(catalog) == {*OLD, "b"}


def test_a_state_that_is_behind_the_snapshot_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state.db")
    store.append_product_changes([delete("p07")])
    build(tmp_path / "catalog", product_sequence=2)

    with pytest.raises(StateError, match=r"holds 1 product changes, but catalogue .* contains 2; serve the state"):
        LiveCatalog(Snapshot(tmp_path / "catalog"), store)


def test_a_change_that_cannot_be_read_is_left_out_and_keeps_its_row(
    catalog: LiveCatalog, store: SqliteStateStore, caplog: pytest.LogCaptureFixture
) -> None:
    newer = b'{"id": "p07", "title": "t", "a field of a newer version": 1}'
    apply(catalog, store, ProductChange("upsert", "p07", newer), ProductChange("upsert", "n", b"{"), delete("p08"))

    assert catalog.product("p07") == OLD["p07"]
    assert allowed_ids(catalog) == set(OLD) - {"p08"}
    assert len(catalog.delta) == 3
    assert "change 1 of product 'p07' cannot be read; left out" in caplog.text


@pytest.mark.parametrize("vector", [None, np.ones(DIMENSION + 1, np.float32)])
def test_a_product_without_a_fitting_vector_is_there_all_the_same(
    catalog: LiveCatalog,
    store: SqliteStateStore,
    vector: np.ndarray | None,  # type: ignore[type-arg]
) -> None:
    item = product("new", "New")
    apply(catalog, store, ProductChange("upsert", "new", item.document(), vector))

    assert allowed_ids(catalog) == {*OLD, "new"}
    assert catalog.delta.own_entries.tolist() == []
    assert catalog.delta.inherits_vector.tolist() == [False]
    assert not catalog.vectors(np.array([COUNT])).any()


def test_a_broken_state_leaves_the_catalogue_as_it_was(snapshot: Snapshot, store: SqliteStateStore) -> None:
    state = BreakableStore(store)
    catalog = LiveCatalog(snapshot, state)
    apply(catalog, store, delete("p07"))
    store.append_product_changes([delete("p08")])

    state.broken = True
    with pytest.raises(StateError, match="cannot be reached"):
        catalog.refresh()
    assert allowed_ids(catalog) == set(OLD) - {"p07"}
    state.broken = False
    catalog.refresh()

    assert allowed_ids(catalog) == set(OLD) - {"p07", "p08"}


def test_a_state_that_cannot_be_reached_at_the_start_is_read_later(snapshot: Snapshot, store: SqliteStateStore) -> None:
    state = BreakableStore(store)
    state.broken = True
    catalog = LiveCatalog(snapshot, state)
    state.broken = False

    apply(catalog, store, delete("p07"))

    assert allowed_ids(catalog) == set(OLD) - {"p07"}
