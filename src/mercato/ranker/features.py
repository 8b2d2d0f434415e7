"""The ranker's features: one function for serving and for training.

Everything is computed for a batch of requests over concatenated candidates; one request is a batch of one.
What needs vectors (cosines of query, history and candidate) is computed inside the network instead.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mercato.ranker.history import PURCHASE, compute_event_weights
from mercato.ranker.inputs import ProductFeatures, RankRequest
from mercato.signals.events import SECONDS_PER_DAY

FEATURE_NAMES: tuple[str, ...] = (
    "dense_score",
    "word_score",
    "dense_rank_discount",
    "word_rank_discount",
    "fused",
    "cooccurrence",
    "cooccurrence_relative",
    "log_popularity",
    "popularity_relative",
    "trend",
    "repeat_rate",
    "log_price",
    "price_relative",
    "in_stock",
    "log_purchases",
    "recent_purchases",
    "log_days_since_purchase",
    "repeat_position",
    "category_share",
    "brand_share",
    "log_history_length",
    "price_to_user_median",
    "has_query",
    "hour_sin",
    "hour_cos",
    "weekday_sin",
    "weekday_cos",
    "weekend",
)
"""The columns of :func:`compute_features`, in order. A model manifest holds this list; another list is refused."""

NEVER_DAYS = 730.0
"""Days since the last purchase of a product that was never bought: two years."""

REPEAT_POSITION_LIMIT = 3.0
"""Bound on the log of elapsed over expected days."""

SMALLEST_WEIGHT = 1e-30
"""Stands for the total weight of a history without weight, whose shares are 0."""

_COLUMN = {name: position for position, name in enumerate(FEATURE_NAMES)}


def compute_features(requests: Sequence[RankRequest], products: ProductFeatures) -> NDArray[np.float32]:
    """Compute the features of every candidate of a batch of requests.

    A candidate's row does not depend on the other requests of the batch. All values are finite: a NaN price reads as
    the mean of the list, missing history and missing or NaN scores as 0. "Relative" columns compare within one
    request's list.

    Args:
        requests: the requests; their candidate lists may be empty.
        products: columns of all products.

    Returns:
        float32 [sum of list lengths, len(FEATURE_NAMES)], the lists one after the other.
    """
    requests = [request for request in requests if len(request.candidates)]
    if not requests:
        return np.zeros((0, len(FEATURE_NAMES)), dtype=np.float32)
    lists = _Lists(requests)
    result = np.zeros((len(FEATURE_NAMES), len(lists.rows)), dtype=np.float32)
    _fill_retrieval(result, lists)
    _fill_products(result, lists, products)
    _fill_history(result, lists, products)
    _fill_context(result, lists)
    if not np.isfinite(result).all():
        result[~np.isfinite(result)] = 0.0
    return np.ascontiguousarray(result.T)


class _Lists:
    """The candidates of all requests one after the other, and reductions over each list."""

    def __init__(self, requests: Sequence[RankRequest]) -> None:
        self.requests = requests
        self.rows = np.concatenate([request.candidates.rows for request in requests])
        self.lengths = np.array([len(request.candidates) for request in requests])
        self.starts = np.cumsum(self.lengths) - self.lengths

    def column(self, name: str) -> NDArray[np.float32]:
        """Return one column of the candidate lists as float32."""
        columns: list[NDArray[np.float32]] = [getattr(request.candidates, name) for request in self.requests]
        return np.concatenate(columns).astype(np.float32)

    def maximum(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each list's maximum, NaN left out, spread over its candidates."""
        return np.repeat(np.fmax.reduceat(values, self.starts), self.lengths)

    def total(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each list's sum, spread over its candidates."""
        return np.repeat(np.add.reduceat(values, self.starts), self.lengths)

    def divide_by_maximum(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale each list to a maximum of 1; a list without a positive value stays at or below 0."""
        top = self.maximum(values)
        scaled: NDArray[np.float32] = values / np.where(top > 0, top, np.float32(1.0))
        return scaled


def _fill_retrieval(result: NDArray[np.float32], lists: _Lists) -> None:
    def discount(rank: NDArray[np.float32]) -> NDArray[np.float32]:
        """``1 / log2(1 + rank)`` as in DCG (Jarvelin and Kekalainen 2002); 0 where absent."""
        gain: NDArray[np.float32] = (rank > 0) / np.log2(1.0 + np.maximum(rank, 1.0))
        return gain

    cooccurrence = lists.column("cooccurrence")
    result[_COLUMN["dense_score"]] = lists.column("dense_score")
    result[_COLUMN["word_score"]] = lists.divide_by_maximum(lists.column("word_score"))
    result[_COLUMN["dense_rank_discount"]] = discount(lists.column("dense_rank"))
    result[_COLUMN["word_rank_discount"]] = discount(lists.column("word_rank"))
    result[_COLUMN["fused"]] = lists.divide_by_maximum(lists.column("fused"))
    result[_COLUMN["cooccurrence"]] = np.log1p(np.maximum(cooccurrence, 0.0))
    result[_COLUMN["cooccurrence_relative"]] = lists.divide_by_maximum(cooccurrence)


def _fill_products(result: NDArray[np.float32], lists: _Lists, products: ProductFeatures) -> None:
    rows = lists.rows
    log_popularity = products.log_popularity[rows]
    result[_COLUMN["log_popularity"]] = log_popularity
    result[_COLUMN["popularity_relative"]] = log_popularity - lists.maximum(log_popularity)
    result[_COLUMN["trend"]] = products.trend[rows]
    result[_COLUMN["repeat_rate"]] = products.repeat_rate[rows]
    result[_COLUMN["in_stock"]] = products.in_stock[rows]
    price = products.price[rows]
    known = price >= 0
    log_price = np.log1p(np.where(known, price, np.float32(0.0)))
    list_mean = lists.total(log_price) / np.maximum(lists.total(known.astype(np.float32)), 1.0)
    log_price = np.where(known, log_price, list_mean)
    result[_COLUMN["log_price"]] = log_price
    result[_COLUMN["price_relative"]] = log_price - list_mean


def _fill_history(result: NDArray[np.float32], lists: _Lists, products: ProductFeatures) -> None:
    """Fill the columns that need the users' histories.

    Only what must stay apart (matching, shares, medians) loops over the requests; the rest runs over all at once.
    """
    requests = lists.requests
    result[_COLUMN["log_days_since_purchase"]] = np.log1p(NEVER_DAYS)
    lengths = np.array([len(request.history) for request in requests])
    if not lengths.any():
        return
    rows = np.concatenate([request.history.rows for request in requests])
    event_type = np.concatenate([request.history.type for request in requests])
    time = np.concatenate([request.history.time for request in requests])
    now = np.repeat([request.context.time for request in requests], lengths)
    known = rows >= 0
    rows = np.maximum(rows, 0)
    weight = (compute_event_weights(time, event_type, now=now) * known).astype(np.float64)
    bought = known & (event_type == PURCHASE)
    price = np.concatenate([request.history.price for request in requests])
    paid = np.where(bought & (price >= 0), price, np.float32(np.nan))
    total_weight = np.bincount(np.repeat(np.arange(len(requests)), lengths), weights=weight, minlength=len(requests))

    match = np.empty(len(rows), dtype=np.int64)
    median = np.full(len(requests), np.nan, dtype=np.float32)
    share_scale = np.repeat(1.0 / np.maximum(total_weight, SMALLEST_WEIGHT), lists.lengths)
    # Position of each product among a request's candidates plus 1; a search in the sorted candidates takes three times
    # as long. Zeroed pages cost nothing until they are touched, so a large catalogue does not make it slow.
    slot = np.zeros(len(products.price), dtype=np.int32)
    bounds = np.concatenate(([0], np.cumsum(lengths)))
    list_bounds = np.concatenate((lists.starts, [len(lists.rows)]))
    for index in np.flatnonzero(lengths):
        here = slice(bounds[index], bounds[index + 1])
        there = slice(list_bounds[index], list_bounds[index + 1])
        slot[lists.rows[there]] = np.arange(there.start + 1, there.stop + 1)
        match[here] = slot[rows[here]]
        slot[lists.rows[there]] = 0
        median[index] = _upper_median(paid[here])
    match -= 1
    for name, codes in (("category_share", products.leaf_category), ("brand_share", products.brand)):
        # Code -1, which is none, counts in place 0.
        of_history, of_candidates = codes[rows].astype(np.int64) + 1, codes[lists.rows].astype(np.int64) + 1
        largest = int(of_candidates.max())
        share = np.zeros(len(lists.rows))
        for index in np.flatnonzero(lengths):
            here = slice(bounds[index], bounds[index + 1])
            there = slice(list_bounds[index], list_bounds[index + 1])
            by_code = np.bincount(of_history[here], weights=weight[here], minlength=largest + 1)
            by_code[0] = 0.0
            share[there] = by_code[of_candidates[there]]
        result[_COLUMN[name]] = share * share_scale

    log_median = np.repeat(np.log1p(median), lists.lengths)
    relation = result[_COLUMN["log_price"]] - log_median
    result[_COLUMN["price_to_user_median"]] = np.where(np.isnan(relation), np.float32(0.0), relation)
    result[_COLUMN["log_history_length"]] = np.repeat(np.log1p(lengths), lists.lengths)
    hit = np.flatnonzero(bought & (match >= 0))
    if len(hit):
        days = np.maximum(now[hit] - time[hit], 0.0) / SECONDS_PER_DAY
        interval = products.repeat_interval_days[lists.rows]
        _fill_purchases(result, match[hit], days, weight[hit], interval)


def _fill_purchases(
    result: NDArray[np.float32],
    candidate: NDArray[np.int64],
    days: NDArray[np.float64],
    weight: NDArray[np.float64],
    interval_days: NDArray[np.float32],
) -> None:
    """Fill the columns of what users bought before, from matched purchases (newest first within a request)."""
    count = np.bincount(candidate, minlength=result.shape[1])
    bought = np.flatnonzero(count)
    newest, oldest = np.zeros(result.shape[1]), np.zeros(result.shape[1])
    # Newest first, and the last assignment wins.
    newest[candidate[::-1]] = days[::-1]
    oldest[candidate] = days
    since, times = newest[bought], count[bought]
    # The user's own gaps between purchases, with the product's usual interval as one gap more.
    expected = (oldest[bought] - since + interval_days[bought]) / times
    position = np.log((since + 0.5) / (expected + 0.5))
    recent = np.bincount(candidate, weights=weight, minlength=result.shape[1])
    result[_COLUMN["log_purchases"], bought] = np.log1p(times)
    result[_COLUMN["recent_purchases"]] = np.log1p(recent)
    result[_COLUMN["log_days_since_purchase"], bought] = np.log1p(np.minimum(since, NEVER_DAYS))
    result[_COLUMN["repeat_position"], bought] = np.clip(position, -REPEAT_POSITION_LIMIT, REPEAT_POSITION_LIMIT)


def _upper_median(values: NDArray[np.float32]) -> float:
    """Return the upper median, NaN left out; NaN where nothing is left."""
    count = int(np.count_nonzero(values == values))
    # NaN sorts last.
    return float(np.partition(values, count // 2)[count // 2]) if count else float("nan")


def _fill_context(result: NDArray[np.float32], lists: _Lists) -> None:
    requests = lists.requests
    local = np.array([request.context.time + request.context.utc_offset_s for request in requests])
    hour = local / 3600.0 % 24.0 * (2.0 * np.pi / 24.0)
    # 1970-01-01 was a Thursday, and Monday is 0.
    weekday = (np.floor(local / SECONDS_PER_DAY) + 3.0) % 7.0
    angle = weekday * (2.0 * np.pi / 7.0)
    values = [[request.has_query for request in requests], np.sin(hour), np.cos(hour), np.sin(angle), np.cos(angle)]
    columns = np.array([*values, weekday >= 5.0], dtype=np.float32)
    first = _COLUMN["has_query"]
    result[first : first + len(columns)] = np.repeat(columns, lists.lengths, axis=1)
