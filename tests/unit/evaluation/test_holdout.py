"""Purchases split into what is known and what is to be recommended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mercato.errors import DataError, InvalidInputError
from mercato.evaluation.holdout import divide, read_interactions, refuse_late_catalog, refuse_late_state
from mercato.evaluation.shoppers import group_by_history, list_shoppers
from mercato.index.manifest import Manifest
from mercato.text.timestamps import parse_timestamp
from tests.stores import DAY, NOW, open_store, purchase

ROWS = """user_id,product_id,time,country
u1,a,2011-10-01,UK
u1,b,2011-11-02,UK
u2,c,2011-11-03,FR
u1,a,2011-11-04,UK
"""
NOVEMBER = parse_timestamp("2011-11-01T00:00:00Z")


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_split_by_time_asks_for_what_came_later(tmp_path: Path) -> None:
    split = divide(write(tmp_path, "h.csv", ROWS), {}, NOVEMBER, False, None, ["country"])
    assert list(zip(split.test.users, split.test.products, strict=True)) == [("u1", "b"), ("u2", "c"), ("u1", "a")]
    assert list(zip(split.past.users, split.past.products, strict=True)) == [("u1", "a")]
    assert split.moment == {"u1": NOVEMBER, "u2": NOVEMBER}
    assert split.test.columns == {"country": ["UK", "FR", "UK"]}


def test_without_a_split_all_is_asked_for_as_of_the_first_row(tmp_path: Path) -> None:
    split = divide(write(tmp_path, "h.csv", ROWS), {}, None, False, None)
    assert len(split.test.users) == 4
    assert set(split.moment.values()) == {parse_timestamp("2011-10-01T00:00:00Z")}


def test_the_last_row_of_each_user_is_left_out(tmp_path: Path) -> None:
    split = divide(write(tmp_path, "h.csv", ROWS), {}, None, True, None)
    assert (split.test.users, split.test.products) == (["u1"], ["a"])  # u2 has one row and no past
    assert split.past.products == ["a", "b", "c"]
    assert split.moment == {"u1": parse_timestamp("2011-11-04T00:00:00Z")}


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("user_id,product_id,order\nu,x,3\nu,y,1\nu,z,2\n", "x"),
        ("user_id,product_id\nu,x\nu,y\nu,z\n", "z"),
    ],
)
def test_order_is_enough_where_there_are_no_times(tmp_path: Path, text: str, last: str) -> None:
    split = divide(write(tmp_path, "h.csv", text), {}, None, True, None)
    assert split.test.products == [last]
    assert split.moment == {}


def test_only_new_products_count_where_that_is_asked(tmp_path: Path) -> None:
    split = divide(write(tmp_path, "h.csv", ROWS), {}, NOVEMBER, False, None)
    everything = {shopper.user: dict(shopper.bought) for shopper in list_shoppers(split, new_only=False)}
    assert everything == {"u1": {"b": 1, "a": 1}, "u2": {"c": 1}}
    new = list_shoppers(split, new_only=True, unknown=frozenset("c"))
    assert [(shopper.user, dict(shopper.bought)) for shopper in new] == [("u1", {"b": 1})]
    assert new[0].before == {"a"}


def test_events_that_overlap_the_holdout_are_refused_with_the_dates(tmp_path: Path) -> None:
    holdout = write(tmp_path, "h.csv", "user_id,product_id,time\nu1,b,2011-11-02\n")
    events = write(tmp_path, "e.csv", "user_id,product_id,time\nu1,a,2011-10-01\nu9,z,2011-11-02\n")
    with pytest.raises(DataError) as caught:
        divide(holdout, {}, None, False, events)
    assert "2011-10-01T00:00:00Z to 2011-11-02T00:00:00Z" in str(caught.value)
    assert "the holdout starts at 2011-11-02T00:00:00Z: 1 of them" in str(caught.value)


def test_events_before_the_holdout_are_what_is_known(tmp_path: Path) -> None:
    holdout = write(tmp_path, "h.csv", "customer,product_id,time\nu1,b,2011-11-02\n")
    events = write(tmp_path, "e.csv", "user_id,product_id,time\nu1,a,2011-10-01\n")
    split = divide(holdout, {"user_id": "customer"}, None, False, events)
    assert split.past.products == ["a"]


def test_a_state_as_late_as_the_holdout_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path / "state.db", [purchase("u1", "a", 30), purchase("u1", "b", 5)]).close()
    early = f"user_id,product_id,time\nu1,c,{NOW - 4 * DAY}\n"
    late = f"user_id,product_id,time\nu1,c,{NOW - 6 * DAY}\n"
    url = f"sqlite:{tmp_path / 'state.db'}"
    refuse_late_state(divide(write(tmp_path, "early.csv", early), {}, None, False, None), url)
    with pytest.raises(DataError, match="the server's state .* the holdout starts at 2023-11-08T22:13:20Z: 1 of them"):
        refuse_late_state(divide(write(tmp_path, "late.csv", late), {}, None, False, None), url)


def test_without_times_a_state_that_holds_what_is_to_be_recommended_is_refused(tmp_path: Path) -> None:
    rows = "user_id,product_id\nu1,a\nu1,b\nu2,c\nu2,d\n"
    split = divide(write(tmp_path, "h.csv", rows), {}, None, True, None)
    url = f"sqlite:{tmp_path / 'state.db'}"
    open_store(tmp_path / "state.db", [purchase("u1", "a", 30), purchase("u2", "c", 30)]).close()
    refuse_late_state(split, url)
    open_store(tmp_path / "state.db", [purchase("u1", "b", 20)]).close()
    with pytest.raises(DataError, match="holds 1 of the 2 purchases that are to be recommended"):
        refuse_late_state(split, url)


def write_catalog(folder: Path, **fields: object) -> Path:
    manifest = Manifest(created="2026-01-01T00:00:00+00:00", products=1, texts=1, dimension=4, encoder="e", files={})
    document = {**manifest.model_dump(), **fields}
    if "last_event_time" not in fields:
        del document["last_event_time"]
    return write(folder, "manifest.json", json.dumps(document)).parent


def test_a_catalogue_as_late_as_the_holdout_is_refused(tmp_path: Path) -> None:
    split = divide(write(tmp_path, "h.csv", ROWS), {}, NOVEMBER, False, None)
    refuse_late_catalog(split, write_catalog(tmp_path, last_event_time=NOVEMBER - 1))
    refuse_late_catalog(split, write_catalog(tmp_path, last_event_time=None))
    with pytest.raises(DataError, match="up to 2011-11-01T00:00:00Z, the holdout starts at 2011-11-01T00:00:00Z"):
        refuse_late_catalog(split, write_catalog(tmp_path, last_event_time=NOVEMBER))
    with pytest.raises(DataError, match="index it again"):
        refuse_late_catalog(split, write_catalog(tmp_path))


def test_a_catalogue_may_know_others_later_purchases_where_each_user_has_a_moment(tmp_path: Path) -> None:
    rows = ROWS + "u2,d,2011-11-06,FR\n"  # the last of u1 is of 4 November
    split = divide(write(tmp_path, "h.csv", rows), {}, None, True, None)
    refuse_late_catalog(split, write_catalog(tmp_path, last_event_time=NOVEMBER + 4 * DAY))
    with pytest.raises(DataError, match="the holdout starts at 2011-11-06T00:00:00Z"):
        refuse_late_catalog(split, write_catalog(tmp_path, last_event_time=NOVEMBER + 5 * DAY))


def test_groups_by_history_are_cut_at_the_median(tmp_path: Path) -> None:
    past = "".join(f"{user},p{n},2011-01-01\n" for user, count in (("a", 1), ("b", 3), ("c", 9)) for n in range(count))
    later = "".join(f"{user},q,2011-11-02\n" for user in "abcd")
    file = write(tmp_path, "h.csv", "user_id,product_id,time\n" + past + later)
    split = divide(file, {}, NOVEMBER, False, None)
    groups = group_by_history(list_shoppers(split, new_only=False), split.past)
    assert groups == {"a": "light", "b": "heavy", "c": "heavy", "d": "new"}  # median of 1, 3, 9 is 3


def test_bad_rows_are_counted_and_harm_no_other(tmp_path: Path) -> None:
    long = "i" * 10_000
    rows = [
        ",a,2011-01-01,1",
        "u,,2011-01-01,1",
        "u,a,yesterday,1",
        "u,b,2011-01-01,1",
        "u,a,2031-01-01,1",
        "u,a,2011-01-01,0",
        "u,a,2011-01-01,-2",
        f"{long},a,2011-01-01,1",
        f"u,{long},2011-01-01,1",
        "u,c,2011-01-01,",  # a quantity that is not given is one
    ]
    text = "user_id,product_id,time,quantity\n" + "\n".join(rows) + "\n"
    found = read_interactions(write(tmp_path, "h.csv", text), now=NOVEMBER)
    assert (found.products, found.rows, found.rejected) == (["b", "c"], 10, 8)
    assert [row.position for row in found.shown] == [2, 3, 4, 6, 7, 8, 9, 10]
    assert "256 bytes" in found.shown[-1].reason
    assert found.shown[2].reason == "time: must be a date or a time"
    assert found.shown[3].reason == "time: must not be in the future"
    assert "what was returned is no purchase" in found.shown[5].reason


def test_a_product_that_is_bought_twice_is_one_to_recommend(tmp_path: Path) -> None:
    text = "user_id,product_id,time\nu,a,2011-11-03\nu,a,2011-11-02\nu,a,2011-11-02\n"
    split = divide(write(tmp_path, "h.csv", text), {}, NOVEMBER - DAY, False, None)
    assert [dict(shopper.bought) for shopper in list_shoppers(split, new_only=False)] == [{"a": 1}]


def test_rows_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    text = "user_id,product_id,time\nu,late,2011-11-05\nu,first,2011-10-01\nu,middle,2011-10-02\n"
    split = divide(write(tmp_path, "h.csv", text), {}, None, True, None)
    assert (split.test.products, split.past.products) == (["late"], ["first", "middle"])


@pytest.mark.parametrize(
    ("text", "moment", "last_out", "message"),
    [
        ("user_id,product_id\n", None, False, "holds no purchase"),
        ("customer_id,sku\nu,a\n", None, False, "--map user_id=customer_id --map product_id=sku"),
        ("user_id,product_id\nu,a\n", NOVEMBER, False, "--split needs a time in every row"),
        ("user_id,product_id,time\nu,a,2011-01-05\n", NOVEMBER, False, "nothing from 2011-11-01T00:00:00Z on"),
        ("user_id,product_id\nu,a\n", None, True, "no user of h.csv has two orders"),
    ],
)
def test_a_holdout_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, moment: float | None, last_out: bool, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        divide(write(tmp_path, "h.csv", text), {}, moment, last_out, None)
    assert message in str(caught.value)


def test_two_ways_to_split_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="choose one"):
        divide(write(tmp_path, "h.csv", ROWS), {}, NOVEMBER, True, None)


ORDERS = """user_id,product_id,time,order_id
u,a,2011-10-01T10:00:00Z,1
u,b,2011-10-01T10:00:00Z,1
u,c,2011-11-02T10:00:00Z,2
u,d,2011-11-02T10:05:00Z,2
v,a,2011-11-02T10:00:00Z,3
v,b,2011-11-02T10:00:00Z,3
"""


@pytest.mark.parametrize("orders", ["order_id", "order", "nothing"])
def test_the_last_order_is_left_out_whole(tmp_path: Path, orders: str) -> None:
    split = divide(write(tmp_path, "h.csv", ORDERS.replace("order_id", orders)), {}, None, True, None)
    last = ["d"] if orders == "nothing" else ["c", "d"]  # without numbers of orders what has one time is one
    assert (split.test.users, split.test.products) == (["u"] * len(last), last)  # v has one order and no past
    start = "2011-11-02T10:05:00Z" if orders == "nothing" else "2011-11-02T10:00:00Z"
    assert split.moment == {"u": parse_timestamp(start)}
    [shopper] = list_shoppers(split, new_only=False)
    assert shopper.moment is not None


def test_a_refusal_says_that_orders_were_cut_in_two(tmp_path: Path) -> None:
    more = "w,a,2011-10-01,8\nw,b,2011-10-09,9\n"
    holdout = write(tmp_path, "h.csv", ORDERS + more)
    known = write(tmp_path, "e.csv", "user_id,product_id,time\nu,a,2011-10-01\nu,c,2011-11-02T10:00:00Z\n")
    with pytest.raises(DataError, match=r"1 purchases of the very moment .* orders that are kept back whole"):
        divide(holdout, {}, None, True, known)
