"""Whether and how soon products are bought again by the same actor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercato.events.event_order import has_time
from mercato.signals.events import SECONDS_PER_DAY, EventColumns

PRIOR_PAIRS = 5.0
"""Pairs of actor and product, of average behaviour, that every product is taken to have had."""

MOST_GAPS = 10
"""Gaps of one actor and product that count, whatever their number: an account that buys daily is not everybody."""

DEFAULT_INTERVAL_DAYS = 30.0
"""The interval where nothing was ever bought twice."""


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Repeat purchases of each product.

    Attributes:
        rate: float32 [products], share of buyers who bought again on another day, smoothed, 0..1.
        interval_days: float32 [products], geometric mean of the days between purchases, smoothed, >= 1.
    """

    rate: NDArray[np.float32]
    interval_days: NDArray[np.float32]


def compute_repeat(events: EventColumns, product_count: int, *, until: float) -> Repeat:
    """Learn repeat rates and intervals from purchases before a moment.

    Purchases of one actor and product on one UTC day are one; those without a time are of a day each, by order, and say
    nothing of intervals. With ``p`` = :data:`PRIOR_PAIRS` and averages over all
    products marked ``0``: ``rate = (repeat_pairs + p * rate0) / (pairs + p)`` and
    ``interval = exp((sum(log gap_days) + p * log interval0) / (gaps + p))``; of an actor with more than
    :data:`MOST_GAPS` gaps of a product each counts as much less.

    Args:
        events: purchases; rows outside 0..product_count-1 are ignored.
        product_count: number of products, the length of each result.
        until: seconds since 1970 UTC; only strictly earlier events count.
    """
    known = (events.product >= 0) & (events.product < product_count)
    past = events.select(known & (events.time < until))
    day = np.floor(past.time / SECONDS_PER_DAY).astype(np.int64)
    timed = has_time(past.time)
    # Without times each order is a day of its own, long ago, and without orders each purchase.
    loose = np.where(past.order >= 0, past.order, np.arange(len(past)) + past.order.max(initial=0) + 1)
    day[~timed] = -1 - loose[~timed]
    order = np.lexsort((day, past.product, past.actor))
    pair = past.actor[order].astype(np.int64) * product_count + past.product[order]
    day = day[order]
    if len(pair):
        first_of_day = np.concatenate(([True], (pair[1:] != pair[:-1]) | (day[1:] != day[:-1])))
        pair, day = pair[first_of_day], day[first_of_day]
    follows = pair[1:] == pair[:-1]
    between = follows & (day[:-1] >= 0)  # both have a time
    timed_product = (pair[1:] % max(product_count, 1))[between]
    log_gap = np.log((day[1:] - day[:-1])[between].astype(np.float64))
    _, of_pair, own_gaps = np.unique(pair[1:][between], return_inverse=True, return_counts=True)
    counts = np.minimum(MOST_GAPS / own_gaps, 1.0)[of_pair]

    pairs = np.bincount(np.unique(pair) % max(product_count, 1), minlength=product_count)
    repeat_pairs = np.bincount(np.unique(pair[1:][follows]) % max(product_count, 1), minlength=product_count)
    mean_rate = repeat_pairs.sum() / max(pairs.sum(), 1)
    rate = (repeat_pairs + PRIOR_PAIRS * mean_rate) / (pairs + PRIOR_PAIRS)

    mean_log_gap = float(np.average(log_gap, weights=counts)) if len(log_gap) else float(np.log(DEFAULT_INTERVAL_DAYS))
    gaps = np.bincount(timed_product, weights=counts, minlength=product_count)
    log_gap_sum = np.bincount(timed_product, weights=counts * log_gap, minlength=product_count)
    interval = np.exp((log_gap_sum + PRIOR_PAIRS * mean_log_gap) / (gaps + PRIOR_PAIRS))
    return Repeat(rate=rate.astype(np.float32), interval_days=interval.astype(np.float32))
