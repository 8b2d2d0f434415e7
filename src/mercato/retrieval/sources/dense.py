"""The source `dense`: in a search, the products whose texts are near the query's vector."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mercato.errors import DenseError
from mercato.index.live import LiveCatalog
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.dense_search import search_nearest
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.sources.base import SEARCH_CANDIDATES, Source

logger = logging.getLogger(__name__)


class DenseSource(Source):
    """Finds by meaning."""

    label = "dense"
    turn = 1
    phrases = {"alone": "close in meaning"}

    def search(self, catalog: LiveCatalog, contexts: Sequence[RetrievalContext]) -> list[RankedList | None]:
        """Search for several queries, one call of the index for all; None where a query has no vector."""
        return search_nearest(catalog, contexts, SEARCH_CANDIDATES, spread=True)


DENSE = DenseSource()


def note_failure(problem: DenseError, degraded: list[str] | None) -> None:
    """Note that the texts near to vectors could not be asked for.

    Args:
        problem: why.
        degraded: what could not be used, once each; None where nobody asks.
    """
    logger.debug("no nearest texts: %s", problem)  # whoever asked has warned, once for many requests
    if degraded is not None and DENSE.label not in degraded:
        degraded.append(DENSE.label)
