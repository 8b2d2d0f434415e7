"""Whether a product is one that people buy again, from purchases alone: by product, by category, by shop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mercato.arrays import Bool, Float32, Float64, Int32, Int64
from mercato.events.event_order import has_time
from mercato.signals.events import SECONDS_PER_DAY, EventColumns

USUAL_RATE = 0.1
"""Share of buyers who buy a product again, where nothing is known of a shop."""
SHOP_PRIOR = 30.0
"""Buyers of a product, at the usual rate, that every shop is taken to have had besides."""
CATEGORY_PRIOR = 20.0
"""The same of a category, at the shop's rate."""
PRODUCT_PRIOR = 10.0
"""The same of a product, at its category's rate."""
PATIENCE_DAYS = 30.0
"""A purchase counts in full once so many days have passed since: before, there was hardly time to buy again."""
LEAST_RATE = 0.02
"""What fewer of its buyers buy again is bought once: about what any place of a page is bought from."""


@dataclass(frozen=True, kw_only=True)
class BuyingAgain:
    """How many of a product's buyers buy it again.

    Attributes:
        rate: float32 [products], 0 to 1; empty where nobody counted.
    """

    rate: Float32

    @classmethod
    def empty(cls) -> BuyingAgain:
        """Return what is known where nobody counted."""
        return cls(rate=np.zeros(0, np.float32))

    def bought_once(self, rows: Int32) -> Bool:
        """Tell which products (int32 [n], rows of the snapshot, -1 for none) are bought once as a rule: bool [n]."""
        if not len(self.rate):
            return np.zeros(len(rows), np.bool_)
        known = (rows >= 0) & (rows < len(self.rate))
        once: Bool = known & (self.rate[np.where(known, rows, 0)] < LEAST_RATE)
        return once


def compute_buying_again(
    events: EventColumns, product_count: int, categories: Int32 | None, *, until: float
) -> BuyingAgain:
    """Learn from purchases before a moment how many buyers of a product buy it again on another day.

    With ``r`` of its buyers who did and ``n`` all of them, each counted as far as there was time to
    (``min(1, days since the first purchase / 30)``, and whoever did in full), the rate is ``(r + p q) / (n + p)``,
    where ``q`` is the rate of the category and ``p`` a number of buyers; that of the category is shrunk towards the
    shop's in the same way, and the shop's towards a usual one. Without times each order is a day of its own, and there
    was time.

    Args:
        events: purchases; rows outside 0..product_count-1 are ignored.
        product_count: number of products.
        categories: int32 [products], code of each product's category, -1 for none; None where nothing is known of
            them.
        until: seconds since 1970 UTC; only strictly earlier events count.
    """
    past = events.select((events.product >= 0) & (events.product < product_count) & (events.time < until))
    product, again, chance = _summarise_pairs(past, product_count, until)
    repeats = np.bincount(product, again, product_count)
    chances = np.bincount(product, chance, product_count)
    shop = (repeats.sum() + SHOP_PRIOR * USUAL_RATE) / (chances.sum() + SHOP_PRIOR)
    expected = np.full(product_count, shop)
    if categories is not None and product_count:
        named = categories >= 0
        count = int(categories.max(initial=-1)) + 1
        own = np.bincount(categories[named], repeats[named], count)
        possible = np.bincount(categories[named], chances[named], count)
        by_category = (own + CATEGORY_PRIOR * shop) / (possible + CATEGORY_PRIOR)
        expected[named] = by_category[categories[named]]
    rate = (repeats + PRODUCT_PRIOR * expected) / (chances + PRODUCT_PRIOR)
    return BuyingAgain(rate=rate.astype(np.float32))


def _summarise_pairs(past: EventColumns, product_count: int, until: float) -> tuple[Int64, Float64, Float64]:
    """Return of each pair of actor and product: the product, whether it was bought again, and what the pair counts."""
    timed = has_time(past.time)
    day = np.floor(past.time / SECONDS_PER_DAY).astype(np.int64)
    loose = np.where(past.order >= 0, past.order, np.arange(len(past)) + past.order.max(initial=0) + 1)
    day[~timed] = -1 - loose[~timed]
    pair = past.actor.astype(np.int64) * max(product_count, 1) + past.product
    order = np.lexsort((day, pair))
    pair, day, time = pair[order], day[order], np.where(timed, past.time, -np.inf)[order]
    if not len(pair):
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    first = np.append(True, pair[1:] != pair[:-1])
    start = np.flatnonzero(first)
    days = np.add.reduceat(np.append(True, first[1:] | (day[1:] != day[:-1])).astype(np.int64), start)
    again = days > 1
    waited = (until - time[start]) / SECONDS_PER_DAY / PATIENCE_DAYS
    return (
        pair[start] % max(product_count, 1),
        again.astype(np.float64),
        np.where(again, 1.0, np.clip(waited, 0.0, 1.0)),
    )
