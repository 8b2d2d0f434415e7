"""The features that say what a candidate has to do with what its user did before."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mercato.features.candidate_lists import CandidateLists
from mercato.features.feature_names import COLUMN
from mercato.features.inputs import ProductFeatures, RankRequest
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.history import PURCHASE, compute_event_weights

NEVER_DAYS = 730.0
"""Days since the last purchase of what was never bought: two years."""

REPEAT_POSITION_LIMIT = 3.0
"""Bound on the log of elapsed over expected days."""

SMALLEST_WEIGHT = 1e-30
"""Stands for the total weight of a history without weight, whose shares are 0."""


class _Histories:
    """The histories of all requests one after the other, each newest first."""

    def __init__(self, requests: Sequence[RankRequest]) -> None:
        self.lengths = np.array([len(request.history) for request in requests])
        self.bounds = np.concatenate(([0], np.cumsum(self.lengths)))
        self.filled = np.flatnonzero(self.lengths)
        """Requests with a history."""
        rows = np.concatenate([request.history.rows for request in requests])
        event_type = np.concatenate([request.history.type for request in requests])
        time = np.concatenate([request.history.time for request in requests])
        price = np.concatenate([request.history.price for request in requests])
        now = np.repeat([request.context.time for request in requests], self.lengths)
        known = rows >= 0
        self.rows = np.maximum(rows, 0)
        self.weight = (compute_event_weights(time, event_type, now=now) * known).astype(np.float64)
        self.bought = known & (event_type == PURCHASE)
        self.seen = known & (event_type != PURCHASE)
        self.paid = np.where(self.bought & (price >= 0), price, np.float32(np.nan))
        self.days = np.clip((now - time) / SECONDS_PER_DAY, 0.0, NEVER_DAYS)

    def part(self, index: int) -> slice:
        """Return where one request's history lies."""
        return slice(self.bounds[index], self.bounds[index + 1])


def fill_history(result: NDArray[np.float32], lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill the columns that need the users' histories.

    Only what must stay apart (matching, shares, medians) loops over the requests; the rest runs over all at once.

    Args:
        result: float32 [features, n], zeros in these columns; ``log_price`` is filled already.
        lists: the candidates.
        products: columns of all products.
    """
    result[COLUMN["log_days_since_purchase"]] = np.log1p(NEVER_DAYS)
    if not any(len(request.history) for request in lists.requests):
        return
    histories = _Histories(lists.requests)
    result[COLUMN["log_history_length"]] = np.repeat(np.log1p(histories.lengths), lists.lengths)
    _fill_shares(result, lists, histories, products)
    _fill_price(result, lists, histories)
    _fill_purchases(result, lists, histories, products)


def _fill_shares(
    result: NDArray[np.float32], lists: CandidateLists, histories: _Histories, products: ProductFeatures
) -> None:
    """Fill the share of each history's weight that has the candidate's category, and its brand."""
    weight = histories.weight
    request = np.repeat(np.arange(len(histories.lengths)), histories.lengths)
    total = np.bincount(request, weights=weight, minlength=len(histories.lengths))
    scale = np.repeat(1.0 / np.maximum(total, SMALLEST_WEIGHT), lists.lengths)
    for name, codes in (("category_share", products.leaf_category), ("brand_share", products.brand)):
        # Place 0 is code -1, which is no category.
        in_history = codes[histories.rows].astype(np.int64) + 1
        in_list = codes[lists.rows].astype(np.int64) + 1
        size = int(in_list.max()) + 1
        share = np.zeros(len(lists.rows))
        for index in histories.filled:
            here, there = histories.part(index), lists.part(index)
            by_code = np.bincount(in_history[here], weights=weight[here], minlength=size)
            share[there] = by_code[in_list[there]]
        result[COLUMN[name]] = share * scale * (in_list > 0)


def _fill_price(result: NDArray[np.float32], lists: CandidateLists, histories: _Histories) -> None:
    median = np.full(len(histories.lengths), np.nan, dtype=np.float32)
    for index in histories.filled:
        median[index] = _upper_median(histories.paid[histories.part(index)])
    relation = result[COLUMN["log_price"]] - np.repeat(np.log1p(median), lists.lengths)
    result[COLUMN["price_to_user_median"]] = np.where(np.isnan(relation), np.float32(0.0), relation)


def _upper_median(values: NDArray[np.float32]) -> float:
    """Return the upper median, NaN left out; NaN where nothing is left."""
    count = int(np.count_nonzero(values == values))
    # NaN sorts last.
    return float(np.partition(values, count // 2)[count // 2]) if count else float("nan")


def _fill_purchases(
    result: NDArray[np.float32], lists: CandidateLists, histories: _Histories, products: ProductFeatures
) -> None:
    """Fill how much its user looked at each candidate lately, and how often and when it was bought."""
    match = _match(lists, histories, len(products.price))
    viewed = np.flatnonzero(histories.seen & (match >= 0))
    if len(viewed):
        views = np.bincount(match[viewed], weights=histories.weight[viewed], minlength=len(lists.rows))
        result[COLUMN["recent_views"]] = np.log1p(views)
    hit = np.flatnonzero(histories.bought & (match >= 0))
    if not len(hit):
        return
    candidate, days, size = match[hit], histories.days[hit], len(lists.rows)
    count = np.bincount(candidate, minlength=size)
    recent = np.bincount(candidate, weights=histories.weight[hit], minlength=size)
    bought = np.flatnonzero(count)
    newest, oldest = np.zeros(size), np.zeros(size)
    # Newest first, and the last assignment wins.
    newest[candidate[::-1]] = days[::-1]
    oldest[candidate] = days
    since, times = newest[bought], count[bought]
    # The user's own gaps between purchases, with the product's usual interval as one gap more.
    expected = (oldest[bought] - since + products.repeat_interval_days[lists.rows[bought]]) / times
    position = np.log((since + 0.5) / (expected + 0.5))
    result[COLUMN["log_purchases"]] = np.log1p(count)
    result[COLUMN["recent_purchases"]] = np.log1p(recent)
    result[COLUMN["log_days_since_purchase"], bought] = np.log1p(since)
    result[COLUMN["repeat_position"], bought] = np.clip(position, -REPEAT_POSITION_LIMIT, REPEAT_POSITION_LIMIT)


def _match(lists: CandidateLists, histories: _Histories, product_count: int) -> NDArray[np.int64]:
    """Return the place of each event's product among its request's candidates, -1 where it is none of them."""
    # A table over all products: searching in the sorted candidates takes three times as long, and zeroed pages cost
    # nothing until they are touched, so a large catalogue does not make it slow.
    place = np.zeros(product_count, dtype=np.int32)
    match = np.empty(len(histories.rows), dtype=np.int64)
    for index in histories.filled:
        here, there = histories.part(index), lists.part(index)
        place[lists.rows[there]] = np.arange(there.start + 1, there.stop + 1)
        match[here] = place[histories.rows[here]]
        place[lists.rows[there]] = 0
    return match - 1
