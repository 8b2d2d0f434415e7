"""Histories of which only the order is known: read, imported again, grown, exported, learned from."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mercato.errors import DataError, InvalidInputError
from mercato.events.event import parse_event
from mercato.events.event_order import MAX_ORDER, count_days, has_time, order_to_time, time_to_order
from mercato.events.read_events import ReadReport, read_events
from mercato.events.write_events import write_events
from mercato.indexing.learn import find_moment, learn_signals, select_events
from mercato.signals.momentum import compute_momentum
from mercato.state import Actor, EventTable, StateStore, open_state

NOW = 1_800_000_000.0
PURCHASE: dict[str, Any] = {"default_event_type": "purchase-complete"}


def import_rows(
    store: StateStore, path: Path, rows: list[str], *, header: str = "user_id,product_id", now: float = NOW, **how: Any
) -> tuple[int, int, ReadReport]:
    path.write_text("\n".join([header, *rows]) + "\n")
    report = ReadReport()
    result = store.import_events(read_events(path, now=now, report=report, **PURCHASE, **how))
    return result.accepted, result.duplicates, report


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return open_state(f"sqlite:{tmp_path / 'state.db'}")


def products(store: StateStore, user: str) -> list[str]:
    return store.recent_events([Actor(user)], 20)[0].product_id


def test_rows_keep_their_order_and_are_known_again(store: StateStore, tmp_path: Path) -> None:
    rows = ["u,tent", "w,mug", "u,rope", "u,tent"]
    accepted, _, report = import_rows(store, tmp_path / "a.csv", rows)
    assert (accepted, report.ordered_by) == (4, "rows")
    assert products(store, "u") == ["tent", "rope", "tent"]
    assert import_rows(store, tmp_path / "a.csv", rows, now=NOW + 60)[:2] == (0, 4)


def test_a_file_that_has_grown_adds_what_is_new_wherever_it_grew(store: StateStore, tmp_path: Path) -> None:
    import_rows(store, tmp_path / "a.csv", ["u,a", "u,b", "w,x"])
    # At its end, and by users: the second file has u's new row in its middle.
    assert import_rows(store, tmp_path / "a.csv", ["u,a", "u,b", "w,x", "u,c"], now=NOW + 9)[:2] == (1, 3)
    assert import_rows(store, tmp_path / "b.csv", ["u,a", "u,b", "u,c", "u,a", "w,x", "w,y"], now=NOW + 99)[:2] == (
        2,
        4,
    )
    assert products(store, "u") == ["a", "c", "b", "a"]
    assert products(store, "w") == ["y", "x"]


def test_visitors_and_users_of_one_file_keep_their_common_order(store: StateStore, tmp_path: Path) -> None:
    header = "user_id,visitor_id,product_id"
    import_rows(store, tmp_path / "a.csv", [",v,a", "u,,x", ",v,b", "u,v,c", "u,,d"], header=header)
    assert products(store, "u") == ["d", "c", "b", "x", "a"]


def test_live_events_come_after_what_was_imported_without_times(store: StateStore, tmp_path: Path) -> None:
    store.append_events([parse_event({"event_type": "search", "user_id": "u", "product_id": "live"}, now=5.0)])
    import_rows(store, tmp_path / "a.csv", ["u,a", "u,b"])
    assert products(store, "u") == ["live", "b", "a"]


@pytest.mark.parametrize(("header", "how"), [("step", {"mapping": {"order": "step"}}), ("order", {})])
def test_a_column_gives_the_order(store: StateStore, tmp_path: Path, header: str, how: dict[str, Any]) -> None:
    rows = ["u,second,2", "u,third,30", "u,first,0", "u,bad,-1", "u,bad,1.5", "u,bad,", f"u,last,{MAX_ORDER}"]
    accepted, _, report = import_rows(store, tmp_path / "a.csv", rows, header=f"user_id,product_id,{header}", **how)
    assert (accepted, report.ordered_by) == (4, "order")
    assert products(store, "u") == ["last", "third", "second", "first"]
    assert [(row.position, row.reason.split(",")[0]) for row in report.shown] == [
        (5, f"order: must be a whole number in 0..{MAX_ORDER}"),
        (6, f"order: must be a whole number in 0..{MAX_ORDER}"),
        (7, "order: must be given for every row of a file"),
    ]


def test_where_some_rows_have_times_each_must(store: StateStore, tmp_path: Path) -> None:
    rows = ["u,a,2024-05-01,7", "u,b,,8"]
    header = "user_id,product_id,time,order"  # beside times a column of this name holds numbers of orders
    accepted, _, report = import_rows(store, tmp_path / "a.csv", rows, header=header)
    assert (accepted, [row.position for row in report.shown]) == (1, [3])
    assert report.shown[0].reason == "time: must be given for every row of a file, got none"
    accepted, _, report = import_rows(
        store, tmp_path / "b.csv", ["u,c,,9", "u,d,2024-05-01,10"], header=header, mapping={"order": "order"}
    )
    assert (accepted, "must not be given together with time" in report.shown[0].reason) == (1, True)


@pytest.mark.parametrize("values", [["2024-05-01 10:00", "2024-05-02"], ["1714557600", "1714557601"]])
def test_a_column_that_seems_to_hold_times_is_not_passed_over(
    store: StateStore, tmp_path: Path, values: list[str]
) -> None:
    rows = [f"u,p{n},{value}" for n, value in enumerate(values)]
    header = "user_id,product_id,created_at"
    with pytest.raises(DataError, match=r"'created_at' seems to hold times; map it \(--map time=created_at\)"):
        import_rows(store, tmp_path / "a.csv", rows, header=header)
    assert import_rows(store, tmp_path / "a.csv", rows, header=header, without_times=True)[0] == 2


def test_numbers_without_a_name_of_times_are_none(store: StateStore, tmp_path: Path) -> None:
    assert import_rows(store, tmp_path / "a.csv", ["u,a,1714557600"], header="user_id,product_id,barcode")[0] == 1


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_an_export_can_be_imported_again(store: StateStore, tmp_path: Path, suffix: str) -> None:
    import_rows(store, tmp_path / "a.csv", ["u,a", "u,b"])
    store.append_events([parse_event({"event_type": "search", "user_id": "u", "time": 7.5}, now=NOW)])
    path = tmp_path / f"export.{suffix}"
    write_events(path, store.export_events())
    copy = open_state(f"sqlite:{tmp_path / 'copy.db'}")
    for accepted in (3, 0):
        assert copy.import_events(read_events(path, now=NOW)).accepted == accepted
    assert copy.event_columns().time.tolist() == store.event_columns().time.tolist()
    assert products(copy, "u") == ["b", "a"]


def test_an_event_that_is_sent_may_have_an_order() -> None:
    event = {"event_type": "search", "user_id": "u"}
    assert time_to_order(parse_event({**event, "order": 5}, now=NOW).time) == 5
    assert parse_event({**event, "order": 5, "time": None}, now=NOW).time < 0
    for order in (-1, 1.5, True, "5", MAX_ORDER + 1):
        with pytest.raises(InvalidInputError, match="order: must be a"):
            parse_event({**event, "order": order}, now=NOW)
    with pytest.raises(InvalidInputError, match="together with time"):
        parse_event({**event, "order": 5, "time": 1}, now=NOW)


def test_orders_are_moments_before_all_times() -> None:
    orders = np.array([0, 1, 2, 10**9, 10**12, MAX_ORDER - 1, MAX_ORDER])
    moments = order_to_time(orders)
    assert (np.diff(moments) > 0).all()
    assert not has_time(moments).any()
    assert has_time(np.array([0.0, NOW])).all()
    assert [time_to_order(moment) for moment in moments.tolist()] == orders.tolist()
    days = count_days(np.array([moments[3], 0.0, 86_400.0]), 2 * 86_400.0, without_time=30.0)
    assert days.tolist() == [30.0, 2.0, 1.0]


def test_what_needs_no_time_is_learned_and_the_rest_is_off(store: StateStore, tmp_path: Path) -> None:
    rows = [row for user in "uvwxyz" for row in (f"{user},a", f"{user},b", f"{user},a")]
    import_rows(store, tmp_path / "a.csv", rows)
    table = store.event_columns()
    until = find_moment(table, now=NOW)
    assert until == NOW
    events, purchases = select_events(table, {"a": 0, "b": 1, "c": 2})
    signals = learn_signals(events, purchases, 3, until=until)
    assert signals.popularity.count.tolist() == [6 / 2, 6 / 2, 0]  # each person counts half, however often
    assert signals.popularity.buyers.tolist() == [6, 6, 0]
    assert signals.popularity.trend.tolist() == [0, 0, 0]
    assert signals.repeat.rate[0] > signals.repeat.rate[1]  # bought again, whenever that was
    momentum = compute_momentum(events, 3, until=until)
    assert momentum.recent_buyers.tolist() == [0, 0, 0]
    assert len(momentum.rank_trending(9)[0]) == len(momentum.rank_arrivals(9)[0]) == 0
    assert np.isfinite(momentum.age_days).all()
    assert np.isfinite(momentum.silent_days).all()


def test_a_moment_is_found_among_times_alone() -> None:
    table = EventTable.empty()
    assert find_moment(table, now=NOW) == NOW


def test_json_lines_without_times_keep_their_order(store: StateStore, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"user_id": "u", "product_id": product}) + "\n" for product in "abc"))
    store.import_events(read_events(path, now=NOW, **PURCHASE))
    assert products(store, "u") == ["c", "b", "a"]
