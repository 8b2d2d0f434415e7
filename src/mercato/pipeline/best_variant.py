"""Which variant an answer shows of a product that has several: the one that matches the request best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import orjson

from mercato.catalog.product import format_value
from mercato.catalog.variant import PREFERRED_AVAILABILITIES
from mercato.features.inputs import History
from mercato.index.allowed import Allowed
from mercato.index.live import LiveCatalog
from mercato.requests.retrieval import RetrievalRequest
from mercato.retrieval.context import allow_for

_COMPARED_CHARS = 3  # stemming leaves the beginning of a word as it is


class VariantChooser:
    """Chooses the variants of one answer. What it needs is read once a product with variants is shown."""

    def __init__(self, catalog: LiveCatalog, request: RetrievalRequest, *, relaxed: bool) -> None:
        """Take a request.

        Args:
            catalog: the products.
            request: the request.
            relaxed: its filter was dropped.
        """
        self._catalog = catalog
        self._request = request
        self._condition = None if relaxed else request.condition

    def separate(self, row: int) -> tuple[bytes, dict[str, Any] | None]:
        """Part a product from its variants.

        Of its variants the best is given: one that passes the filter, then the one with most of the query's words among
        its own code, title and values, then the one that the request names, then what is in stock, then the cheapest,
        then the first.

        Args:
            row: of the product.

        Returns:
            Its document without ``variants``, and the best of these with the price and availability that it has from
            the product; None where it has no variants.
        """
        document = self._catalog.document(row)
        if not self._catalog.has_variants(row):
            return document, None
        product = orjson.loads(document)
        variants = [_complete(variant, product) for variant in product.pop("variants")]
        passing = self._catalog.passing_variants(row, self._allowed).tolist()
        best = max(range(len(variants)), key=lambda index: (passing[index], *self._rate(variants[index]), -index))
        return orjson.dumps(product), variants[best]

    @cached_property
    def _allowed(self) -> Allowed:
        return allow_for(self._catalog, self._request, self._condition, History.empty())[0]

    @cached_property
    def _terms(self) -> frozenset[str]:
        return frozenset(self._catalog.analyzer.analyze(self._request.text))

    @cached_property
    def _named(self) -> frozenset[str]:
        listed = self._request.seed_ids if self._request.orders_list else ()
        return frozenset((*listed, *self._request.pinned_ids))

    def _rate(self, variant: Mapping[str, Any]) -> tuple[int, bool, int, float]:
        stock = PREFERRED_AVAILABILITIES.index(variant["availability"])
        words = self._count_words(variant) if self._terms else 0
        return words, variant["id"] in self._named, -stock, -variant.get("price", float("inf"))

    def _count_words(self, variant: Mapping[str, Any]) -> int:
        held: set[str] = set()
        code = variant["id"].casefold()
        if any(term[:_COMPARED_CHARS] in code for term in self._terms):  # of hundreds of codes few have to be split
            held.update(self._catalog.analyzer.analyze(code))
        for text in _own_texts(variant):
            held |= self._catalog.terms_of(text)
        return len(self._terms & held)


def _complete(variant: dict[str, Any], product: Mapping[str, Any]) -> dict[str, Any]:
    """Give a variant the price and availability of its product where it says none."""
    for field in ("price", "availability"):
        if field not in variant and field in product:
            variant[field] = product[field]
    return variant


def _own_texts(variant: Mapping[str, Any]) -> Iterator[str]:
    yield variant.get("title", "")
    for key, value in variant.get("attributes", {}).items():
        if isinstance(value, bool):
            yield key if value else ""
        else:
            yield from map(format_value, value if isinstance(value, list) else [value])
