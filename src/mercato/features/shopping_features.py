"""The features of a recommendation: what like histories hold, how a product sells now, and how its shopper shops."""

import numpy as np
from numpy.typing import NDArray

from mercato.features.candidate_lists import CandidateLists
from mercato.features.feature_names import COLUMN
from mercato.features.inputs import RankRequest
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.purchases import Purchases

SIGNALS = (
    "also_bought",
    "lately",
    "fresh_buyers",
    "recent_buyers",
    "days_on_sale",
    "days_since_sale",
    "usual_pieces",
    "factors",
)
"""Rows of :attr:`mercato.features.inputs.CandidateList.signals`."""

SLOW_HALF_LIFE_DAYS = 150.0
"""Age at which a purchase counts half in ``slow_purchases``: habits, where ``recent_purchases`` follows the month."""
NEVER_DAYS = 730.0
"""Days missed of what was never bought, and their bound: two years."""
SURGE_PRIOR = 1.0
"""Buyers added to both windows of ``surge``: rare products have a surge near 0."""


def fill_shopping(result: NDArray[np.float32], lists: CandidateLists) -> None:
    """Fill the columns that only recommendations have; a search's stay 0.

    An order is a UTC day on which the shopper bought something, so that shops without order ids have orders too.

    Args:
        result: float32 [features, n], zeros in these columns.
        lists: the candidates.
    """
    for index, request in enumerate(lists.requests):
        if request.candidates.signals is not None:
            part = result[:, lists.part(index)]
            _fill_signals(part, request.candidates.signals)
            _fill_habits(part, request)


def _fill_signals(part: NDArray[np.float32], signals: NDArray[np.float32]) -> None:
    also_bought, lately, fresh, recent, on_sale, since_sale, usual_pieces, factors = signals
    for name, scores in (("also_bought", also_bought), ("lately", lately), ("factors", factors)):
        top = scores.max()
        part[COLUMN[name]] = scores
        part[COLUMN[f"{name}_relative"]] = np.clip(scores / top, -1.0, 1.0) if top > 0 else 0.0
    part[COLUMN["log_fresh_buyers"]] = np.log1p(fresh)
    part[COLUMN["log_recent_buyers"]] = np.log1p(recent)
    # 0 where the last week had a quarter of the last four.
    part[COLUMN["surge"]] = np.log((4.0 * fresh + SURGE_PRIOR) / (recent + SURGE_PRIOR))
    part[COLUMN["log_days_on_sale"]] = np.log1p(on_sale)
    part[COLUMN["log_days_since_sale"]] = np.log1p(since_sale)
    part[COLUMN["usual_pieces"]] = usual_pieces


def _fill_habits(part: NDArray[np.float32], request: RankRequest) -> None:
    part[COLUMN["log_days_missed"]] = np.log1p(NEVER_DAYS)
    purchases = request.history.purchases
    if purchases is None:
        return
    days_ago = _count_days(purchases.time, request.context.time)
    last = days_ago.min()
    _fill_shopper(part, purchases, days_ago)
    slow = np.bincount(purchases.place, weights=0.5 ** (days_ago / SLOW_HALF_LIFE_DAYS))
    rows = request.candidates.rows
    at = np.minimum(np.searchsorted(purchases.products, rows), len(purchases.products) - 1)
    hit = np.flatnonzero(purchases.products[at] == rows)
    at = at[hit]
    missed = _count_days(purchases.last[at], request.context.time) - last
    part[COLUMN["slow_purchases"], hit] = np.log1p(slow[at])
    part[COLUMN["purchase_share"], hit] = purchases.times[at] / len(purchases.size_of_day)
    part[COLUMN["log_days_missed"], hit] = np.log1p(np.minimum(missed, NEVER_DAYS))
    part[COLUMN["in_last_order"], hit] = missed < 1.0
    part[COLUMN["log_pieces"], hit] = purchases.log_pieces[at]
    part[COLUMN["pieces_relative"], hit] = purchases.mean_log_pieces[at] - part[COLUMN["usual_pieces"], hit]


def _fill_shopper(part: NDArray[np.float32], purchases: Purchases, days_ago: NDArray[np.float64]) -> None:
    """Fill what is the same for all candidates: how often, how much, how regularly the shopper buys."""
    orders, last, first = len(purchases.size_of_day), days_ago.min(), days_ago.max()
    distinct = len(purchases.products)
    part[COLUMN["log_orders"]] = np.log1p(orders)
    part[COLUMN["log_order_size"]] = np.log1p(purchases.size_of_day.mean())
    part[COLUMN["repeat_share"]] = 1.0 - distinct / purchases.size_of_day.sum()
    part[COLUMN["log_days_since_order"]] = np.log1p(last)
    part[COLUMN["log_order_interval"]] = np.log1p((first - last) / max(orders - 1, 1))
    part[COLUMN["log_distinct_products"]] = np.log1p(distinct)
    part[COLUMN["shopper_pieces"]] = purchases.usual_log_pieces


def _count_days(time: NDArray[np.float64], now: float) -> NDArray[np.float64]:
    """Return ages in days, 0 to two years."""
    return np.clip((now - time) / SECONDS_PER_DAY, 0.0, NEVER_DAYS)
