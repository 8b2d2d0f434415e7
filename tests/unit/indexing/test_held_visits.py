"""Which visits are held back: the last ones of shoppers who came back, whole, and nothing of them stays."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mercato.events.event import Event
from mercato.indexing.held_visits import HeldBack, hold_back
from mercato.indexing.learn import find_rows
from mercato.signals.history import PURCHASE
from mercato.state.values import EventTable
from tests import stores

ROWS = {f"p{n}": n for n in range(20)}


def table_of(folder: Path, events: list[Event]) -> EventTable:
    store = stores.open_store(folder / "state.db", events)
    table = store.event_columns()
    store.close()
    return table


def held_of(table: EventTable, limit: int = 100) -> HeldBack:
    random = np.random.default_rng(1)
    return hold_back(table, find_rows(table, ROWS), until=stores.NOW, limit=limit, random=random)


def test_the_last_visit_of_who_came_back(tmp_path: Path) -> None:
    table = table_of(
        tmp_path,
        [
            stores.purchase("u1", "p1", 30),
            stores.purchase("u1", "p2", 20),
            stores.event("detail-page-view", "p3", 10.01, user_id="u1"),
            stores.purchase("u1", "p3", 10),
            stores.purchase("u1", "p4", 10),
            stores.event("detail-page-view", "p5", 3, user_id="u1"),
            stores.purchase("u2", "p1", 30),
        ],
    )
    held = held_of(table)
    assert held.shoppers == 1, "of u2 nothing is known before"
    (visit,) = held.visits
    assert visit.bought.tolist() == [3, 4]
    assert visit.history.rows.tolist() == [2, 1], "the view of that day is a part of the visit, what followed is later"
    assert held.events.tolist() == [False, False, True, True, True, True, False]


def test_of_many_the_later_half(tmp_path: Path) -> None:
    events = [stores.purchase(f"u{n}", "p1", 100) for n in range(10)]
    events += [stores.purchase(f"u{n}", "p2", 50 - n) for n in range(10)]
    held = held_of(table_of(tmp_path, events))
    assert held.shoppers == 10
    assert sorted(round((stores.NOW - visit.time) / stores.DAY) for visit in held.visits) == [41, 42, 43, 44, 45]


def test_an_empty_log(tmp_path: Path) -> None:
    held = held_of(table_of(tmp_path, []))
    assert (held.visits, held.shoppers, len(held.events)) == ([], 0, 0)


def test_where_nobody_buys_what_was_looked_at_counts(tmp_path: Path) -> None:
    views = [stores.event("detail-page-view", f"p{n}", 9 - n, user_id="u1") for n in range(3)]
    (visit,) = held_of(table_of(tmp_path, views)).visits
    assert visit.bought.tolist() == [2]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 19), st.floats(0.1, 40)), max_size=30),
)
def test_nothing_of_a_visit_is_in_its_history(drawn: list[tuple[int, int, float]]) -> None:
    order = np.argsort([-ago for _, _, ago in drawn], kind="stable")
    table = EventTable(
        sequence=np.arange(len(drawn)),
        time=np.array([stores.NOW - drawn[at][2] * stores.DAY for at in order]),
        event_type=np.full(len(drawn), PURCHASE, np.uint8),
        user=np.array([drawn[at][0] for at in order], np.int32),
        visitor=np.full(len(drawn), -1, np.int32),
        product=np.array([drawn[at][1] for at in order], np.int32),
        order=np.full(len(drawn), -1, np.int32),
        quantity=np.ones(len(drawn), np.int32),
        price=np.zeros(len(drawn), np.float32),
        users=[f"u{n}" for n in range(4)],
        visitors=[],
        products=list(ROWS),
        orders=[],
    )
    held = held_of(table)
    for visit in held.visits:
        assert len(visit.history) > 0
        assert len(visit.bought) > 0
        assert (np.diff(visit.history.time) <= 0).all()
        assert (visit.history.time // stores.DAY < visit.time // stores.DAY).all()
    assert held.events.sum() >= sum(len(visit.bought) for visit in held.visits)
