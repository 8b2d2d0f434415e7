"""The features of a product itself: how well it sells, what it costs, how long it has been on sale."""

import numpy as np
from numpy.typing import NDArray

from mercato.features.candidate_lists import CandidateLists
from mercato.features.feature import Columns, Display, Feature, fills
from mercato.features.inputs import ProductFeatures
from mercato.signals.events import SECONDS_PER_DAY


@fills(
    Feature("log_popularity", "popularity", ("products.log_popularity",), Display.EXPM1),
    Feature("popularity_relative", "popularity", ("products.log_popularity",)),
    Feature("trend", "trend", ("products.trend",), Display.EXP),
    Feature("repeat_rate", "bought again by others", ("products.repeat_rate",), Display.PLAIN),
    Feature("log_price", "price", ("products.price",), Display.EXPM1),
    Feature("price_relative", "price", ("products.price",)),
    Feature("in_stock", "stock", ("products.in_stock",), Display.PLAIN),
)
def product(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill what is known of each candidate; one of unknown price has the mean of the list."""
    rows = lists.rows
    log_popularity = products.log_popularity[rows]
    columns["log_popularity"][:] = log_popularity
    columns["popularity_relative"][:] = log_popularity - lists.maximum(log_popularity)
    columns["trend"][:] = products.trend[rows]
    columns["repeat_rate"][:] = products.repeat_rate[rows]
    columns["in_stock"][:] = products.in_stock[rows]
    price = products.price[rows]
    known: NDArray[np.bool_] = price >= 0
    log_price = np.log1p(np.where(known, price, np.float32(0.0)))
    list_mean = lists.total(log_price) / np.maximum(lists.total(known.astype(np.float32)), 1.0)
    log_price = np.where(known, log_price, list_mean)
    columns["log_price"][:] = log_price
    columns["price_relative"][:] = log_price - list_mean


@fills(
    Feature("log_age_days", "age", ("products.available_days", "context.time"), Display.EXPM1),
    Feature("age_relative", "age", ("products.available_days", "context.time")),
)
def age(columns: Columns, lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill how long each candidate has been on sale; one of unknown age has the mean of the list."""
    if not len(products.available_days):
        return
    available = products.available_days[lists.rows]
    known = ~np.isnan(available)
    today = np.repeat([request.context.time / SECONDS_PER_DAY for request in lists.requests], lists.lengths)
    days = np.maximum(today - np.where(known, available, today), 0.0)
    log_age = np.log1p(days).astype(np.float32)
    mean = lists.total(log_age) / np.maximum(lists.total(known.astype(np.float32)), 1.0)
    log_age = np.where(known, log_age, mean)
    columns["log_age_days"][:] = log_age
    columns["age_relative"][:] = log_age - mean
