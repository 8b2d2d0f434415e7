"""Histories of the catalogue's products: kept as long as the events they are made of, and not a change longer."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from mercato.index.live import LiveCatalog
from mercato.retrieval.histories import HistoryReader
from mercato.state import Actor, EventColumns, StateStore
from tests.stores import delete, purchase


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
