"""The features that say what a candidate has to do with what its user did before."""

import numpy as np
from numpy.typing import NDArray

from mercato.features.candidate_lists import NEVER_DAYS, CandidateLists, Histories
from mercato.features.feature import REQUEST, Columns, Display, Feature, fills
from mercato.features.inputs import ProductFeatures

REPEAT_POSITION_LIMIT = 3.0
"""Bound on the log of elapsed over expected days."""

SMALLEST_WEIGHT = 1e-30
"""Stands for the total weight of a history without weight, whose shares are 0."""


@fills(
    Feature("log_purchases", "own purchases", ("history",), Display.EXPM1),
    Feature("recent_purchases", "own purchases", ("history", "context.time")),
    Feature("log_days_since_purchase", "own purchases", ("history", "context.time")),
    Feature("repeat_position", "own purchases", ("history", "context.time", "products.repeat_interval_days")),
    Feature("category_share", "category", ("history", "context.time", "products.leaf_category"), Display.PLAIN),
    Feature("brand_share", "brand", ("history", "context.time", "products.brand"), Display.PLAIN),
    Feature("log_history_length", REQUEST, ("history",)),
    Feature("price_to_user_median", "price", ("history", "products.price")),
)
def history(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill what needs the users' histories.

    Only what must stay apart (matching, shares, medians) loops over the requests; the rest runs over all at once.
    """
    columns["log_days_since_purchase"][:] = np.log1p(NEVER_DAYS)
    histories = lists.histories
    if histories is None:
        return
    columns["log_history_length"][:] = np.repeat(np.log1p(histories.lengths), lists.lengths)
    _fill_shares(columns, lists, histories, products)
    _fill_price(columns, lists, histories)
    _fill_purchases(columns, lists, histories, products)


@fills(Feature("recent_views", "own views", ("history", "context.time"), Display.EXPM1))
def views(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill how much its user looked at each candidate lately."""
    histories = lists.histories
    if histories is None:
        return
    match = histories.match(lists, len(products.price))
    viewed = np.flatnonzero(histories.seen & (match >= 0))
    if len(viewed):
        seen = np.bincount(match[viewed], weights=histories.weight[viewed], minlength=len(lists.rows))
        columns["recent_views"][:] = np.log1p(seen)


def _fill_shares(columns: Columns, lists: CandidateLists, histories: Histories, products: ProductFeatures) -> None:
    """Fill the share of each history's weight that has the candidate's category, and its brand."""
    weight = histories.weight
    request = np.repeat(np.arange(len(histories.lengths)), histories.lengths)
    total = np.bincount(request, weights=weight, minlength=len(histories.lengths))
    scale = np.repeat(1.0 / np.maximum(total, SMALLEST_WEIGHT), lists.lengths)
    for name, codes in (("category_share", products.leaf_category), ("brand_share", products.brand)):
        # Index 0 is code -1, which is no category.
        in_history = codes[histories.rows].astype(np.int64) + 1
        in_list = codes[lists.rows].astype(np.int64) + 1
        size = int(in_list.max()) + 1
        share = np.zeros(len(lists.rows))
        for index in histories.filled:
            here, there = histories.part(index), lists.part(index)
            by_code = np.bincount(in_history[here], weights=weight[here], minlength=size)
            share[there] = by_code[in_list[there]]
        columns[name][:] = share * scale * (in_list > 0)


def _fill_price(columns: Columns, lists: CandidateLists, histories: Histories) -> None:
    median = np.full(len(histories.lengths), np.nan, dtype=np.float32)
    for index in histories.filled:
        median[index] = _upper_median(histories.paid[histories.part(index)])
    relation = columns["log_price"] - np.repeat(np.log1p(median), lists.lengths)
    columns["price_to_user_median"][:] = np.where(np.isnan(relation), np.float32(0.0), relation)


def _upper_median(values: NDArray[np.float32]) -> float:
    """Return the upper median, NaN left out; NaN where nothing is left."""
    count = int(np.count_nonzero(values == values))
    # NaN sorts last.
    return float(np.partition(values, count // 2)[count // 2]) if count else float("nan")


def _fill_purchases(columns: Columns, lists: CandidateLists, histories: Histories, products: ProductFeatures) -> None:
    """Fill how often and when each candidate was bought by its user."""
    match = histories.match(lists, len(products.price))
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
    columns["log_purchases"][:] = np.log1p(count)
    columns["recent_purchases"][:] = np.log1p(recent)
    columns["log_days_since_purchase"][bought] = np.log1p(since)
    columns["repeat_position"][bought] = np.clip(position, -REPEAT_POSITION_LIMIT, REPEAT_POSITION_LIMIT)
