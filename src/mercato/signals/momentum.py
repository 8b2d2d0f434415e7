"""How a product sells right now: buyers of the last days, how long it has been sold, how long it has not."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercato.events.event_order import count_days
from mercato.signals.events import EventColumns

FRESH_DAYS = 7.0
RECENT_DAYS = 28.0
NEVER_DAYS = 730.0
"""Age and silence of what was never sold, and the bound of both: two years."""
TREND_PRIOR = 3.0
"""Buyers that every product is taken to have had in the recent window at an unchanged rate."""
ARRIVAL_DAYS = 28.0
"""A product first sold within so many days is a new arrival."""
MIN_ARRIVAL_BUYERS = 3


@dataclass(frozen=True, kw_only=True)
class Momentum:
    """How each product sells at one moment.

    Attributes:
        fresh_buyers: float32 [products], distinct actors of the last 7 days.
        recent_buyers: float32 [products], distinct actors of the last 28 days.
        age_days: float32 [products], days since the first event, 0..730; 730 for a product without events.
        silent_days: float32 [products], days since the last event, 0..730; 730 for a product without events.
        log_quantity: float32 [products], mean log1p of the pieces of an event, 0 for a product without events.
    """

    fresh_buyers: NDArray[np.float32]
    recent_buyers: NDArray[np.float32]
    age_days: NDArray[np.float32]
    silent_days: NDArray[np.float32]
    log_quantity: NDArray[np.float32]

    def rank_trending(self, limit: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the products whose sales rise most: rows int32 [k] and scores float32 [k] > 0, best first.

        With buyers ``f`` of the last 7 days, ``r`` of the last 28 and ``e`` the 7 days' fair share ``(r + p) / 4``,
        ``p`` being :data:`TREND_PRIOR`, the score is ``(f - e) / sqrt(e)``, what a Poisson count differs by from its
        mean in standard deviations; only rising products have one. Equal scores by row.
        """
        rows, scores = self._trending
        return rows[: max(limit, 0)], scores[: max(limit, 0)]

    def rank_arrivals(self, limit: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the products first sold in the last 28 days: rows int32 [k] and recent buyers float32 [k], most first.

        What fewer than :data:`MIN_ARRIVAL_BUYERS` bought is left out: nobody knows it yet to be good.
        A shop all of whose history is shorter than that has no arrivals: everything would be one.
        """
        rows, scores = self._arrivals
        return rows[: max(limit, 0)], scores[: max(limit, 0)]

    # They are the same for every request, and sorting a catalogue takes milliseconds: once is enough.

    @cached_property
    def _trending(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        expected = (self.recent_buyers + TREND_PRIOR) * (FRESH_DAYS / RECENT_DAYS)
        return _sort_positive((self.fresh_buyers - expected) / np.sqrt(expected))

    @cached_property
    def _arrivals(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        sold = self.age_days < NEVER_DAYS
        if not sold.any() or self.age_days[sold].max() <= ARRIVAL_DAYS:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        arrived = sold & (self.age_days <= ARRIVAL_DAYS) & (self.recent_buyers >= MIN_ARRIVAL_BUYERS)
        return _sort_positive(np.where(arrived, self.recent_buyers, 0.0))


def compute_momentum(events: EventColumns, product_count: int, *, until: float) -> Momentum:
    """Look at each product's events before a moment.

    Args:
        events: the events with weight > 0 count; rows outside 0..product_count-1 are ignored.
        product_count: number of products, the length of each result.
        until: seconds since 1970 UTC; only strictly earlier events count.
    """
    known = (events.product >= 0) & (events.product < product_count) & (events.weight > 0)
    past = events.select(known & (events.time < until))
    days = count_days(past.time, until, without_time=np.inf)  # in no window, sold long ago, silent ever since
    age, silent = np.zeros(product_count), np.full(product_count, NEVER_DAYS)
    np.maximum.at(age, past.product, days)
    np.minimum.at(silent, past.product, days)
    sold = np.bincount(past.product, minlength=product_count) > 0
    age[~sold] = NEVER_DAYS
    return Momentum(
        fresh_buyers=_count_buyers(past.select(days <= FRESH_DAYS), product_count),
        recent_buyers=_count_buyers(past.select(days <= RECENT_DAYS), product_count),
        age_days=np.minimum(age, NEVER_DAYS).astype(np.float32),
        silent_days=silent.astype(np.float32),
        log_quantity=_mean_log_quantity(past, product_count),
    )


def _count_buyers(events: EventColumns, product_count: int) -> NDArray[np.float32]:
    size = max(product_count, 1)
    pairs = np.unique(events.actor.astype(np.int64) * size + events.product)
    return np.bincount(pairs % size, minlength=product_count).astype(np.float32)


def _mean_log_quantity(events: EventColumns, product_count: int) -> NDArray[np.float32]:
    pieces = np.ones(len(events)) if events.quantity is None else np.maximum(events.quantity, 1)
    total = np.bincount(events.product, weights=np.log1p(pieces), minlength=product_count)
    count = np.bincount(events.product, minlength=product_count)
    mean: NDArray[np.float32] = (total / np.maximum(count, 1)).astype(np.float32)
    return mean


def _sort_positive(scores: NDArray[np.floating[Any]]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    rows = np.flatnonzero(scores > 0)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    return rows.astype(np.int32), scores[rows].astype(np.float32)
