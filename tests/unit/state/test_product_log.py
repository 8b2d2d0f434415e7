"""Changes of the catalogue: what is read is what was written, in order, without gaps."""

import sqlite3
import time
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.errors import InvalidInputError
from mercato.state import ProductChange, open_state
from mercato.state.schema import APPLICATION_ID, MIGRATIONS

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
VECTORS = st.none() | st.lists(st.floats(width=32, allow_nan=False), max_size=8).map(
    lambda values: np.array(values, dtype=np.float32)
)


@st.composite
def changes(draw: st.DrawFn) -> ProductChange:
    operation = draw(st.sampled_from(["upsert", "patch", "delete"]))
    if operation == "delete":
        return ProductChange("delete", draw(IDS))
    return ProductChange(operation, draw(IDS), orjson.dumps(draw(st.dictionaries(st.text(), JSON))), draw(VECTORS))


def as_value(change: ProductChange) -> tuple[object, ...]:
    vector = None if change.vector is None else (change.vector.dtype, change.vector.tobytes())
    return change.operation, change.product_id, change.document, vector


@settings(max_examples=60, deadline=None)
@given(writes=st.lists(st.lists(changes(), max_size=4), max_size=5))
def test_what_is_read_is_what_was_written_in_order(
    tmp_path_factory: pytest.TempPathFactory, writes: list[list[ProductChange]]
) -> None:
    url = f"sqlite:{tmp_path_factory.mktemp('state') / 'state.db'}"
    writer, reader = open_state(url), open_state(url)
    written: list[ProductChange] = []
    seen = 0
    followed: list[ProductChange] = []
    for write in writes:
        written += write
        assert writer.append_product_changes(write) == len(written)
        new = reader.product_changes_since(seen)
        assert [change.sequence for change in new] == list(range(seen + 1, len(written) + 1))
        followed += new
        seen = reader.product_sequence()
        assert seen == writer.product_sequence() == len(written)
    for read in (followed, reader.product_changes_since(0), writer.product_changes_since(0)):
        assert [as_value(change) for change in read] == [as_value(change) for change in written]
    assert reader.product_changes_since(len(written)) == []
    writer.close()
    reader.close()


def test_a_long_log_is_read_in_parts(tmp_path: Path) -> None:
    store = open_state(f"sqlite:{tmp_path / 'state.db'}")
    store.append_product_changes([ProductChange("delete", str(number)) for number in range(1, 8)])
    assert [change.product_id for change in store.product_changes_since(2, limit=3)] == ["3", "4", "5"]
    assert store.product_changes_since(99) == []
    store.close()


def test_log_survives_closing(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'state.db'}"
    store = open_state(url)
    vector = np.array([0.6, 0.8], dtype=np.float32)
    store.append_product_changes([ProductChange("upsert", "p", b'{"id":"p"}', vector)])
    store.close()
    (change,) = open_state(url).product_changes_since(0)
    assert (change.product_id, change.document, change.sequence) == ("p", b'{"id":"p"}', 1)
    assert change.vector is not None
    assert np.array_equal(change.vector, vector)
    assert store.product_sequence() == 1  # a closed store opens itself again
    store.close()


def test_changes_know_when_they_were_written(tmp_path: Path) -> None:
    store = open_state(f"sqlite:{tmp_path / 'state.db'}")
    before = time.time()
    store.append_product_changes([ProductChange("delete", "a"), ProductChange("delete", "b", time=17.5)])
    store.append_product_changes([ProductChange("delete", "c")])
    first, second, third = (change.time for change in store.product_changes_since(0))
    assert first is not None
    assert third is not None
    assert before <= first <= third <= time.time()
    assert second == 17.5
    store.close()


def test_changes_of_an_older_file_were_written_by_the_time_it_is_opened_at_the_latest(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    connection = sqlite3.connect(path)
    for statement in MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute("INSERT INTO product_changes VALUES (1, 'upsert', 'p', x'7b7d', NULL)")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    before = time.time() - 0.01  # SQLite's clock counts milliseconds
    store = open_state(f"sqlite:{path}")
    (change,) = store.product_changes_since(0)
    assert (change.operation, change.product_id, change.document, change.sequence) == ("upsert", "p", b"{}", 1)
    assert change.time is not None
    assert before <= change.time <= time.time()
    assert store.append_product_changes([ProductChange("delete", "p")]) == 2
    store.close()


def test_the_catalogue_of_a_state_is_the_one_that_was_noted_last(tmp_path: Path) -> None:
    store = open_state(f"sqlite:{tmp_path / 'state.db'}")
    assert store.catalog_path() is None
    store.note_catalog("/shop/a")
    store.note_catalog("/shop/b")
    store.close()
    assert open_state(f"sqlite:{tmp_path / 'state.db'}").catalog_path() == "/shop/b"


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"operation": "insert", "product_id": "p", "document": b"{}"}, "operation"),
        ({"operation": "upsert", "product_id": "", "document": b"{}"}, "product_id"),
        ({"operation": "upsert", "product_id": "p"}, "document"),
        ({"operation": "delete", "product_id": "p", "document": b"{}"}, "document"),
        (
            {"operation": "upsert", "product_id": "p", "document": b"{}", "vector": np.zeros(2, dtype=np.float64)},
            "vector",
        ),
        (
            {"operation": "upsert", "product_id": "p", "document": b"{}", "vector": np.zeros((1, 2), dtype=np.float32)},
            "vector",
        ),
    ],
)
def test_bad_changes_cannot_be_made(fields: dict[str, object], parameter: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ProductChange(**fields)  # type: ignore[arg-type]
    assert caught.value.parameter == parameter
