"""The features of a recommendation: what like histories hold, how a product sells now, and how its shopper shops."""

import numpy as np
from numpy.typing import NDArray

from mercato.ranker.candidate_lists import CandidateLists
from mercato.ranker.feature_names import COLUMN
from mercato.ranker.history import PURCHASE
from mercato.ranker.inputs import History, RankRequest
from mercato.signals.events import SECONDS_PER_DAY

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
"""Rows of :attr:`mercato.ranker.inputs.CandidateList.signals`."""

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
    history = request.history
    bought = (history.type == PURCHASE) & (history.rows >= 0)
    if not bought.any():
        return
    now = request.context.time
    rows, days_ago, day = _purchases(history, bought, now)
    last = days_ago.min()
    days, size_of_day = np.unique(day, return_counts=True)
    orders = len(days)
    products, place = np.unique(rows, return_inverse=True)
    _fill_shopper(part, days_ago, size_of_day, len(products))
    times = np.bincount(place)
    slow = np.bincount(place, weights=0.5 ** (days_ago / SLOW_HALF_LIFE_DAYS))
    since = np.full(len(products), np.inf)
    np.minimum.at(since, place, days_ago)
    at = np.minimum(np.searchsorted(products, request.candidates.rows), len(products) - 1)
    hit = np.flatnonzero(products[at] == request.candidates.rows)
    at = at[hit]
    part[COLUMN["slow_purchases"], hit] = np.log1p(slow[at])
    part[COLUMN["purchase_share"], hit] = times[at] / orders
    part[COLUMN["log_days_missed"], hit] = np.log1p(np.minimum(since[at] - last, NEVER_DAYS))
    part[COLUMN["in_last_order"], hit] = since[at] - last < 1.0
    _fill_pieces(part, history, bought, products, at, hit)


def _fill_pieces(
    part: NDArray[np.float32],
    history: History,
    bought: NDArray[np.bool_],
    products: NDArray[np.int32],
    at: NDArray[np.int64],
    hit: NDArray[np.int64],
) -> None:
    """Fill how many pieces the shopper takes: of products at all, of each candidate, and beside what others take of it.

    Args:
        part: float32 [features, n]; ``usual_pieces`` is filled.
        history: the shopper's.
        bought: bool [h], the purchases of it.
        products: int32 [m], ascending, what was bought.
        at: int64 [k], where among the products the candidates that were bought stand.
        hit: int64 [k], which candidates those are.
    """
    place = np.searchsorted(products, history.rows[bought])
    pieces = np.ones(len(place)) if history.quantity is None else np.maximum(history.quantity[bought], 1)
    logs = np.log1p(pieces)
    part[COLUMN["shopper_pieces"]] = logs.mean()
    part[COLUMN["log_pieces"], hit] = np.log1p(np.bincount(place, weights=pieces))[at]
    mean = np.bincount(place, weights=logs) / np.bincount(place)
    part[COLUMN["pieces_relative"], hit] = mean[at] - part[COLUMN["usual_pieces"], hit]


def _fill_shopper(
    part: NDArray[np.float32], days_ago: NDArray[np.float64], size_of_day: NDArray[np.int64], distinct: int
) -> None:
    """Fill what is the same for all candidates: how often, how much, how regularly the shopper buys."""
    orders, last, first = len(size_of_day), days_ago.min(), days_ago.max()
    part[COLUMN["log_orders"]] = np.log1p(orders)
    part[COLUMN["log_order_size"]] = np.log1p(size_of_day.mean())
    part[COLUMN["repeat_share"]] = 1.0 - distinct / size_of_day.sum()
    part[COLUMN["log_days_since_order"]] = np.log1p(last)
    part[COLUMN["log_order_interval"]] = np.log1p((first - last) / max(orders - 1, 1))
    part[COLUMN["log_distinct_products"]] = np.log1p(distinct)


def _purchases(
    history: History, bought: NDArray[np.bool_], now: float
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int64]]:
    """Return row, age in days and day of the purchases, those of one product on one day once."""
    rows, time = history.rows[bought], history.time[bought]
    day = np.floor(time / SECONDS_PER_DAY).astype(np.int64)
    span = int(rows.max()) + 1
    _, first = np.unique((day - day.min()) * span + rows, return_index=True)
    days_ago = np.clip((now - time[first]) / SECONDS_PER_DAY, 0.0, NEVER_DAYS)
    return rows[first], days_ago, day[first]
