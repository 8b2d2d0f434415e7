"""Histories of the sequence model: files with and without an order, rare products, windows, what is kept back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mercato.errors import DataError
from mercato.evaluation.holdout import parse_holdout_map
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.events.read_events import read_events
from mercato.signals.events import NO_ORDER
from mercato.signals.history import PURCHASE
from mercato.state.store import open_state
from mercato_training.sequence.data import (
    History,
    collect_histories,
    cut_windows,
    draw_following,
    hold_out,
    last_windows,
)
from mercato_training.sequence.events import UserEvents, read_file, read_state_events
from tests.stores import event, purchase


def events(users: str, products: str) -> UserEvents:
    return UserEvents.purchases(list(users), list(products))


def history(codes: list[int], visits: list[int] | None = None) -> History:
    each = np.arange(len(codes))
    return History(codes=np.array(codes), visits=each if visits is None else np.array(visits), indices=each)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_rows_are_in_order_where_nothing_else_is(tmp_path: Path) -> None:
    file = write(tmp_path / "events.csv", "user_id,product_id\nu,b\nv,x\nu,a\nu,b\n")
    found = read_file(file, {}, print)
    assert (found.users, found.products) == (["u", "v", "u", "u"], ["b", "x", "a", "b"])
    # no times: u's three events are numbered, as if all users had begun at once
    assert (found.timed, found.time.tolist()) == (False, [0, 0, 1, 2])


def test_times_are_kept_where_every_row_has_one(tmp_path: Path) -> None:
    file = write(tmp_path / "events.csv", "user_id,product_id,time\nu,b,86400\nv,x,0\nu,a,10\n")
    found = read_file(file, {}, print)
    assert (found.products, found.timed, found.time.tolist()) == (["x", "a", "b"], True, [0, 10, 86400])


def test_an_order_goes_before_the_rows_and_bad_rows_are_told(tmp_path: Path) -> None:
    file = write(tmp_path / "events.csv", "who,sku,nr\nu,b,2\nu,a,1\n,c,3\nu,c,10\n")
    said: list[str] = []
    columns = parse_holdout_map(["user_id=who", "product_id=sku", "order=nr"])
    assert read_file(file, columns, said.append).products == ["a", "b", "c"]
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
    found = read_state_events(f"sqlite:{tmp_path / 'state.db'}")
    assert found.products == ["early", "seen", "late"]
    assert found.users == ["user u", "visitor v", "user u"]
    assert found.type.tolist() == [PURCHASE, EVENT_TYPE_CODES["detail-page-view"], PURCHASE]
    assert found.timed and (np.diff(found.time) > 0).all()


def test_a_state_without_times_is_read_in_its_order(tmp_path: Path) -> None:
    store = open_state(f"sqlite:{tmp_path / 'state.db'}")
    file = write(tmp_path / "events.csv", "user_id,product_id\nu,a\nw,x\nu,b\n")
    store.import_events(read_events(file, default_event_type="purchase-complete"))
    store.close()
    found = read_state_events(f"sqlite:{tmp_path / 'state.db'}")
    assert (found.products, found.timed) == (["a", "x", "b"], False)
    assert found.time.tolist() == [0, 0, 1]  # the number of each within its user's


def test_a_visitor_who_signs_in_is_one_user(tmp_path: Path) -> None:
    store = open_state(f"sqlite:{tmp_path / 'state.db'}")
    store.append_events(
        [
            event("detail-page-view", "seen", 2.0, visitor_id="v"),
            event("purchase-complete", "bought", 1.0, user_id="u", visitor_id="v"),
        ]
    )
    store.close()
    assert read_state_events(f"sqlite:{tmp_path / 'state.db'}").users == ["user u", "user u"]


def test_rare_products_have_no_code() -> None:
    found = collect_histories(events("uuuvvw", "abaabb"), min_events=3)
    assert found.product_ids == ["a", "b"]
    assert [user.codes.tolist() for user in found.users] == [[1, 2, 1], [1, 2]]
    assert [user.indices.tolist() for user in found.users] == [[0, 1, 2], [3, 4]]
    assert found.event_codes.tolist() == [1, 2, 1, 1, 2, 2]
    assert found.counts.tolist() == [0, 3, 2]  # w has one event alone
    rarer = collect_histories(events("uuuuvvv", "aaabaaa"), min_events=2)
    assert (rarer.product_ids, [user.codes.tolist() for user in rarer.users]) == (["a"], [[1, 1, 1], [1, 1, 1]])


def test_too_little_to_learn_from() -> None:
    with pytest.raises(DataError, match=r"at least 2 users with 2 events .* found 1 among 3 events of 2 users"):
        collect_histories(events("uuv", "aaa"))


def test_windows_cover_each_step_once() -> None:
    windows = cut_windows([history([1, 2, 3, 4, 5, 6]), history([7, 8])], 3, np.random.default_rng(1))
    # from the end: 3 steps, the 2 before them, and the other history
    assert windows.read.tolist() == [[3, 4, 5], [1, 2, 0], [7, 0, 0]]
    assert windows.following.tolist() == [[4, 5, 6], [2, 3, 0], [8, 0, 0]]


def test_last_windows_ask_for_the_first_event_of_the_last_visit() -> None:
    windows = last_windows([history([1, 2, 3, 4, 5, 6], [0, 0, 1, 2, 3, 3]), history([7, 8])], 3)
    assert windows.read.tolist() == [[2, 3, 4], [7, 0, 0]]
    assert windows.following.tolist() == [[0, 0, 5], [8, 0, 0]]


def test_what_is_kept_back_is_not_learned() -> None:
    users = [f"u{number}" for number in range(40) for _ in range(4)]
    products = [f"p{(number + index) % 7}" for number in range(40) for index in range(4)]
    bought = UserEvents.purchases(users, products)
    found = collect_histories(bought)
    learned, kept = hold_out(found, bought, share=0.25, most=100, seed=3)
    assert (len(learned), len(kept)) == (40, 10)
    assert sorted(map(len, learned)) == [3] * 10 + [4] * 30
    # without times an event is a visit
    assert {one.last_visit for one in kept} == {3}
    fewer = hold_out(found, bought, share=0.25, most=4, seed=3)[1]
    assert len(fewer) == 4
    assert all(one is found.users[one.indices[0] // 4] for one in fewer)


def test_a_visit_is_a_basket_or_a_moment() -> None:
    bought = events("uuuuuu", "abcdef")
    each = np.arange(6)
    assert bought.number_visits(each).tolist() == [0, 1, 2, 3, 4, 5]
    assert replace(bought, time=np.array([1.0, 2, 3, 3, 3, 3])).number_visits(each).tolist() == [0, 1, 2, 2, 2, 2]
    baskets = np.array([NO_ORDER, NO_ORDER, 7, 7, 0, 0], np.int32)
    assert replace(bought, order=baskets).number_visits(each).tolist() == [0, 1, 2, 2, 3, 3]
    assert replace(bought, time=np.full(6, 5.0)).number_visits(each[2:]).tolist() == [0, 0, 0, 0]


def test_what_follows_a_visit_is_the_next_visit() -> None:
    baskets = history([1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 0, 1, 1, 2, 2, 2])
    assert (baskets.last_visit, baskets.before_last().codes.tolist()) == (5, [1, 2, 3, 4, 5])
    drawn = [draw_following(baskets, np.random.default_rng(seed)).tolist() for seed in range(20)]
    for one in drawn:
        # three events name the two of the next visit, one of them twice; two name two of three
        assert set(one[:3]) == {4, 5}
        assert len(set(one[3:]) & {6, 7, 8}) == 2
    assert {product for one in drawn for product in one[3:]} == {6, 7, 8}
    assert draw_following(history([1, 2, 3]), np.random.default_rng(1)).tolist() == [2, 3]
    assert not len(draw_following(history([1, 2, 3], [0, 0, 0]), np.random.default_rng(1)))
    windows = cut_windows([baskets, history([1, 2], [0, 0])], 4, np.random.default_rng(1))
    assert windows.read.tolist() == [[2, 3, 4, 5], [1, 0, 0, 0]]
    assert (windows.following > 0).tolist() == [[True] * 4, [True, False, False, False]]


def test_the_last_visit_is_kept_back_of_those_who_came_last() -> None:
    # each user has two visits of two products; the users came one after the other
    users = [f"u{number:02d}" for number in range(40) for _ in range(4)]
    time = np.array([day for number in range(40) for day in (number, number, number + 0.5, number + 0.5)])
    bought = UserEvents.purchases(users, ["a", "b", "c", "d"] * 40, time)
    found = collect_histories(bought)
    learned, kept = hold_out(found, bought, share=0.1, most=100, seed=3)
    assert [one.last_visit for one in kept] == [2] * 4
    assert {len(codes) for codes in learned} == {2, 4}
    # 4 of the 12 who came last
    assert {int(one.indices[0]) // 4 for one in kept} <= set(range(28, 40))
