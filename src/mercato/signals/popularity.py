"""How many people buy each product, lately and in the long run."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercato.events.event_order import count_days
from mercato.signals.events import EventColumns

DEFAULT_HALF_LIFE_DAYS = 60.0
RECENT_WINDOW_DAYS = 28.0
LONG_WINDOW_DAYS = 182.0
TREND_PRIOR = 5.0
"""People that every product is taken to have had at an unchanged rate: rare products have a trend near 0."""


@dataclass(frozen=True, kw_only=True)
class Popularity:
    """Popularity of each product at one moment.

    Attributes:
        count: float32 [products], people, each by the heaviest of their events with exponential decay, >= 0.
        buyers: int32 [products], distinct actors over all time before that moment.
        trend: float32 [products], log of the recent rate over the long-run rate; 0 for unchanged, rising above 0.
    """

    count: NDArray[np.float32]
    buyers: NDArray[np.int32]
    trend: NDArray[np.float32]


def compute_popularity(
    events: EventColumns,
    product_count: int,
    *,
    until: float,
    half_life_days: float = DEFAULT_HALF_LIFE_DAYS,
) -> Popularity:
    """Count the people behind each product as they stand at a moment; later events are ignored.

    People count, not rows: an account that buys a thing 600 times is one of its buyers. With age ``a`` in days each
    person counts ``max(weight * 0.5 ** (a / half_life_days))`` over their events with a product, ``count`` is the sum
    over people, and with the same counts without decay, ``r`` of the last 28 days and ``l`` of the last 182,
    ``trend = log((r + p * 28/182) / (l * 28/182 + p * 28/182))`` where ``p`` is :data:`TREND_PRIOR`. An event without a
    time counts half, and in no window.

    Args:
        events: the events; rows outside 0..product_count-1 are ignored.
        product_count: number of products, the length of each result.
        until: seconds since 1970 UTC; only strictly earlier events count.
        half_life_days: age at which an event counts half, > 0. Shorter follows seasons, longer is steadier.

    Raises:
        ValueError: ``half_life_days`` is not positive.
    """
    if not half_life_days > 0:
        raise ValueError(f"half_life_days must be positive, given {half_life_days}")
    known = (events.product >= 0) & (events.product < product_count)
    past = events.select(known & (events.time < until))
    age_days = count_days(past.time, until, without_time=np.inf)
    decay = 0.5 ** (count_days(past.time, until, without_time=half_life_days) / half_life_days)
    weight = past.weight.astype(np.float64)
    size = max(product_count, 1)
    pairs = past.actor.astype(np.int64) * size + past.product
    order = np.argsort(pairs, kind="stable")
    starts = np.flatnonzero(np.diff(pairs[order], prepend=-1))
    product = pairs[order[starts]] % size

    def total(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum over people the heaviest of their events."""
        heaviest = np.maximum.reduceat(weights[order], starts) if len(starts) else np.zeros(0)
        return np.bincount(product, weights=heaviest, minlength=product_count).astype(np.float64)

    share = RECENT_WINDOW_DAYS / LONG_WINDOW_DAYS
    recent = total(weight * (age_days <= RECENT_WINDOW_DAYS))
    long_run = total(weight * (age_days <= LONG_WINDOW_DAYS))
    trend = np.log((recent + TREND_PRIOR * share) / ((long_run + TREND_PRIOR) * share))
    return Popularity(
        count=total(weight * decay).astype(np.float32),
        buyers=np.bincount(product, minlength=product_count).astype(np.int32),
        trend=trend.astype(np.float32),
    )
