"""The features of a recommendation: what like histories hold, how a product sells now, and how its shopper shops."""

import numpy as np
from numpy.typing import NDArray

from mercato.events.event_order import has_time
from mercato.features.candidate_lists import CandidateLists
from mercato.features.feature import REQUEST, Columns, Display, Feature, fills
from mercato.features.inputs import ProductFeatures, RankRequest
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.purchases import Purchases

SLOW_HALF_LIFE_DAYS = 150.0
"""Age at which a purchase counts half in ``slow_purchases``: habits, where ``recent_purchases`` follows the month."""
NEVER_DAYS = 730.0
"""Days missed of what was never bought, and their bound: two years."""
SURGE_PRIOR = 1.0
"""Buyers added to both windows of ``surge``: rare products have a surge near 0."""


@fills(
    Feature("also_bought", "bought by the same shoppers", ("signals.also_bought",), Display.PLAIN),
    Feature("also_bought_relative", "bought by the same shoppers", ("signals.also_bought",)),
    Feature("lately", "bought by the same shoppers", ("signals.lately",)),
    Feature("lately_relative", "bought by the same shoppers", ("signals.lately",)),
    Feature("log_fresh_buyers", "popularity", ("signals.fresh_buyers",)),
    Feature("log_recent_buyers", "popularity", ("signals.recent_buyers",)),
    Feature("surge", "trend", ("signals.fresh_buyers", "signals.recent_buyers")),
    Feature("log_days_on_sale", "age", ("signals.days_on_sale",)),
    Feature("log_days_since_sale", "trend", ("signals.days_since_sale",)),
)
def sales(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill what like histories hold and how each candidate sells now; a search's columns stay 0."""
    for index, request in enumerate(lists.requests):
        signals, here = request.candidates.signals, lists.part(index)
        if signals is None:
            continue
        for name in ("also_bought", "lately"):
            _fill_relative(columns, here, name, signals[name])
        fresh, recent = signals["fresh_buyers"], signals["recent_buyers"]
        columns["log_fresh_buyers"][here] = np.log1p(fresh)
        columns["log_recent_buyers"][here] = np.log1p(recent)
        # 0 where the last week had a quarter of the last four.
        columns["surge"][here] = np.log((4.0 * fresh + SURGE_PRIOR) / (recent + SURGE_PRIOR))
        columns["log_days_on_sale"][here] = np.log1p(signals["days_on_sale"])
        columns["log_days_since_sale"][here] = np.log1p(signals["days_since_sale"])


@fills(
    Feature("slow_purchases", "own purchases", ("history", "context.time")),
    Feature("purchase_share", "own purchases", ("history",)),
    Feature("log_days_missed", "own purchases", ("history", "context.time")),
    Feature("in_last_order", "own purchases", ("history", "context.time")),
    Feature("log_orders", REQUEST, ("history",)),
    Feature("log_order_size", REQUEST, ("history",)),
    Feature("repeat_share", REQUEST, ("history",)),
    Feature("log_days_since_order", REQUEST, ("history", "context.time")),
    Feature("log_order_interval", REQUEST, ("history", "context.time")),
    Feature("log_distinct_products", REQUEST, ("history",)),
    Feature("log_pieces", "own purchases", ("history",)),
    Feature("pieces_relative", "own purchases", ("history", "signals.usual_pieces")),
    Feature("usual_pieces", "popularity", ("signals.usual_pieces",)),
    Feature("shopper_pieces", REQUEST, ("history",)),
)
def habits(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill how each shopper shops, and what of it is the candidate's; a search's columns stay 0.

    An order is a UTC day on which the shopper bought something, so that shops without order ids have orders too.
    """
    for index, request in enumerate(lists.requests):
        signals, here = request.candidates.signals, lists.part(index)
        if signals is None:
            continue
        part = {feature.name: columns[feature.name][here] for feature in habits.features}
        part["usual_pieces"][:] = signals["usual_pieces"]
        part["log_days_missed"][:] = np.log1p(NEVER_DAYS)
        if request.history.purchases is not None:
            _fill_purchases(part, request, request.history.purchases)


@fills(
    Feature("factors", "bought by the same shoppers", ("signals.factors",)),
    Feature("factors_relative", "bought by the same shoppers", ("signals.factors",)),
)
def factors(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill how near each candidate is to the shopper among latent factors; a search's columns stay 0."""
    for index, request in enumerate(lists.requests):
        if request.candidates.signals is not None:
            _fill_relative(columns, lists.part(index), "factors", request.candidates.signals["factors"])


def _fill_relative(columns: Columns, here: slice, name: str, scores: NDArray[np.float32]) -> None:
    """Fill a score as it is, and against the best of the list."""
    top = scores.max()
    columns[name][here] = scores
    columns[f"{name}_relative"][here] = np.clip(scores / top, -1.0, 1.0) if top > 0 else 0.0


def _fill_purchases(part: Columns, request: RankRequest, purchases: Purchases) -> None:
    """Fill what a shopper who bought something bought, and how often, how much, how regularly."""
    days_ago = _count_days(purchases.time, request.context.time)
    orders, last, first = len(purchases.size_of_day), days_ago.min(), days_ago.max()
    distinct = len(purchases.products)
    part["log_orders"][:] = np.log1p(orders)
    part["log_order_size"][:] = np.log1p(purchases.size_of_day.mean())
    part["repeat_share"][:] = 1.0 - distinct / purchases.size_of_day.sum()
    part["log_days_since_order"][:] = np.log1p(last)
    part["log_order_interval"][:] = np.log1p((first - last) / max(orders - 1, 1))
    part["log_distinct_products"][:] = np.log1p(distinct)
    part["shopper_pieces"][:] = purchases.usual_log_pieces
    slow = np.bincount(purchases.product_index, weights=0.5 ** (days_ago / SLOW_HALF_LIFE_DAYS))
    rows = request.candidates.rows
    at = np.minimum(np.searchsorted(purchases.products, rows), len(purchases.products) - 1)
    hit = np.flatnonzero(purchases.products[at] == rows)
    at = at[hit]
    missed = _count_days(purchases.last[at], request.context.time) - last
    part["slow_purchases"][hit] = np.log1p(slow[at])
    part["purchase_share"][hit] = purchases.times[at] / orders
    part["log_days_missed"][hit] = np.log1p(np.minimum(missed, NEVER_DAYS))
    part["in_last_order"][hit] = (missed < 1.0) & has_time(purchases.last[at])
    part["log_pieces"][hit] = purchases.log_pieces[at]
    part["pieces_relative"][hit] = purchases.mean_log_pieces[at] - part["usual_pieces"][hit]


def _count_days(time: NDArray[np.float64], now: float) -> NDArray[np.float64]:
    """Return ages in days, 0 to two years."""
    return np.clip((now - time) / SECONDS_PER_DAY, 0.0, NEVER_DAYS)
