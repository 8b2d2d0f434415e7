"""The source `chosen`: in a search, what people chose after the same words, among what matches them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mercato.arrays import Float32, Int32, Int64
from mercato.index.live import LiveCatalog
from mercato.index.query_signals import PAST_QUERIES, QUERY_USE
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.sources.base import Source
from mercato.signals.query_use import QueryUse
from mercato.text.query_key import hash_query


class ChosenSource(Source):
    """Ranks by how many people chose a product after the query; see `mercato.signals.query_use`."""

    label = "chosen"
    turn = 1
    graded = True
    signals = (QUERY_USE, PAST_QUERIES)
    phrases = {"alone": "chosen by others who searched for this"}
    speaks_of = frozenset({"chosen for this query", "popularity"})

    def rank(
        self, catalog: LiveCatalog, context: RetrievalContext, matching: Sequence[Int32 | Int64], weight: float
    ) -> RankedList | None:
        """Rank what was chosen after the query; None where nothing of it is known.

        Args:
            catalog: the products.
            context: a search.
            matching: rows of the products that belong to its result; what was chosen but is none of them, is left out.
            weight: of the list in the fusion, of which a product gets its strength.
        """
        use, key = find_use(catalog, context.request.text)
        known = use.find(key)
        if weight <= 0 or known.start == known.stop:
            return None
        rows = use.products[known]
        rows = np.where(rows >= 0, catalog.current_row[rows], np.int32(-1))  # those of other shards are no rows here
        keep = context.allowed.holds(rows) & np.isin(rows, np.concatenate(matching))
        if not keep.any():
            return None
        strengths = use.strengths[known][keep]
        return RankedList(rows=rows[keep], scores=strengths, weight=weight, shares=strengths)


def find_use(catalog: LiveCatalog, text: str) -> tuple[QueryUse, int]:
    """Return what was learned of queries, and the key of one; 0 where nothing was learned of any."""
    use = catalog.snapshot.learned.get(QUERY_USE)
    return use, hash_query(text, catalog.analyzer) if len(use) else 0


def share_categories(catalog: LiveCatalog, text: str, rows: Int32) -> Float32:
    """Return how many people chose something of a product's category after a query, beside the commonest category's.

    Returns:
        float32 [n], 0 to 1; zeros where nothing is known of the query.
    """
    use, key = find_use(catalog, text)
    counts = use.count_categories(key) if key else {}
    shares = np.zeros(len(rows), np.float32)
    if not counts:
        return shares
    categories = catalog.features().leaf_category[rows]
    most = max(counts.values())
    for category, people in counts.items():
        shares[categories == category] = people / most
    return shares


CHOSEN = ChosenSource()
