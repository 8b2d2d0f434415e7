"""What the ranker reads of each product, as columns: from products and what was learned of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mercato.catalog.product import Product
from mercato.features.inputs import ProductFeatures
from mercato.index.product_kinds import build_kinds, weigh_kinds
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.popularity import Popularity
from mercato.signals.repeat import DEFAULT_INTERVAL_DAYS, Repeat

NO_CODE = -1


def number_names(names: Iterable[str]) -> dict[str, int]:
    """Number distinct names in order of first appearance; the empty name has no number."""
    numbers: dict[str, int] = {}
    for name in names:
        if name:
            numbers.setdefault(name, len(numbers))
    return numbers


def leaf_category(product: Product) -> str:
    """Return the most specific category, empty where there is none."""
    return product.categories[-1] if product.categories else ""


def build_features(
    products: Sequence[Product], popularity: Popularity, repeat: Repeat
) -> tuple[ProductFeatures, dict[str, Any]]:
    """Build the columns of a snapshot.

    Args:
        products: in row order.
        popularity: of the same rows.
        repeat: of the same rows.

    Returns:
        The columns, and for `append_features` the numbers of categories and brands and the weights of kinds.
    """
    categories = number_names(leaf_category(product) for product in products)
    brands = number_names(product.brand for product in products)
    kinds = weigh_kinds(products)
    columns = ProductFeatures(
        log_popularity=np.log1p(popularity.count).astype(np.float32),
        trend=popularity.trend,
        repeat_rate=repeat.rate,
        repeat_interval_days=repeat.interval_days,
        **_product_columns(products, categories, brands),
        **asdict(build_kinds(products, kinds), dict_factory=_prefix_kinds),
    )
    return columns, {"leaf_categories": categories, "brands": brands, "kinds": kinds}


def append_features(
    columns: ProductFeatures, entries: Sequence[tuple[Product | None, int]], settings: Mapping[str, Any]
) -> ProductFeatures:
    """Add changed products to the columns.

    Args:
        columns: the columns so far; its first rows are the snapshot's.
        entries: the changed product (None for a deletion) and the snapshot row it replaces, -1 for a new one. What was
            learned of the replaced row holds on.
        settings: holds ``leaf_categories`` and ``brands``, name to number, and ``kinds``, name to weight.
    """
    placeholder = Product(id="-", title="-")
    products = [product if product is not None else placeholder for product, _ in entries]
    replaced = np.array([row for _, row in entries], np.int64)
    known = replaced >= 0
    source = np.maximum(replaced, 0)

    def inherit(column: np.ndarray[Any, Any], default: float) -> np.ndarray[Any, Any]:
        fresh = np.where(known, column[source], default).astype(column.dtype)
        return np.concatenate([column, fresh])

    fresh = _product_columns(products, settings["leaf_categories"], settings["brands"])
    if not len(columns.available_days):
        fresh.pop("available_days")
    kinds = columns.kinds.append(build_kinds(products, settings.get("kinds", {})))
    return ProductFeatures(
        log_popularity=inherit(columns.log_popularity, 0.0),
        trend=inherit(columns.trend, 0.0),
        repeat_rate=inherit(columns.repeat_rate, 0.0),
        repeat_interval_days=inherit(columns.repeat_interval_days, DEFAULT_INTERVAL_DAYS),
        **{name: np.concatenate([getattr(columns, name), column]) for name, column in fresh.items()},
        **asdict(kinds, dict_factory=_prefix_kinds),
    )


def _product_columns(
    products: Sequence[Product], categories: Mapping[str, int], brands: Mapping[str, int]
) -> dict[str, Any]:
    nan = float("nan")
    return {
        "price": np.array([nan if p.price is None else p.price for p in products], np.float32),
        "leaf_category": np.array([categories.get(leaf_category(p), NO_CODE) for p in products], np.int32),
        "brand": np.array([brands.get(p.brand, NO_CODE) for p in products], np.int32),
        "available_days": np.array([_days(p.available_seconds) for p in products], np.float32),
        "in_stock": np.array([p.availability == "IN_STOCK" for p in products], np.bool_),
    }


def _days(seconds: float | None) -> float:
    return float("nan") if seconds is None else seconds / SECONDS_PER_DAY


def _prefix_kinds(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {f"kind_{name}": array for name, array in items}
