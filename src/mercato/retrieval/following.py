"""What the sequence model foretells for a batch of cases."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from mercato.errors import ModelError
from mercato.index.live import LiveCatalog
from mercato.models.sequence.next_products import NextProducts
from mercato.requests.retrieval import Source
from mercato.retrieval.case import Case
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.source_weights import Weights, choose_sources
from mercato.retrieval.sources import CANDIDATES

Int32 = npt.NDArray[np.int32]
Bool = npt.NDArray[np.bool_]

logger = logging.getLogger(__name__)


def foretell(
    catalog: LiveCatalog,
    cases: Sequence[Case],
    weights: Weights,
    next_products: NextProducts | None,
    degraded: list[str] | None = None,
) -> list[RankedList | None]:
    """Rank the next products of each case's history, one call of the network for all.

    Args:
        catalog: the products.
        cases: searches and recommendations.
        weights: of the sources, by placement; where `Source.SEQUENCE` has none, nothing is foretold.
        next_products: None where no sequence model is served.
        degraded: gets ``sequence`` where the model fails; nothing is foretold then.

    Returns:
        For each case rows of the snapshot; None where nothing is foretold: no history that the model knows, or seeds
        that the answer starts from.
    """
    lists: list[RankedList | None] = [None] * len(cases)
    if next_products is None:
        return lists
    histories = {}
    for place, case in enumerate(cases):
        request = case.request
        if request.is_search or Source.SEQUENCE not in choose_sources(weights, request.placement, request.kind):
            continue
        if len(case.history) and not len(case.seeds):
            codes = next_products.read_history(catalog.original_rows(case.history.rows), case.history)
            if len(codes):
                histories[place] = codes
    if not histories:
        return lists
    allow = [partial(_allow, catalog, cases[place]) for place in histories]
    try:
        ranked = next_products.rank(list(histories.values()), allow, CANDIDATES)
    except ModelError:
        logger.exception("the sequence model failed; recommending without it")
        if degraded is not None:
            degraded.append("sequence")
        return lists
    for place, (rows, scores) in zip(histories, ranked, strict=True):
        weight = weights[cases[place].request.placement][Source.SEQUENCE]
        lists[place] = RankedList(rows=rows, scores=scores, weight=weight)
    return lists


def _allow(catalog: LiveCatalog, case: Case, rows: Int32) -> Bool:
    """Return which of some snapshot rows a case may have, as their products are now."""
    return case.allowed.holds(catalog.current_row[rows])
