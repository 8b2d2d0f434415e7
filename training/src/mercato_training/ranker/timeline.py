"""All actors' events in order of time, and what each actor knew before a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.features.inputs import History
from mercato.signals.events import EventColumns
from mercato.signals.history import PURCHASE
from mercato.signals.popularity import compute_popularity
from mercato.signals.undone import find_table_standing
from mercato.state.values import EventTable

FURTHER = {"cart": EVENT_TYPE_CODES["add-to-cart"], "click": EVENT_TYPE_CODES["detail-page-view"]}
"""What else than a purchase a request may lead to, and the code of the event that tells it."""
SESSION_GAP_S = 1_800.0
"""A pause that ends a session, as web analytics count it."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Orders of known actors.

    Attributes:
        actor: int32 [orders], code of the actor.
        time: float64 [orders], time of the order's first purchase, seconds since 1970 UTC.
        bounds: int64 [orders + 1]; the products of order ``i`` are ``rows[bounds[i]:bounds[i + 1]]``.
        rows: int32 [purchases], distinct product rows within an order.
        device_region: int32 [orders], index in ``device_regions``, -1 where the first purchase does not say.
        device_regions: device and region of orders, each empty where not given.
        timeline: where the orders were found.
        opened: int64 [orders], position in the timeline of the first event of the session that ended in the order.
        closed: int64 [orders], position of the order's first purchase.
    """

    actor: NDArray[np.int32]
    time: NDArray[np.float64]
    bounds: NDArray[np.int64]
    rows: NDArray[np.int32]
    device_region: NDArray[np.int32]
    device_regions: Sequence[tuple[str, str]]
    timeline: Timeline
    opened: NDArray[np.int64]
    closed: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of orders."""
        return len(self.time)

    def device_region_of(self, order: int) -> tuple[str, str]:
        """Return device and region of one order, empty where not given."""
        code = int(self.device_region[order])
        return self.device_regions[code] if code >= 0 else ("", "")

    def products(self, order: int) -> NDArray[np.int32]:
        """Return the distinct rows of one order."""
        return self.rows[self.bounds[order] : self.bounds[order + 1]]

    def draw_moment(self, order: int, rng: np.random.Generator) -> float:
        """Draw when in the session that ended in the order a request was made: just before any of its events.

        At the order's own moment most of what led to it was done already, and a shopper who looks around has most
        of it before them. Where the log has purchases alone that is the one moment there is, and nothing is drawn.
        """
        opened, closed = int(self.opened[order]), int(self.closed[order])
        position = closed if opened == closed else int(rng.integers(opened, closed + 1))
        return float(self.timeline.time[position])

    def find_further(self, order: int, moment: float) -> dict[str, NDArray[np.int32]]:
        """Return what was done with which products from a moment of the session until the order."""
        until = float(np.nextafter(self.time[order], np.inf))
        return self.timeline.find_further(int(self.actor[order]), since=moment, until=until)


class Timeline:
    """Events of users (visitors are left out: they have no past) about known products, by user and time."""

    def __init__(self, events: EventTable, row_by_id: Mapping[str, int]) -> None:
        """Sort the events.

        Args:
            events: the history of all users.
            row_by_id: row of each product of the catalogue.
        """
        row_of_code = np.array([row_by_id.get(product, -1) for product in events.products], dtype=np.int32)
        keep = np.flatnonzero((events.product >= 0) & (events.user >= 0))
        keep = keep[row_of_code[events.product[keep]] >= 0] if len(row_of_code) else keep[:0]
        keep = keep[np.lexsort((events.sequence[keep], events.time[keep], events.user[keep]))]
        self.actor = events.user[keep]
        self.time = events.time[keep]
        self.rows = row_of_code[events.product[keep]] if len(keep) else np.zeros(0, dtype=np.int32)
        self.type = events.event_type[keep]
        self.price = events.price[keep]
        self.quantity = events.quantity[keep]
        self.order = events.order[keep]
        self.device_region = (
            np.full(len(keep), -1, dtype=np.int32) if events.device_region is None else events.device_region[keep]
        )
        self.device_regions = events.device_regions
        rows = row_of_code[events.product] if len(row_of_code) else np.zeros(len(events.product), np.int32)
        standing = find_table_standing(events, np.where(events.product >= 0, rows, -1).astype(np.int32))
        self._undone_at = None if standing is None else standing.undone_at[keep]
        actors = len(events.users)
        self._starts = np.searchsorted(self.actor, np.arange(actors + 1))

    def history_before(self, actor: int, time: float, *, limit: int) -> History:
        """Return what an actor did strictly before a moment, newest first.

        Args:
            actor: code of the actor.
            time: seconds since 1970 UTC; an event at exactly this time is left out.
            limit: most events to return, the newest.
        """
        start = int(self._starts[actor])
        stop = start + int(np.searchsorted(self.time[start : self._starts[actor + 1]], time, side="left"))
        if stop == start or limit <= 0:
            return History.empty()
        oldest = max(start, stop - limit)
        newest_first: slice | NDArray[np.int64] = slice(stop - 1, oldest - 1 if oldest else None, -1)
        if self._undone_at is not None:  # what was sent back by then is no part of it
            places = np.arange(oldest, stop)
            newest_first = places[self._undone_at[places] >= time][::-1]
        return History(
            rows=self.rows[newest_first],
            time=self.time[newest_first],
            type=self.type[newest_first],
            price=self.price[newest_first],
            quantity=self.quantity[newest_first],
        )

    def list_popular(self, until: float, limit: int) -> NDArray[np.int32]:
        """Return what was bought most before a moment, recent purchases counting more.

        Args:
            until: seconds since 1970 UTC; a purchase at exactly this time is left out.
            limit: most products to return.

        Returns:
            int32 [at most limit], product rows, the most popular first.
        """
        bought = self.type == PURCHASE
        purchases = EventColumns(
            actor=self.actor[bought],
            product=self.rows[bought],
            order=self.order[bought],
            time=self.time[bought],
            weight=np.ones(np.count_nonzero(bought), np.float32),
        )
        count = compute_popularity(purchases, int(self.rows.max(initial=-1)) + 1, until=until).count
        best = np.argsort(-count, kind="stable")[:limit]
        rows: NDArray[np.int32] = best[count[best] > 0].astype(np.int32)
        return rows

    @cached_property
    def further(self) -> tuple[str, ...]:
        """The kinds of outcomes, of :data:`FURTHER`, that the log has at all."""
        return tuple(kind for kind, code in FURTHER.items() if (self.type == code).any())

    def find_further(self, actor: int, *, since: float, until: float) -> dict[str, NDArray[np.int32]]:
        """Return the rows of the products that had each kind of outcome in ``[since, until)``, seconds since 1970."""
        if not self.further:
            return {}
        own = slice(int(self._starts[actor]), int(self._starts[actor + 1]))
        first, last = np.searchsorted(self.time[own], (since, until), side="left") + own.start
        rows, types = self.rows[first:last], self.type[first:last]
        return {kind: np.unique(rows[types == FURTHER[kind]]) for kind in self.further}

    def orders(self, *, since: float, until: float) -> Orders:
        """Return the orders of sessions that began at ``since`` or later and were bought before ``until``."""
        purchases, first, number = self._purchases
        inside = (self.time[self._opened[purchases[first]]] >= since) & (self.time[purchases[first]] < until)
        # Events are sorted by actor and time, and so are the orders' first purchases.
        chosen = np.sort(first[inside])
        index = np.full(len(purchases), -1, dtype=np.int64)
        index[chosen] = np.arange(len(chosen))
        order = index[first[number]]
        inside = order >= 0
        span = int(self.rows.max(initial=0)) + 1
        pairs = np.unique(order[inside] * span + self.rows[purchases[inside]])
        return Orders(
            actor=self.actor[purchases[chosen]],
            time=self.time[purchases[chosen]],
            bounds=np.searchsorted(pairs, np.arange(len(chosen) + 1) * span),
            rows=(pairs % span).astype(np.int32),
            device_region=self.device_region[purchases[chosen]],
            device_regions=self.device_regions,
            timeline=self,
            opened=self._opened[purchases[chosen]],
            closed=purchases[chosen],
        )

    @cached_property
    def _opened(self) -> NDArray[np.int64]:
        """Position of the first event of each event's session; a purchase ends one too."""
        positions = np.arange(len(self.time))
        starts = np.ones(len(self.time), np.bool_)
        starts[1:] = (
            (self.actor[1:] != self.actor[:-1]) | (np.diff(self.time) > SESSION_GAP_S) | (self.type[:-1] == PURCHASE)
        )
        opened: NDArray[np.int64] = np.maximum.accumulate(np.where(starts, positions, 0))
        return opened

    @cached_property
    def _purchases(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Positions of purchases with an order, position among them of each order's first one, and each one's order."""
        purchases = np.flatnonzero((self.type == PURCHASE) & (self.order >= 0))
        _, first, number = np.unique(self.order[purchases], return_index=True, return_inverse=True)
        return purchases, first, number
