"""The ranker's features by what they mean to a person. Every feature is in one group; a test holds that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from mercato.features.feature_names import COLUMN


class Read(Enum):
    """How a column's value is given to a person."""

    PLAIN = "plain"
    EXP = "exp"
    EXPM1 = "expm1"

    def __call__(self, value: float) -> float:
        """Return the readable value."""
        if self is Read.PLAIN:
            return float(value)
        return float(np.exp(value) if self is Read.EXP else np.expm1(value))


class Vector(Enum):
    """A vector of the ranker's input whose cosine with the candidate belongs to a group."""

    QUERY = "query"
    HISTORY = "history"


@dataclass(frozen=True, kw_only=True)
class FeatureGroup:
    """Features that mean one thing.

    Attributes:
        name: as an explanation has it.
        columns: names of features.
        shown: the feature whose value an explanation gives; empty for a group of vectors alone, which gives the cosine.
        read: how that value is given.
        search: the vector whose cosine belongs to the group in a search; None for none.
        recommendation: the same in a recommendation.
        common: the columns are the same for all products of a request. They are taken as 0 instead of as the mean, and
            what that does to the whole window is no effect.
    """

    name: str
    columns: tuple[str, ...]
    shown: str = ""
    read: Read = Read.PLAIN
    search: Vector | None = None
    recommendation: Vector | None = None
    common: bool = False

    def positions(self) -> list[int]:
        """Return the columns' positions."""
        return [COLUMN[name] for name in self.columns]

    def vector(self, *, is_search: bool) -> Vector | None:
        """Return the vector that belongs to the group."""
        return self.search if is_search else self.recommendation


GROUPS: tuple[FeatureGroup, ...] = (
    FeatureGroup(name="words", columns=("word_score", "word_rank_discount", "coverage"), shown="word_score"),
    FeatureGroup(
        name="kind of product",
        columns=("kind_words", "kind_dense", "kind_fused", "brand_agreement", "category_agreement"),
        shown="kind_fused",
    ),
    FeatureGroup(
        name="similarity",
        columns=("dense_score", "dense_rank_discount"),
        shown="dense_score",
        search=Vector.QUERY,
        recommendation=Vector.HISTORY,
    ),
    FeatureGroup(name="taste", columns=(), search=Vector.HISTORY),
    FeatureGroup(name="order of retrieval", columns=("fused",), shown="fused"),
    FeatureGroup(
        name="bought together",
        columns=("cooccurrence", "cooccurrence_relative"),
        shown="cooccurrence",
        read=Read.EXPM1,
    ),
    FeatureGroup(
        name="bought by the same shoppers",
        columns=("also_bought", "also_bought_relative", "lately", "lately_relative", "factors", "factors_relative"),
        shown="also_bought",
    ),
    FeatureGroup(
        name="popularity",
        columns=("log_popularity", "popularity_relative", "log_fresh_buyers", "log_recent_buyers", "usual_pieces"),
        shown="log_popularity",
        read=Read.EXPM1,
    ),
    FeatureGroup(name="trend", columns=("trend", "surge", "log_days_since_sale"), shown="trend", read=Read.EXP),
    FeatureGroup(name="bought again by others", columns=("repeat_rate",), shown="repeat_rate"),
    FeatureGroup(
        name="price",
        columns=("log_price", "price_relative", "price_to_user_median"),
        shown="log_price",
        read=Read.EXPM1,
    ),
    FeatureGroup(
        name="age", columns=("log_age_days", "age_relative", "log_days_on_sale"), shown="log_age_days", read=Read.EXPM1
    ),
    FeatureGroup(name="stock", columns=("in_stock",), shown="in_stock"),
    FeatureGroup(
        name="own purchases",
        columns=(
            "log_purchases",
            "recent_purchases",
            "log_days_since_purchase",
            "repeat_position",
            "slow_purchases",
            "purchase_share",
            "log_days_missed",
            "in_last_order",
            "log_pieces",
            "pieces_relative",
        ),
        shown="log_purchases",
        read=Read.EXPM1,
    ),
    FeatureGroup(name="own views", columns=("recent_views",), shown="recent_views", read=Read.EXPM1),
    FeatureGroup(name="category", columns=("category_share",), shown="category_share"),
    FeatureGroup(name="brand", columns=("brand_share",), shown="brand_share"),
    FeatureGroup(
        name="time",
        columns=("hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "weekend"),
        common=True,
    ),
    FeatureGroup(
        name="device and region",
        columns=("device_1", "device_2", "device_3", "region_1", "region_2", "region_3"),
        common=True,
    ),
)

REQUEST_FEATURES = (
    "has_query",
    "log_history_length",
    "log_matches",
    "log_orders",
    "log_order_size",
    "repeat_share",
    "log_days_since_order",
    "log_order_interval",
    "log_distinct_products",
    "shopper_pieces",
)
"""What kind of request it is: not a reason for one product before another, and never taken away."""


def list_unexplained() -> list[str]:
    """Return the ranker's features that are in no group, or in several."""
    grouped = [*REQUEST_FEATURES, *(name for group in GROUPS for name in group.columns)]
    return [name for name in COLUMN if grouped.count(name) != 1]
