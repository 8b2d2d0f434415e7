"""Histories of the sequence model: files with and without an order, rare products, windows, what is kept back."""

from pathlib import Path

import numpy as np
import pytest

from mercato.errors import DataError
from mercato.evaluation.holdout import parse_holdout_map
from mercato.state.store import open_state
from tests.stores import event, purchase
from training.sequence_data import (
    collect_histories,
    cut_windows,
    hold_out,
    last_windows,
    read_file,
    read_state_events,
)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_rows_are_in_order_where_nothing_else_is(tmp_path: Path) -> None:
    file = write(tmp_path / "events.csv", "user_id,product_id\nu,b\nv,x\nu,a\nu,b\n")
    assert read_file(file, {}, print) == (["u", "v", "u", "u"], ["b", "x", "a", "b"])


def test_an_order_goes_before_the_rows_and_bad_rows_are_told(tmp_path: Path) -> None:
    file = write(tmp_path / "events.csv", "who,sku,nr\nu,b,2\nu,a,1\n,c,3\nu,c,10\n")
    said: list[str] = []
    columns = parse_holdout_map(["user_id=who", "product_id=sku", "order=nr"])
    assert read_file(file, columns, said.append) == (["u", "u", "u"], ["a", "b", "c"])
    assert said[0].startswith("events.csv: 1 of 4 rows left out; the first: line 4: must have a user")


def test_a_state_is_read_by_time_with_visitors(tmp_path: Path) -> None:
    store = open_state(f"sqlite:{tmp_path / 'state.db'}")
    store.append_events(
        [
            purchase("u", "late", 1.0),
            purchase("u", "early", 3.0),
            event("detail-page-view", "seen", 2.0, visitor_id="v"),
            event("remove-from-cart", "dropped", 1.0, user_id="u"),
        ]
    )
    store.close()
    users, products = read_state_events(f"sqlite:{tmp_path / 'state.db'}")
    assert products == ["early", "seen", "late"]
    assert users == ["user u", "visitor v", "user u"]


def test_rare_products_have_no_code() -> None:
    found = collect_histories(list("uuuvvw"), list("abaabb"), min_events=3)
    assert found.product_ids == ["a", "b"]
    assert [codes.tolist() for codes in found.codes] == [[1, 2, 1], [1, 2]]
    assert found.counts.tolist() == [0, 3, 2]  # w has one event alone
    rarer = collect_histories(list("uuuuvvv"), list("aaabaaa"), min_events=2)
    assert (rarer.product_ids, [codes.tolist() for codes in rarer.codes]) == (["a"], [[1, 1, 1], [1, 1, 1]])


def test_too_little_to_learn_from() -> None:
    with pytest.raises(DataError, match=r"at least 2 users with 2 events .* found 1 among 3 events of 2 users"):
        collect_histories(["u", "u", "v"], ["a", "a", "a"])


def test_windows_cover_each_step_once() -> None:
    windows = cut_windows([np.array([1, 2, 3, 4, 5, 6]), np.array([7, 8])], 3)
    # from the end: 3 steps, the 2 before them, and the other history
    assert windows.read.tolist() == [[3, 4, 5], [1, 2, 0], [7, 0, 0]]
    assert windows.following.tolist() == [[4, 5, 6], [2, 3, 0], [8, 0, 0]]


def test_last_windows_ask_for_the_last_event_alone() -> None:
    windows = last_windows([np.array([1, 2, 3, 4, 5]), np.array([7, 8])], 3)
    assert windows.read.tolist() == [[2, 3, 4], [7, 0, 0]]
    assert windows.following.tolist() == [[0, 0, 5], [8, 0, 0]]


def test_what_is_kept_back_is_not_learned() -> None:
    users = [f"u{number}" for number in range(40) for _ in range(4)]
    products = [f"p{(number + place) % 7}" for number in range(40) for place in range(4)]
    found = collect_histories(users, products)
    learned, kept = hold_out(found, share=0.25, most=100, seed=3)
    assert (len(learned), len(kept)) == (40, 10)
    assert sorted(map(len, learned)) == [3] * 10 + [4] * 30
    assert hold_out(found, share=0.25, most=4, seed=3)[1][0].tolist() in [codes.tolist() for codes in found.codes]
    assert len(hold_out(found, share=0.25, most=4, seed=3)[1]) == 4
