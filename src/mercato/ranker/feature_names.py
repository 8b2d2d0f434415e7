"""The names of the ranker's features, in order."""

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

COLUMN = {name: position for position, name in enumerate(FEATURE_NAMES)}
"""Position of each feature."""
