"""What a shopper said is read however many events came since; a state of before gets the index of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mercato.events.event import parse_event
from mercato.events.event_type import EVENT_TYPE_CODES, SAID_TYPES
from mercato.indexing.learn import number_products, select_events
from mercato.signals.undone import drop_undone
from mercato.state.schema import SCHEMA_VERSION
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import Actor
from tests import stores


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = stores.open_store(tmp_path / "state.db")
    yield store
    store.close()


def say(store: SqliteStateStore, event_type: str, product: str, time: float, **fields: Any) -> None:
    who = fields or {"user_id": "u"}
    named = {"product_id": product} if product else {}
    store.append_events([parse_event({"event_type": event_type, "time": time, **named, **who}, now=stores.NOW)])


def read(store: SqliteStateStore, limit: int, **who: str) -> list[tuple[str, float]]:
    [found] = store.recent_events([Actor(**(who or {"user_id": "u"}))], limit)
    return list(zip(found.product_id, found.time.tolist(), strict=True))


def test_the_codes_of_what_is_said_are_one_range_to_the_end() -> None:
    # The index of it is made of all types from the first on: another kind of event behind them would be in it.
    codes = [EVENT_TYPE_CODES[name] for name in SAID_TYPES]
    assert codes == list(range(9, len(EVENT_TYPE_CODES)))


def test_what_was_said_before_the_events_that_are_read_follows_them(store: SqliteStateStore) -> None:
    say(store, "dislike", "bad", 1.0)
    say(store, "detail-page-view", "old", 2.0)
    say(store, "reset", "", 3.0)
    for time in (4.0, 5.0, 6.0):
        say(store, "detail-page-view", "new", time)
    newest = [("new", 6.0), ("new", 5.0)]
    assert read(store, 2) == [*newest, ("", 3.0), ("bad", 1.0)]
    assert read(store, 6) == [*newest, ("new", 4.0), ("", 3.0), ("old", 2.0), ("bad", 1.0)]
    assert read(store, 0) == []


def test_of_a_visitor_who_signed_in_too(store: SqliteStateStore) -> None:
    say(store, "dislike", "bad", 1.0, visitor_id="v")
    say(store, "detail-page-view", "in", 2.0, visitor_id="v", user_id="u")
    say(store, "detail-page-view", "out", 3.0, visitor_id="v")
    assert read(store, 1) == read(store, 1, visitor_id="v") == [("out", 3.0), ("bad", 1.0)]
    say(store, "hide", "worse", 0.5, visitor_id="w")
    say(store, "detail-page-view", "seen", 4.0, visitor_id="w")
    assert read(store, 1, visitor_id="w") == [("seen", 4.0), ("worse", 0.5)]


def test_a_state_of_before_gets_the_index(tmp_path: Path, store: SqliteStateStore) -> None:
    say(store, "dislike", "bad", 1.0)
    store.close()
    with sqlite3.connect(tmp_path / "state.db") as connection:
        for statement in ("DROP INDEX said_by_user", "DROP INDEX said_by_visitor", "PRAGMA user_version = 3"):
            connection.execute(statement)
    connection.close()
    again = SqliteStateStore(str(tmp_path / "state.db"))
    say(again, "detail-page-view", "new", 2.0)
    assert read(again, 1) == [("new", 2.0), ("bad", 1.0)]
    again.close()
    with sqlite3.connect(tmp_path / "state.db") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    connection.close()


def test_what_is_learned_counts_likes_and_no_dislikes(store: SqliteStateStore) -> None:
    products = stores.make_products()
    numbers = number_products(products)
    for product, event_type, fields in (
        ("p00", "like", {}),
        ("p01", "rating", {"rating": 5}),
        ("p02", "wishlist-add", {}),
        ("p03", "dislike", {}),
        ("p04", "rating", {"rating": 1}),
        ("p05", "rating", {"rating": 3}),
        ("p06", "hide", {}),
        ("p07", "not-interested", {}),
    ):
        for at, kind in ((1.0, "detail-page-view"), (2.0, event_type)):
            more = fields if kind == event_type else {}
            document = {"event_type": kind, "user_id": "u", "product_id": product, "time": at, **more}
            store.append_events([parse_event(document, now=stores.NOW)])
    table = store.event_columns()
    rows = np.array([numbers[table.products[code]] for code in table.product.tolist()], np.int32)
    events, purchases = select_events(drop_undone(table, rows), numbers)
    weighed = zip(events.product.tolist(), events.weight.tolist(), strict=True)
    kept = sorted((products[row].id, round(weight, 2)) for row, weight in weighed)
    likes = [("p00", 0.3), ("p00", 0.8), ("p01", 0.3), ("p01", 0.8), ("p02", 0.3), ("p02", 0.5)]
    assert kept == [*likes, ("p05", 0.3)]
    assert events.quantity is not None
    assert set(events.quantity.tolist()) == {1}
    assert len(purchases) == 0
