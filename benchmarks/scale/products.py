"""Products by the million: each recombines the title of one real product with that of another.

A real catalogue has some ten thousand products here; its words, brands, attributes and lengths are kept, and no two
generated titles are the same. What recombining cannot give is new words and new kinds of things: the vocabulary of a
million products is that of the source.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness.command import BenchmarkError
from mercato.arrays import Int64

SEED = 16
MOST_PART_WORDS = 5
"""Words of each half: titles of ten words at most, as most shops write them."""
MOST_ATTRIBUTES = 6
LEAST_HOLDERS = 100
"""An attribute that so many products have may name a category."""
ROWS_A_GROUP = 50_000
_PREFIX = re.compile("^[a-z]_")


@dataclass(frozen=True, kw_only=True)
class Source:
    """What products are made of, one of each for every real product.

    Attributes:
        heads: beginnings of titles.
        tails: ends of titles.
        brands: of the heads' products.
        categories: likewise; empty for none.
        attributes: likewise, JSON objects of a few attributes.
    """

    heads: list[str]
    tails: list[str]
    brands: list[str]
    categories: list[str]
    attributes: list[str]

    @cached_property
    def parts(self) -> list[str]:
        """Every distinct head and tail."""
        return sorted({*self.heads, *self.tails})


def read_source(path: Path) -> Source:
    """Read a product file with the columns ``title`` and, where it has them, brand (or supplier) and attributes.

    Raises:
        BenchmarkError: the file is not there, or has no titles of two words.
    """
    if not path.is_file():
        raise BenchmarkError(f"{path.name} not found; name a product file in Parquet with --source")
    table = pq.read_table(path)
    titles = [" ".join(re.sub("[<>&]", " ", text or "").split()) for text in table["title"].to_pylist()]
    brand = next((name for name in ("brand", "supplier", "manufacturer") if name in table.column_names), None)
    brands = table[brand].to_pylist() if brand else [""] * len(titles)
    has_attributes = "attributes" in table.column_names
    attributes = [_read_attributes(one) for one in table["attributes"].to_pylist()] if has_attributes else []
    attributes = attributes or [{} for _ in titles]
    holders = Counter(key for one in attributes for key in one)
    chosen = [number for number, title in enumerate(titles) if len(title.split()) > 1]
    if not chosen:
        raise BenchmarkError(f"{path.name}: has no titles of two words; name another product file with --source")
    halves = {number: _halve(titles[number]) for number in chosen}
    return Source(
        heads=[halves[number][0] for number in chosen],
        tails=[halves[number][1] for number in chosen],
        brands=[brands[number] or "" for number in chosen],
        categories=[_name_category(attributes[number], holders) for number in chosen],
        attributes=[_shorten(attributes[number], holders) for number in chosen],
    )


def pair_parts(source: Source, count: int) -> tuple[Int64, Int64]:
    """Pair heads with tails so that no title comes twice: int64 [count] each. The first of many are those of few.

    Raises:
        BenchmarkError: the source has fewer pairs.
    """
    heads, tails = _number(source.heads), _number(source.tails)
    if count > len(set(source.heads)) * len(set(source.tails)) // 4:
        raise BenchmarkError(f"--size {count}: too many for a source of {len(source.heads):,} products")
    random = np.random.default_rng(SEED)
    pairs = np.zeros((0, 2), np.int64)
    while len(pairs) < count:
        fresh = random.integers(0, len(heads), (1 << 20, 2))
        pairs = np.concatenate([pairs, fresh])
        keys = heads[pairs[:, 0]] * len(tails) + tails[pairs[:, 1]]
        _, first = np.unique(keys, return_index=True)
        pairs = pairs[np.sort(first)]
    return pairs[:count, 0].copy(), pairs[:count, 1].copy()


def write_products(source: Source, count: int, path: Path) -> None:
    """Write products as Parquet: ids, titles, brands, categories, prices and stock of their own; a file stays."""
    if path.exists():
        return
    head_of, tail_of = pair_parts(source, count)
    random = np.random.default_rng(SEED + 1)
    prices = np.round(np.exp(random.normal(4.0, 1.2, count)), 2)
    stocked = random.random(count) < 0.9
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")
    with pq.ParquetWriter(beside, _SCHEMA) as writer:
        for start in range(0, count, ROWS_A_GROUP):
            rows = range(start, min(start + ROWS_A_GROUP, count))
            heads = [int(head_of[row]) for row in rows]
            writer.write_table(
                pa.table(
                    {
                        "id": [f"p{row:08d}" for row in rows],
                        "title": [write_title(source, head_of[row], tail_of[row]) for row in rows],
                        "brand": [source.brands[head] for head in heads],
                        "categories": [source.categories[head] for head in heads],
                        "price": prices[rows.start : rows.stop],
                        "availability": ["IN_STOCK" if stocked[row] else "OUT_OF_STOCK" for row in rows],
                        "attributes": [source.attributes[head] for head in heads],
                    },
                    schema=_SCHEMA,
                )
            )
    beside.rename(path)


def write_title(source: Source, head: int | np.int64, tail: int | np.int64) -> str:
    """Write the title of a pair."""
    return f"{source.heads[head]} {source.tails[tail]}"


_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("brand", pa.string()),
        ("categories", pa.string()),
        ("price", pa.float64()),
        ("availability", pa.string()),
        ("attributes", pa.string()),
    ]
)


def _halve(title: str) -> tuple[str, str]:
    words = title.split()
    middle = (len(words) + 1) // 2
    return " ".join(words[:middle][:MOST_PART_WORDS]), " ".join(words[middle:][:MOST_PART_WORDS])


def _number(texts: list[str]) -> Int64:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(text, len(numbers)) for text in texts], np.int64)


def _read_attributes(text: str | None) -> dict[str, Any]:
    read = json.loads(text) if text else {}
    return read if isinstance(read, dict) else {}


def _name_category(attributes: dict[str, Any], holders: Counter[str]) -> str:
    """Name a category by what the fewest products, yet enough of them, say of themselves."""
    named = [key for key in attributes if holders[key] >= LEAST_HOLDERS]
    return _PREFIX.sub("", min(named, key=lambda key: (holders[key], key))).replace("_", " ") if named else ""


def _shorten(attributes: dict[str, Any], holders: Counter[str]) -> str:
    """Keep the attributes that most products have."""
    kept = sorted(attributes, key=lambda key: (-holders[key], key))[:MOST_ATTRIBUTES]
    return json.dumps({key: attributes[key] for key in kept}, ensure_ascii=False)
