"""The ranker's features: one function for serving and for training.

Everything is computed for a batch of requests over concatenated candidates; one request is a batch of one.
What needs vectors (cosines of query, history and candidate) is computed inside the network instead.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mercato.features.candidate_lists import CandidateLists
from mercato.features.feature_names import COLUMN, FEATURE_NAMES
from mercato.features.history_features import fill_history
from mercato.features.inputs import ProductFeatures, RankRequest
from mercato.features.search_features import fill_agreement, fill_search
from mercato.features.shopping_features import fill_shopping
from mercato.signals.events import SECONDS_PER_DAY

__all__ = ["FEATURE_NAMES", "compute_features"]

NAME_DIMENSIONS = 3
"""Features that a name of a device or region becomes."""


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
    lists = CandidateLists(requests)
    result = np.zeros((len(FEATURE_NAMES), len(lists.rows)), dtype=np.float32)
    _fill_retrieval(result, lists)
    _fill_products(result, lists, products)
    fill_history(result, lists, products)
    fill_search(result, lists)
    fill_agreement(result, lists, products)
    _fill_context(result, lists)
    _fill_place(result, lists)
    fill_shopping(result, lists)
    if not np.isfinite(result).all():
        result[~np.isfinite(result)] = 0.0
    return np.ascontiguousarray(result.T)


def _fill_retrieval(result: NDArray[np.float32], lists: CandidateLists) -> None:
    scores = np.stack([lists.column(name) for name in ("word_score", "fused", "cooccurrence")])
    ranks = np.stack([lists.column(name) for name in ("dense_rank", "word_rank")])
    # ``1 / log2(1 + rank)`` as in DCG (Jarvelin and Kekalainen 2002); 0 where absent.
    discounts = (ranks > 0) / np.log2(1.0 + np.maximum(ranks, 1.0))
    result[COLUMN["dense_score"]] = lists.column("dense_score")
    result[COLUMN["dense_rank_discount"]], result[COLUMN["word_rank_discount"]] = discounts
    word_score, fused, cooccurrence = lists.divide_by_maximum(scores)
    result[COLUMN["word_score"]] = word_score
    result[COLUMN["fused"]] = fused
    result[COLUMN["cooccurrence"]] = np.log1p(np.maximum(scores[2], 0.0))
    result[COLUMN["cooccurrence_relative"]] = cooccurrence


def _fill_products(result: NDArray[np.float32], lists: CandidateLists, products: ProductFeatures) -> None:
    rows = lists.rows
    log_popularity = products.log_popularity[rows]
    result[COLUMN["log_popularity"]] = log_popularity
    result[COLUMN["popularity_relative"]] = log_popularity - lists.maximum(log_popularity)
    result[COLUMN["trend"]] = products.trend[rows]
    result[COLUMN["repeat_rate"]] = products.repeat_rate[rows]
    result[COLUMN["in_stock"]] = products.in_stock[rows]
    price = products.price[rows]
    known = price >= 0
    log_price = np.log1p(np.where(known, price, np.float32(0.0)))
    list_mean = lists.total(log_price) / np.maximum(lists.total(known.astype(np.float32)), 1.0)
    log_price = np.where(known, log_price, list_mean)
    result[COLUMN["log_price"]] = log_price
    result[COLUMN["price_relative"]] = log_price - list_mean
    _fill_age(result, lists, products)


def _fill_age(result: NDArray[np.float32], lists: CandidateLists, products: ProductFeatures) -> None:
    """Fill how long each candidate has been on sale; one of unknown age reads as the mean of the list."""
    if not len(products.available_days):
        return
    available = products.available_days[lists.rows]
    known = ~np.isnan(available)
    today = np.repeat([request.context.time / SECONDS_PER_DAY for request in lists.requests], lists.lengths)
    days = np.maximum(today - np.where(known, available, today), 0.0)
    log_age = np.log1p(days).astype(np.float32)
    mean = lists.total(log_age) / np.maximum(lists.total(known.astype(np.float32)), 1.0)
    log_age = np.where(known, log_age, mean)
    result[COLUMN["log_age_days"]] = log_age
    result[COLUMN["age_relative"]] = log_age - mean


def _fill_context(result: NDArray[np.float32], lists: CandidateLists) -> None:
    requests = lists.requests
    local = np.array([request.context.time + request.context.utc_offset_s for request in requests])
    hour = local / 3600.0 % 24.0 * (2.0 * np.pi / 24.0)
    # 1970-01-01 was a Thursday, and Monday is 0.
    weekday = (np.floor(local / SECONDS_PER_DAY) + 3.0) % 7.0
    angle = weekday * (2.0 * np.pi / 7.0)
    values = [[request.has_query for request in requests], np.sin(hour), np.cos(hour), np.sin(angle), np.cos(angle)]
    columns = np.array([*values, weekday >= 5.0], dtype=np.float32)
    first = COLUMN["has_query"]
    result[first : first + len(columns)] = np.repeat(columns, lists.lengths, axis=1)


def _fill_place(result: NDArray[np.float32], lists: CandidateLists) -> None:
    for name, first in (("device", COLUMN["device_1"]), ("region", COLUMN["region_1"])):
        values = [embed_name(getattr(request.context, name)) for request in lists.requests]
        result[first : first + NAME_DIMENSIONS] = np.repeat(np.array(values, np.float32).T, lists.lengths, axis=1)


@lru_cache(maxsize=4096)
def embed_name(name: str) -> tuple[float, ...]:
    """Give a name a fixed random place, each coordinate from -1 to 1; zeros for the empty one.

    Names that nobody listed before get a place too, and two share one hardly ever (as in feature hashing, Weinberger
    et al. 2009).
    """
    if not name:
        return (0.0,) * NAME_DIMENSIONS
    digest = hashlib.blake2b(name.strip().casefold().encode(), digest_size=2 * NAME_DIMENSIONS).digest()
    return tuple((np.frombuffer(digest, "<u2") / 32767.5 - 1.0).tolist())
