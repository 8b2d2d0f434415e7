"""Keys: the same row is known again, different rows and repeated rows are not confused."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mercato.events.event_key import KeyDeriver, key_of_event_id, key_text, random_key

Row = tuple[str | None, str | None, float, int]

ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "u", "v"]), st.sampled_from([None, "u", "p"]), st.sampled_from([0.0, 1.5]), st.just(1)
    ),
    max_size=30,
)


def derive(deriver: KeyDeriver, rows: list[Row]) -> list[bytes]:
    keys = deriver.derive_keys(
        texts=[pa.array([row[column] for row in rows], type=pa.string()) for column in (0, 1)],
        time=np.array([row[2] for row in rows], dtype=np.float64),
        numbers=[np.array([row[3] for row in rows], dtype=np.int32)],
    )
    assert keys.dtype == np.uint8
    assert keys.shape == (len(rows), 16)
    return [key.tobytes() for key in keys]


@given(ROWS, st.integers(min_value=0, max_value=30))
def test_keys_do_not_depend_on_how_a_file_is_cut(rows: list[Row], cut: int) -> None:
    in_two = KeyDeriver()
    assert derive(in_two, rows[:cut]) + derive(in_two, rows[cut:]) == derive(KeyDeriver(), rows)


@given(ROWS)
def test_every_row_of_a_file_has_its_own_key(rows: list[Row]) -> None:
    assert len(set(derive(KeyDeriver(), rows))) == len(rows)


@given(ROWS, ROWS)
def test_a_file_that_grew_keeps_its_keys(rows: list[Row], more: list[Row]) -> None:
    assert derive(KeyDeriver(), rows + more)[: len(rows)] == derive(KeyDeriver(), rows)


def test_each_field_counts_and_so_does_its_place() -> None:
    rows: list[Row] = [
        ("u", "p", 1.0, 1),
        ("p", "u", 1.0, 1),
        ("u", None, 1.0, 1),
        ("u", "p", 1.0, 2),
        ("u", "p", 1.5, 1),
    ]
    alone = [derive(KeyDeriver(), [row])[0] for row in rows]
    assert len(set(alone)) == len(rows)


def test_keys_begin_with_the_second() -> None:
    (key,) = derive(KeyDeriver(), [("u", "p", 1.9, 1)])
    assert key[:4] == (1).to_bytes(4, "big")
    assert random_key(258.7)[:4] == bytes([0, 0, 1, 2])  # 258 = 1 * 256 + 2


def test_key_written_as_event_id_is_the_key() -> None:
    key = random_key(1.0)
    assert key_of_event_id(key_text(key)) == key
    assert key_of_event_id("mercato-" + "g" * 32) != bytes(16)  # not hexadecimal: an id like any other
    assert key_of_event_id("a") == key_of_event_id("a") != key_of_event_id("b")
    assert len(key_of_event_id("a")) == 16
