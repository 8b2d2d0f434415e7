"""What a check finds: which products, what of it hurts, what to do; and what a check is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt
import orjson

from mercato.arrays import Float32, Float64, Int32, Int64
from mercato.errors import InvalidInputError

#: How much a fault hurts the product that has it, from 0 to 1, and the name of it that a person sees.
SEVERE, MODERATE, SLIGHT, HARMLESS = 1.0, 0.3, 0.1, 0.0
LEVELS = {SEVERE: "severe", MODERATE: "moderate", SLIGHT: "slight", HARMLESS: "harmless"}

T = TypeVar("T")
_BATCH = 512
#: Products of a finding that are looked at for examples that differ.
MOST_LOOKED_AT = 5_000
_EF_SEARCH = 128  # of neighbours one that is missed hides one pair, not a product


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What a shop may set of the checks.

    Attributes:
        price_factor: a price is only called far from its category if it is this many times dearer or cheaper. A slipped
            decimal sign makes 10; what is less has another reason.
        least_category: a category with fewer priced products says too little of what is usual; its parent is asked.
        cosine: two texts whose vectors are at least this near may be one product, described twice.
        near_texts: distinct texts, the most popular first, that are compared with the texts nearest to them.
        title_chars: a title with more characters is too long. Google Merchant Center takes 150.
        category_levels: a category with more levels above it is too deep. Google's product taxonomy has 7.
    """

    price_factor: float = 10.0
    least_category: int = 20
    cosine: float = 0.95
    near_texts: int = 20_000
    title_chars: int = 150
    category_levels: int = 7

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.price_factor > 1:
            raise InvalidInputError("--price-factor", f"must be more than 1, got {self.price_factor}")
        if not 0 < self.cosine <= 1:
            raise InvalidInputError("--cosine", f"must be more than 0 and at most 1, got {self.cosine}")
        for name in ("least_category", "near_texts", "title_chars", "category_levels"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"--{name.replace('_', '-')}", f"must be 1 or more, got {getattr(self, name)}")


class DocumentRows(Protocol):
    """The products, row by row; `mercato.index.documents.Documents` is one."""

    count: int

    def document(self, row: int) -> bytes:
        """Return the JSON document of a row."""
        ...


class NearTexts(Protocol):
    """An index of the distinct texts; `mercato.index.dense.DenseIndex` is one."""

    count: int

    def take(self, texts: npt.NDArray[np.integer[Any]]) -> Float32:
        """Return the vectors of texts, int [n]: float32 [n, dimension]."""
        ...

    def search(self, queries: Float32, k: int, *, ef_search: int) -> tuple[Float32, Any]:
        """Find the texts nearest to each query: cosines and numbers of texts, both [batch, k]."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbours:
    """The most popular distinct texts, and which others are near.

    Attributes:
        texts: int64 [n], the texts that were looked at, the most popular first.
        first_row: int64 [all texts], the most popular product of each text.
        cosines: float32 [n, k], descending.
        found: int64 [n, k], the texts; -1 where there are no more. A text itself is among them.
    """

    texts: Int64
    first_row: Int64
    cosines: Float32
    found: Int64


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalog:
    """The products that are checked, the most popular first.

    Attributes:
        documents: the products.
        demand: float64 [products], weighted events of each product, >= 0; None where no events were learned.
        text_of_row: int32 [products], the distinct text of each row.
        dense: the vectors of the distinct texts; None where there are none to compare.
        thresholds: what the shop may set.
    """

    documents: DocumentRows
    demand: Float64 | None = None
    text_of_row: Int32 | None = None
    dense: NearTexts | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    _results: dict[object, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, compute: Callable[[Catalog], T]) -> T:
        """Compute something of the products that several need, and keep it."""
        if compute not in self._results:
            self._results[compute] = compute(self)
        return cast(T, self._results[compute])

    @property
    def count(self) -> int:
        """Number of products."""
        return self.documents.count

    def products(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield row and document of every product; only one is held at a time."""
        for row in range(self.documents.count):
            yield row, self.product(row)

    def product(self, row: int) -> dict[str, Any]:
        """Return the document of a row; attributes and addresses of its variants are its own where it has variants."""
        product: dict[str, Any] = orjson.loads(self.documents.document(row))
        return _join_variants(product) if "variants" in product else product

    @property
    def titles(self) -> list[str]:
        """Title of each row."""
        return self._columns[0]

    @property
    def brands(self) -> list[str]:
        """Brand of each row, empty where it has none; equal ones are one object."""
        return self._columns[1]

    @property
    def paths(self) -> list[tuple[str, ...]]:
        """Categories of each row from general to specific; equal ones are one object."""
        return self._columns[2]

    @cached_property
    def neighbours(self) -> Neighbours | None:
        """The most popular texts with those nearest to them; None where there are no vectors."""
        if self.dense is None or self.text_of_row is None:
            return None
        first_row = np.full(self.dense.count, self.count, np.int64)
        np.minimum.at(first_row, self.text_of_row, np.arange(self.count))
        texts = np.argsort(first_row, kind="stable")[: self.thresholds.near_texts]
        k = min(self.thresholds.least_category + 1, self.dense.count)
        cosines, found = np.zeros((len(texts), k), np.float32), np.zeros((len(texts), k), np.int64)
        for start in range(0, len(texts), _BATCH):
            batch = slice(start, start + _BATCH)
            queries = self.dense.take(texts[batch])
            cosines[batch], found[batch] = self.dense.search(queries, k, ef_search=max(_EF_SEARCH, k))
        return Neighbours(texts=texts, first_row=first_row, cosines=cosines, found=found)

    @cached_property
    def _columns(self) -> tuple[list[str], list[str], list[tuple[str, ...]]]:
        titles, brands, paths = [], [], []
        known: dict[Any, Any] = {}
        for _, product in self.products():
            titles.append(product["title"])
            brand, path = product.get("brand", ""), tuple(product.get("categories", ()))
            brands.append(known.setdefault(brand, brand))
            paths.append(known.setdefault(path, path))
        return titles, brands, paths


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One kind of fault, and the products that have it.

    Attributes:
        name: of the kind; stays the same from one report to the next.
        section: what of a product it is about.
        title: what was found, in a few words.
        harm: what of it hurts search, and how.
        remedy: what to do.
        weight: how much it hurts a product that has it, one of `LEVELS`.
        rows: the products, ascending; those that sell best come first.
        values: what is wrong with each of `rows`, or a function that says it of a row.
        groups: number of things that the products share a fault in (codes, categories, attributes); 0 where each
            product is for itself.
        things: what these things are called.
        listed: whether the products are shown; what all of them lack is said once.
    """

    name: str
    section: str
    title: str
    harm: str
    remedy: str
    weight: float
    rows: Sequence[int]
    values: Sequence[str] | Callable[[int], str]
    groups: int = 0
    things: str = "groups"
    listed: bool = True

    def value(self, position: int) -> str:
        """Say what is wrong with the product at a position of `rows`."""
        return self.values(self.rows[position]) if callable(self.values) else self.values[position]

    def sum_up(self, catalog: Catalog, examples: int) -> dict[str, Any]:
        """Give the finding as JSON values.

        ``hurt`` is the weight times the share of the products; where events were learned, times the mean of the share
        of products and the share of what shoppers did that fell on them.

        Args:
            catalog: the products.
            examples: how many products to show at most.
        """
        share = len(self.rows) / catalog.count
        demand = share_of_demand(catalog, self.rows)
        reach = share if demand is None else (share + demand) / 2
        return {
            "name": self.name,
            "section": self.section,
            "title": self.title,
            "level": LEVELS[self.weight],
            "hurt": round(self.weight * reach, 8),
            "products": len(self.rows),
            "share": round(share, 6),
            "demand_share": None if demand is None else round(demand, 6),
            "groups": self.groups,
            "things": self.things,
            "harm": self.harm,
            "remedy": self.remedy,
            "examples": [
                self._describe(catalog.product(self.rows[position]), position)
                for position in self.choose_examples(examples)
            ],
        }

    def choose_examples(self, count: int) -> list[int]:
        """Choose positions of `rows` to show: each thing that was found once, then more of those that sell best."""
        if not self.listed:
            return []
        if not self.groups:
            return list(range(min(count, len(self.rows))))
        first: dict[str, int] = {}
        for position in range(min(len(self.rows), MOST_LOOKED_AT)):
            first.setdefault(self.value(position), position)
            if len(first) == count:
                break
        chosen = sorted(first.values())
        others = (position for position in range(len(self.rows)) if position not in first.values())
        return sorted([*chosen, *islice(others, count - len(chosen))])

    def _describe(self, product: dict[str, Any], position: int) -> dict[str, str]:
        return {"id": product["id"], "title": product["title"], "value": self.value(position)}


def _join_variants(product: dict[str, Any]) -> dict[str, Any]:
    """Give a product what its variants say: of an attribute all values, an address where it has none of its own."""
    attributes = {key: _as_list(value) for key, value in product.get("attributes", {}).items()}
    for variant in product["variants"]:
        for name in ("image_uri", "uri", "price"):
            if name in variant:
                product.setdefault(name, variant[name])
        for key, value in variant.get("attributes", {}).items():
            known = attributes.setdefault(key, [])
            known += [one for one in _as_list(value) if one not in known]
    if attributes:
        product["attributes"] = {
            key: several[0] if len(several) == 1 else several for key, several in attributes.items()
        }
    return product


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def share_of_demand(catalog: Catalog, rows: Sequence[int]) -> float | None:
    """Return which share of what shoppers did fell on some rows, 0 to 1; None where nothing was learned."""
    if catalog.demand is None:
        return None
    total = float(catalog.demand.sum())
    return float(catalog.demand[np.asarray(rows, np.int64)].sum()) / total if total > 0 else None


def settings_of(thresholds: Thresholds) -> dict[str, Any]:
    """Give thresholds as JSON values."""
    return asdict(thresholds)


def clip(text: str, limit_chars: int = 120) -> str:
    """Shorten a text that is shown, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit_chars else line[: limit_chars - 1] + "…"
