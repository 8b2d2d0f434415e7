"""The terms of a product, as the word index counts them."""

from __future__ import annotations

from collections.abc import Sequence

from mercato.catalog.product import TEXT_FIELDS, Product
from mercato.text.words import WordAnalyzer

WORD_FIELDS = ("id", *TEXT_FIELDS)


def list_terms(product: Product, fields: Sequence[str], analyzer: WordAnalyzer) -> list[str]:
    """Return the terms of a product's fields, one after the other.

    Args:
        product: the product.
        fields: of `WORD_FIELDS`.
        analyzer: the word index's analyser.
    """
    return [term for field in fields for term in analyzer.analyze(product.field_text(field))]
