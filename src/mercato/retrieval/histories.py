"""An actor's events as a history of the catalogue's products, and what each product of it weighs."""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from mercato.arrays import Bool, Float32, Float64, Int32
from mercato.events.event_order import count_days
from mercato.events.event_type import EVENT_TYPE_CODES, OPINION_TYPES
from mercato.features.inputs import History
from mercato.index.live import LiveCatalog
from mercato.retrieval.taste import NO_TASTE, Taste, find_taste
from mercato.signals.history import TYPE_WEIGHTS
from mercato.signals.said import NEVER
from mercato.signals.undone import find_standing, takes_back
from mercato.state.values import EventColumns

RECENT_PRODUCTS = 50
"""Distinct products of a history that co-occurrence starts from."""
REPEAT_HALF_LIFE_DAYS = 60.0
OPINIONS = np.array([EVENT_TYPE_CODES[name] for name in OPINION_TYPES], np.uint8)
"""uint8 [o]: codes of opinions; those that a history has are likes."""


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
        self._kept: WeakKeyDictionary[EventColumns, tuple[int, History, Taste]] = WeakKeyDictionary()

    def read(self, events: EventColumns, *, until: float | None = None) -> History:
        """Return the events that still stand; see `read_with_taste`."""
        return self.read_with_taste(events, until=until)[0]

    def read_with_taste(self, events: EventColumns, *, until: float | None = None) -> tuple[History, Taste]:
        """Return the events that still stand, with known products, in their order, and what the shopper does not want.

        Args:
            events: one actor's; the same object as before gives the same history, unless products changed in between.
            until: seconds since 1970; what happened later is not known yet. None for all.
        """
        past = until is not None and len(events) > 0 and float(events.time[0]) > until
        changes = len(self._catalog.delta)
        kept = None if past else self._kept.get(events)
        if kept is not None and kept[0] == changes:
            return kept[1:]
        rows = self._catalog.rows_of(events.product_id)
        history, disliked = _drop_undone(rows, events, until if past else None)
        history = drop_unknown(history)
        taste = NO_TASTE
        if len(disliked):
            liked = history.rows[np.isin(history.type, OPINIONS)]
            taste = find_taste(self._catalog, history, disliked, liked)
        if not past:
            self._kept[events] = changes, history, taste
        return history, taste


def _drop_undone(rows: Int32, events: EventColumns, until: float | None) -> tuple[History, Int32]:
    """Drop what was taken back, or came later than what is known.

    Args:
        rows: int32 [n], the row of each event's product, -1 for an unknown one.
        events: one actor's.
        until: seconds since 1970; None for all.

    Returns:
        The events that are left, and int32 [d], the rows of the products that the shopper's last word is against.
    """
    known = slice(None) if until is None else slice(int(np.searchsorted(-events.time, -until)), None)
    history = History(
        rows=rows[known],
        time=events.time[known],
        type=events.event_type[known],
        price=events.price[known],
        quantity=events.quantity[known],
    )
    if not takes_back(history.type):
        return history, rows[:0]
    count = len(history)
    order = np.full(count, -1, np.int32) if events.order is None else events.order[known]
    backwards = slice(None, None, -1)  # as they came
    standing = find_standing(
        np.zeros(count, np.int32),
        history.rows[backwards],
        order[backwards],
        history.time[backwards],
        history.type[backwards],
        events.quantity[known][backwards],
        np.array([not product_id for product_id in events.product_id[known][backwards]], np.bool_),
    )
    if standing is None:
        return history, rows[:0]
    pieces = np.ascontiguousarray(standing.pieces[backwards])
    left = _select(replace(history, quantity=pieces), standing.counts()[backwards])
    if standing.against_until is None:
        return left, rows[:0]
    return left, history.rows[standing.against_until[backwards] == NEVER]


def drop_unknown(history: History) -> History:
    """Return the events with products that the catalogue has; the same object where that is all."""
    keep = history.rows >= 0
    return history if keep.all() else _select(history, keep)


def drop_unwanted(history: History, taste: Taste) -> History:
    """Return the events with other products than those that a shopper does not want; the same object where all are."""
    if not taste:
        return history
    if taste not in _WANTED or _WANTED[taste][0] is not history:
        _WANTED[taste] = history, _select(history, ~np.isin(history.rows, taste.unwanted))
    return _WANTED[taste][1]


_WANTED: WeakKeyDictionary[Taste, tuple[History, History]] = WeakKeyDictionary()
"""What is left of the last history that each taste was asked of: as long as both are kept, so is what it comes to."""


def keep_newest(history: History, limit: int) -> History:
    """Return the newest events of a history, at most a limit; the same object where that is all."""
    return history if len(history) <= limit else _select(history, np.arange(len(history)) < limit)


def _select(history: History, keep: Bool) -> History:
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
