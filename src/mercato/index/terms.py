"""The terms of a product, as the word index counts them."""

from __future__ import annotations

from collections.abc import Sequence

from mercato.catalog.product import Product
from mercato.text.words import WordAnalyzer


def list_terms(product: Product, fields: Sequence[str], analyzer: WordAnalyzer) -> list[list[str]]:
    """Return the terms of each of a product's fields.

    Args:
        product: the product.
        fields: of `mercato.index.search_weights.WORD_FIELDS`.
        analyzer: the word index's analyser.
    """
    return [analyzer.analyze(product.field_text(field)) for field in fields]
