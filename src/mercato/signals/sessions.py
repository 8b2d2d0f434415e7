"""Sessions: what somebody looked at in one visit, one click after the other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercato.events.event_order import has_time
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.signals.events import EventColumns

SESSION_GAP_S = 1_800.0
"""A session ends after so long without a click, as Google Analytics counts them."""
CLICK_TYPES = np.array([EVENT_TYPE_CODES["detail-page-view"], EVENT_TYPE_CODES["add-to-cart"]], np.uint8)
"""What is a click: an order comes at once, and has no order within."""
MAX_CLICKS = 2_000_000
"""Clicks that are learned from at most, the last ones."""
MAX_SESSION_CLICKS = 50
"""Of a longer session the last clicks count."""


@dataclass(frozen=True, kw_only=True)
class Clicks:
    """The clicks of many sessions, those of a session one after the other.

    Attributes:
        actor: int64 [clicks], who clicked.
        product: int64 [clicks], the row; never twice in a row within a session.
        session: int64 [clicks], the number of the session, not falling.
    """

    actor: NDArray[np.int64]
    product: NDArray[np.int64]
    session: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of clicks."""
        return len(self.product)


def collect_clicks(events: EventColumns, product_count: int, *, until: float) -> Clicks:
    """Put the clicks before a moment into sessions.

    Args:
        events: the views and carts among them count; rows outside 0..product_count-1 are ignored. Of equal times that
            of the first event comes first.
        product_count: number of products.
        until: seconds since 1970 UTC; only strictly earlier events count.
    """
    if events.type is None:
        return Clicks(actor=np.zeros(0, np.int64), product=np.zeros(0, np.int64), session=np.zeros(0, np.int64))
    known = (events.product >= 0) & (events.product < product_count) & (events.time < until)
    chosen = np.flatnonzero(known & np.isin(events.type, CLICK_TYPES))
    if len(chosen) > MAX_CLICKS:
        latest = np.argsort(events.time[chosen], kind="stable")[-MAX_CLICKS:]
        chosen = chosen[np.sort(latest)]
    chosen = chosen[np.lexsort((events.time[chosen], events.actor[chosen]))]
    actor, time = events.actor[chosen].astype(np.int64), events.time[chosen]
    product = events.product[chosen].astype(np.int64)
    goes_on = (actor[1:] == actor[:-1]) & _belong_together(time[:-1], time[1:])
    session = np.concatenate(([0], np.cumsum(~goes_on))) if len(actor) else np.zeros(0, np.int64)
    again = np.zeros(len(actor), np.bool_)
    again[1:] = goes_on & (product[1:] == product[:-1])
    actor, product, session = actor[~again], product[~again], session[~again]
    from_end = np.searchsorted(session, session, side="right") - np.arange(len(session))
    kept = from_end <= MAX_SESSION_CLICKS
    return Clicks(actor=actor[kept], product=product[kept], session=session[kept].astype(np.int64))


def find_session(time: NDArray[np.float64], event_type: NDArray[np.uint8], now: float) -> NDArray[np.int64]:
    """Return which events of a history are the clicks of the session that goes on at a moment.

    Events without times are always the present: nobody knows when they were.

    Args:
        time: float64 [h], seconds since 1970 UTC, not increasing.
        event_type: uint8 [h].
        now: seconds since 1970 UTC.

    Returns:
        int64 [n], newest first, at most :data:`MAX_SESSION_CLICKS`; empty where the last event is too long ago.
    """
    if not len(time) or (bool(has_time(time[:1])[0]) and now - time[0] > SESSION_GAP_S):
        return np.zeros(0, np.int64)
    ended = np.flatnonzero(~_belong_together(time[1:], time[:-1]))
    stop = int(ended[0]) + 1 if len(ended) else len(time)
    return np.flatnonzero(np.isin(event_type[:stop], CLICK_TYPES))[:MAX_SESSION_CLICKS]


def _belong_together(earlier: NDArray[np.float64], later: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which neighbours in time are of one session, as far as their times go."""
    timed = has_time(earlier)
    alike: NDArray[np.bool_] = (timed == has_time(later)) & (~timed | (later - earlier <= SESSION_GAP_S))
    return alike
