"""The kinds of a catalogue's products, from their categories and the names of their attributes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from mercato.catalog.product import Product
from mercato.features.kinds import Kinds


def list_kind_names(product: Product) -> set[str]:
    """Return the names that tell a product's kind: of every category it is in, and of its attributes."""
    return {f"category {name}" for name in product.categories} | {f"attribute {key}" for key in product.attributes}


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
