"""From an actor's events to a history of the catalogue's products."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from mercato.features.inputs import History
from mercato.index.live import LiveCatalog
from mercato.state.values import EventColumns


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
