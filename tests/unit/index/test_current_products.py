"""What a writer knows of products is what a searcher knows of them, after any changes."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.errors import StateError
from mercato.index.current import CurrentProducts
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.state.values import ProductChange
from tests.stores import DIMENSION, build, delete, make_products, open_store, product, upsert


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder = tmp_path_factory.mktemp("current")
    build(folder / "catalog")
    return Snapshot(folder / "catalog")


def patch(product_id: str, vector: np.ndarray[Any, Any] | None = None, **fields: object) -> ProductChange:
    return ProductChange("patch", product_id, orjson.dumps(fields), vector)


IDS = st.sampled_from(["p00", "p01", "new"])
CHANGES = st.one_of(
    IDS.map(delete),
    st.builds(lambda i, price: upsert(product(i, f"Thing {price}", price=price)), IDS, st.integers(1, 3)),
    st.builds(lambda i, price: patch(i, price=price), IDS, st.integers(1, 3)),
    st.builds(
        lambda i, title: patch(i, np.full(DIMENSION, len(title), np.float32), title=title), IDS, st.sampled_from("abc")
    ),
    st.builds(lambda i, value: patch(i, attributes={"size": value}), IDS, st.sampled_from([None, "XL"])),
    IDS.map(lambda i: ProductChange("upsert", i, b'{"id": "p00"}')),
)


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.lists(CHANGES, max_size=4), max_size=4))
def test_writer_and_searcher_agree(
    tmp_path_factory: pytest.TempPathFactory, snapshot: Snapshot, parts: list[list[ProductChange]]
) -> None:
    store = open_store(tmp_path_factory.mktemp("state") / "state.db")
    current, live = CurrentProducts(snapshot, store), LiveCatalog(snapshot, store)
    for part in parts:
        store.append_product_changes(part)
        current.refresh()
        live.refresh()
        for product_id in ("p00", "p01", "p02", "new", "none"):
            assert current.product(product_id) == live.product(product_id)
            if live.product(product_id) is not None:
                np.testing.assert_array_equal(current.vector(product_id), live.vector(product_id))
    assert current.text_fields == live.text_fields
    store.close()


def test_a_patch_keeps_the_texts_of_a_later_feed(tmp_path: Path) -> None:
    """The writer of the patch still had the snapshot of before; the server that starts next has the new one."""
    store = open_store(tmp_path / "state.db")
    renamed = [item.merged({"title": f"New {item.title}", "price": 90}) for item in make_products()]
    build(tmp_path / "catalog", renamed)
    store.append_product_changes([patch("p04", price=4), patch("p99", price=4)])
    for catalog in (
        CurrentProducts(Snapshot(tmp_path / "catalog"), store),
        LiveCatalog(Snapshot(tmp_path / "catalog"), store),
    ):
        catalog.refresh()
        assert catalog.product("p04") == renamed[4].merged({"price": 4})
        assert catalog.product("p99") is None, "a patch brings nothing back"
    store.close()


def test_a_state_that_is_behind_the_snapshot_is_refused(tmp_path: Path) -> None:
    build(tmp_path / "catalog", product_sequence=2)
    with pytest.raises(StateError, match=r"holds 0 product changes, but catalogue .* contains 2"):
        CurrentProducts(Snapshot(tmp_path / "catalog"), open_store(tmp_path / "state.db"))
