"""The source `similar`: the nearest texts to the seeds, or to the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mercato.arrays import Int32
from mercato.errors import DenseError
from mercato.requests.retrieval import Kind, Placement
from mercato.requests.trace import Evidence
from mercato.retrieval.dense_search import search_nearest
from mercato.retrieval.evidence import name_largest_parts
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.sources.base import CANDIDATES, Source, SourceRequest, at_home
from mercato.retrieval.sources.dense import note_failure
from mercato.signals.history import compute_event_weights


class SimilarSource(Source):
    """Ranks by the vectors of texts: around one product what resembles it, for a shopper what is like the history."""

    label = "similar"
    asks = "the nearest texts to the seeds, or to the history"
    learned_from = "vectors"
    weights = {**at_home(0.25), Placement.PRODUCT_PAGE: 2.0, Placement.CART: 0.5}
    kinds = frozenset({Kind.SIMILAR})
    turn = 1
    phrases = {
        "": "like {title}, which you {deed} on {date}",
        "seed": "like {title}",
        "alone": "among the nearest in meaning",
    }
    speaks_of = frozenset({"similarity", "taste"})

    def find_batch(self, asked: Sequence[SourceRequest]) -> list[RankedList | None]:
        """Search the dense index, one call for all."""
        if not asked:
            return []
        try:
            found = search_nearest(asked[0].catalog, [one.context for one in asked], CANDIDATES)
        except DenseError as exc:
            for one in asked:
                note_failure(exc, one.degraded)
            return [None] * len(asked)
        return [
            None if item is None else replace(item, weight=one.weights[self.label])
            for one, item in zip(asked, found, strict=True)
        ]

    def find_evidence(self, asked: SourceRequest, rows: Int32) -> Evidence | None:
        """Find the seed, or the product of the history, whose vector gives each product most of its cosine.

        The history's vector is a weighted sum over events, and so is the cosine with it.
        """
        catalog, context = asked.catalog, asked.context
        vectors = catalog.vectors(rows)
        if len(context.seeds):
            parts = catalog.vectors(context.seeds) @ vectors.T
            return name_largest_parts(context, context.seeds, parts, np.zeros(0, np.float64))
        history = context.history
        now = context.request.context.time
        weights = compute_event_weights(history.time, history.type, now=now).astype(np.float64)
        products, inverse = np.unique(history.rows, return_inverse=True)
        total = np.bincount(inverse, weights, len(products)).astype(np.float32)
        weighted = total > 0
        parts = (total[weighted, None] * catalog.vectors(products[weighted])) @ vectors.T
        return name_largest_parts(context, products[weighted], parts, weights)


SIMILAR = SimilarSource()
