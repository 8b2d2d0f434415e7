"""The bundles of an answer as JSON: products, what they cost together, and the evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import orjson

from mercato.explain.chinese import find_phrases
from mercato.explain.sentence import write_bundle_line
from mercato.index.live import LiveCatalog
from mercato.pipeline.best_variant import VariantChooser
from mercato.requests.page import PageRequest
from mercato.requests.retrieval import Bundle

PRICE_DIGITS = 4
"""No currency has more; a sum of prices is written without what adding binary fractions leaves behind."""


def write_bundles(
    catalog: LiveCatalog, request: PageRequest, bundles: Sequence[Bundle], chooser: VariantChooser
) -> list[dict[str, Any]]:
    """Write the bundles of an answer.

    Args:
        catalog: the products.
        request: what was asked.
        bundles: what retrieval offers.
        chooser: chooses the variants of the answer.
    """
    return [_write_bundle(catalog, request, bundle, chooser) for bundle in bundles]


def _write_bundle(
    catalog: LiveCatalog, request: PageRequest, bundle: Bundle, chooser: VariantChooser
) -> dict[str, Any]:
    products = []
    for place, row in enumerate(bundle.rows):
        document, variant = chooser.separate(row)
        product = {**orjson.loads(document), "added": place >= bundle.held}
        products.append({**product, "variant": variant} if variant is not None else product)
    written: dict[str, Any] = {
        "product_ids": [catalog.id_of(row) for row in bundle.rows],
        "products": products,
        "people": bundle.people,
        "share": bundle.share,
        **_add_prices(products),
    }
    if request.explain:
        phrases = find_phrases(request.retrieval.context.language)
        held = [str(product.get("title") or product["id"]) for product in products[: bundle.held]]
        written["explanation"] = {"text": write_bundle_line(phrases, held, bundle.people, bundle.share)}
    return written


def _add_prices(products: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what products cost together, and in which currency; nothing where one is not known, or they differ."""
    prices = [product.get("variant", product).get("price") for product in products]
    currencies = {product.get("currency") for product in products}
    if None in prices or len(currencies) != 1:
        return {}
    currency = currencies.pop()
    price = round(math.fsum(prices), PRICE_DIGITS)
    return {"price": price, **({"currency": currency} if currency is not None else {})}
