"""The catalogue's own queries for the encoder: what its titles have in common, its brands, and queries of products.

The reranker learns to tell products apart and takes a query for each product. The encoder learns what short texts lie
near, so most of its queries are what many products share: the nouns and phrases of titles, and brands alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mercato_training.common.synthetic_queries import LARGEST_SHARE, LEAST_PRODUCTS, QueryMaker, count_phrases

SHARED_WORDS = 2
"""Most words of a phrase that is drawn as a query of its own."""
SHARED_PART = 0.6
"""Part of the queries that are phrases; the others are made for single products."""


def draw_catalog_queries(documents: Sequence[Mapping[str, Any]], count: int, rng: np.random.Generator) -> list[str]:
    """Draw queries: phrases that at least three titles share, by the root of how many do; every brand; products' own.

    Args:
        documents: of all products.
        count: most queries besides the brands.
        rng: for the draws.

    Returns:
        Distinct queries in lower case; none for a count of 0.
    """
    if count == 0 or not documents:
        return []
    titles = [str(document.get("title", "")) for document in documents]
    most = max(LEAST_PRODUCTS, int(LARGEST_SHARE * len(titles)))
    shared = {
        phrase: held
        for phrase, held in count_phrases(titles).items()
        if LEAST_PRODUCTS <= held <= most and phrase.count(" ") < SHARED_WORDS
    }
    phrases = list(shared)
    weights = np.sqrt([shared[phrase] for phrase in phrases])
    size = min(len(phrases), round(SHARED_PART * count))
    drawn = rng.choice(len(phrases), size=size, replace=False, p=weights / weights.sum()).tolist() if size else []
    brands = Counter(str(document.get("brand", "")).lower().strip() for document in documents)
    maker = QueryMaker(titles)
    queries = [phrases[position] for position in drawn]
    queries += [brand for brand, held in sorted(brands.items()) if brand and held >= LEAST_PRODUCTS]
    for row in rng.permutation(len(documents))[: count - size].tolist():
        queries += maker.make_queries(documents[row], rng)[:1]
    return list(dict.fromkeys(queries))
