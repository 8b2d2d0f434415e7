"""An actor's events as a history of the catalogue's products, and what each product of it weighs."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from mercato.arrays import Float32, Float64, Int32
from mercato.events.event_order import count_days
from mercato.features.inputs import History
from mercato.index.live import LiveCatalog
from mercato.signals.history import TYPE_WEIGHTS
from mercato.state.values import EventColumns

RECENT_PRODUCTS = 50
"""Distinct products of a history that co-occurrence starts from."""
REPEAT_HALF_LIFE_DAYS = 60.0


class HistoryReader:
    """Turns events into histories, and keeps each for as long as the state keeps its events in memory.

    A history costs 16 bytes an event while it is kept, beside the 33 of the events; 33 where a product is unknown.
    """

    def __init__(self, catalog: LiveCatalog) -> None:
        """Keep nothing yet.

        Args:
            catalog: the products.
        """
        self._catalog = catalog
        self._kept: WeakKeyDictionary[EventColumns, tuple[int, History]] = WeakKeyDictionary()

    def read(self, events: EventColumns) -> History:
        """Return the events with known products, in their order.

        Args:
            events: one actor's; the same object as before gives the same history, unless products changed in between.
        """
        changes = len(self._catalog.delta)
        kept = self._kept.get(events)
        if kept is not None and kept[0] == changes:
            return kept[1]
        rows = self._catalog.rows_of(events.product_id)
        history = drop_unknown(
            History(rows=rows, time=events.time, type=events.event_type, price=events.price, quantity=events.quantity)
        )
        self._kept[events] = changes, history
        return history


def drop_unknown(history: History) -> History:
    """Return the events with products that the catalogue has; the same object where that is all."""
    keep = history.rows >= 0
    if keep.all():
        return history
    return History(
        rows=history.rows[keep],
        time=history.time[keep],
        type=history.type[keep],
        price=history.price[keep],
        quantity=None if history.quantity is None else history.quantity[keep],
    )


def weigh_events(history: History, now: float) -> Float64:
    """Return what each event says for its product, float64 [h]: type weight * 0.5 ** (age / 60 days).

    An event without a time counts half.
    """
    age_days = np.maximum(count_days(history.time, now, without_time=REPEAT_HALF_LIFE_DAYS), 0.0)
    weights: Float64 = TYPE_WEIGHTS[history.type] * 0.5 ** (age_days / REPEAT_HALF_LIFE_DAYS)
    return weights


def recent_products(rows: Int32, limit: int = RECENT_PRODUCTS) -> tuple[Int32, Float32]:
    """Return the last distinct products of a history and their weights.

    Args:
        rows: int32 [h], newest first; negative ones are left out.
        limit: how many products.

    Returns:
        Rows int32 [m], newest first, and weights float32 [m]: 1 / sqrt(rank), so that the last counts most.
    """
    known = rows[rows >= 0]
    head = dict.fromkeys(known[: 4 * limit].tolist())  # mostly enough
    if len(head) < limit:
        head = dict.fromkeys(known.tolist())
    distinct = np.array(list(head)[:limit], np.int32)
    return distinct, (1.0 / np.sqrt(np.arange(1, len(distinct) + 1))).astype(np.float32)


def whole_history(history: History, fade: float = 0.0) -> tuple[Int32, Float32]:
    """Return the distinct products of a history and their weights.

    A product weighs what its most weighted event does, times ``n ** -fade`` where it is the n-th last product.

    Args:
        history: the shopper's events, newest first.
        fade: how fast a history fades; 0 for not at all.

    Returns:
        Rows int32 [m], ascending, and weights float32 [m], above 0.
    """
    weights = find_largest_weights(history)
    products, index = history.distinct
    if fade and len(products):
        newest = np.empty(len(products), np.int64)
        newest[index[::-1]] = np.arange(len(index))[::-1]  # the last one written is the newest event
        rank = np.empty(len(products), np.float32)
        rank[np.argsort(newest)] = np.arange(1, len(products) + 1)
        weights *= rank ** np.float32(-fade)
    weighted = (weights > 0) & (products >= 0)
    return products[weighted], weights[weighted]


def find_largest_weights(history: History) -> Float32:
    """Return the weight of the most weighted event with each distinct product of a history, float32 [m]."""
    products, index = history.distinct
    weights = np.zeros(len(products), np.float32)
    np.maximum.at(weights, index, TYPE_WEIGHTS[history.type])
    return weights
