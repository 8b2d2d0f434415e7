"""What the ranker reads of each product, as columns: from products and what was learned of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercato.catalog.product import Product
from mercato.features.inputs import ProductFeatures
from mercato.features.kinds import Kinds
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


def code_categories(products: Sequence[Product]) -> NDArray[np.int32]:
    """Return the number of each product's most specific category, as `build_features` gives it; -1 for none."""
    categories = number_names(leaf_category(product) for product in products)
    return np.array([categories.get(leaf_category(product), NO_CODE) for product in products], np.int32)


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


def list_kind_names(product: Product) -> set[str]:
    """Return the names that tell a product's kind: of every category it is in, and of its attributes."""
    return {f"category {name}" for name in product.categories} | {
        f"attribute {key}" for key in product.joined_attributes
    }


def weigh_kinds(products: Sequence[Product]) -> dict[str, float]:
    """Weigh every name of a catalogue by ``ln(N / df)``, df of N products having it, in order of first appearance."""
    counts: Counter[str] = Counter()
    for product in products:
        counts.update(sorted(list_kind_names(product)))
    return {name: math.log(len(products) / count) for name, count in counts.items()}


def build_kinds(products: Sequence[Product], weights: Mapping[str, float]) -> Kinds:
    """Build the kinds of products.

    Args:
        products: in row order.
        weights: name to weight; a name's index is its number, and other names are left out.

    Returns:
        One unit vector a product; a product whose names all weigh nothing has none.
    """
    numbers = {name: number for number, name in enumerate(weights)}
    rows = []
    for product in products:
        known = sorted(numbers[name] for name in list_kind_names(product) if weights.get(name, 0.0) > 0.0)
        rows.append(np.array(known, np.int32))
    by_number = np.array(list(weights.values()) or [0.0])
    names = np.concatenate([np.zeros(0, np.int32), *rows])
    lengths = np.array([len(row) for row in rows], np.int64)
    row = np.repeat(np.arange(len(rows)), lengths)
    norm = np.sqrt(np.bincount(row, by_number[names] ** 2, len(rows)))
    return Kinds(
        bounds=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        names=names,
        weights=(by_number[names] / norm[row]).astype(np.float32),
    )
