"""Histories of the catalogue's products: kept as long as the events they are made of, and not a change longer."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from mercato.index.live import LiveCatalog
from mercato.retrieval.histories import HistoryReader, keep_newest
from mercato.state import Actor, EventColumns, StateStore
from tests.stores import DAY, NOW, delete, event, purchase


def read(store: StateStore, user: str) -> EventColumns:
    return store.recent_events([Actor(user_id=user)], 100)[0]


def test_events_of_unknown_products_are_left_out(catalog: LiveCatalog, store: StateStore) -> None:
    store.append_events([purchase("new", "p01", 3), purchase("new", "of another shop", 2), purchase("new", "p02", 1)])
    events = read(store, "new")
    history = HistoryReader(catalog).read(events)
    assert history.rows.tolist() == [catalog.row_of("p02"), catalog.row_of("p01")]
    assert history.time.tolist() == [events.time[0], events.time[2]]
    assert len(history) == len(history.type) == len(history.price) == 2
    assert history.quantity is not None
    assert len(history.quantity) == 2


def test_the_same_events_give_the_same_history_until_a_product_changes(catalog: LiveCatalog, store: StateStore) -> None:
    store.append_events([purchase("new", "p01", 2), purchase("new", "p02", 1), purchase("new", "p01", 3)])
    reader = HistoryReader(catalog)
    first = reader.read(read(store, "new"))
    assert reader.read(read(store, "new")) is first
    store.append_product_changes([delete("p01")])
    catalog.refresh()
    assert reader.read(read(store, "new")).rows.tolist() == [catalog.row_of("p02")]
    store.append_events([purchase("new", "p03", 0)])
    assert reader.read(read(store, "new")).rows.tolist() == [catalog.row_of("p03"), catalog.row_of("p02")]


def test_a_history_goes_with_its_events(catalog: LiveCatalog) -> None:
    events = EventColumns(
        product_id=["p01"],
        event_type=np.zeros(1, np.uint8),
        time=np.zeros(1),
        quantity=np.ones(1, np.int32),
        price=np.ones(1, np.float32),
        sequence=np.ones(1, np.int64),
    )
    reader = HistoryReader(catalog)
    kept = weakref.ref(reader.read(events))
    assert kept() is not None
    del events
    gc.collect()
    assert kept() is None


def test_distinct_products_and_the_index_of_each_event(catalog: LiveCatalog, store: StateStore) -> None:
    store.append_events([purchase("new", name, days) for days, name in enumerate(["p03", "p01", "p03"])])
    history = HistoryReader(catalog).read(read(store, "new"))
    products, position = history.distinct
    assert products.tolist() == sorted({catalog.row_of("p01"), catalog.row_of("p03")})
    assert products[position].tolist() == history.rows.tolist()


def test_what_came_back_is_in_no_history_and_some_pieces_are_fewer(catalog: LiveCatalog, store: StateStore) -> None:
    store.append_events(
        [
            event("detail-page-view", "p01", 6, user_id="new"),
            event("purchase-complete", "p01", 5, user_id="new"),
            event("purchase-complete", "p02", 5, user_id="new", quantity=5),
            event("purchase-complete", "p03", 4, user_id="new", order_id="whole"),
            event("purchase-complete", "p01", 3, user_id="new", quantity=-1),
            event("refund", "p02", 3, user_id="new", quantity=2),
            event("refund", "", 2, user_id="new", order_id="whole"),
        ]
    )
    reader, events = HistoryReader(catalog), read(store, "new")
    history = reader.read(events)
    assert history.rows.tolist() == [catalog.row_of("p02")]
    assert history.quantity is not None
    assert history.quantity.tolist() == [3]
    before = reader.read(events, until=NOW - 3.5 * DAY)
    assert sorted(before.rows.tolist()) == sorted(catalog.rows_of(["p01", "p01", "p02", "p03"]).tolist())


def test_of_a_moment_what_happened_later_is_not_known(catalog: LiveCatalog, store: StateStore) -> None:
    store.append_events([purchase("new", "p01", 3), purchase("new", "p02", 2), purchase("new", "p03", 1)])
    reader, events = HistoryReader(catalog), read(store, "new")
    assert len(reader.read(events, until=NOW)) == 3
    assert reader.read(events, until=NOW - 2 * DAY).rows.tolist() == catalog.rows_of(["p02", "p01"]).tolist()
    assert len(reader.read(events, until=NOW - 9 * DAY)) == 0
    assert len(keep_newest(reader.read(events), 2)) == 2
