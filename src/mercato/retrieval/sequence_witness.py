"""Who speaks for what the sequence model foretold: the event without which it would be foretold least."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt

from mercato.errors import ModelError
from mercato.index.live import LiveCatalog
from mercato.models.sequence.next_products import NextProducts
from mercato.requests.trace import Witnesses
from mercato.retrieval.case import Case
from mercato.retrieval.witness import write_events

Int32 = npt.NDArray[np.int32]

logger = logging.getLogger(__name__)


def find_sequence_witnesses(next_products: NextProducts, catalog: LiveCatalog, case: Case, rows: Int32) -> Witnesses:
    """Find the event of the last ones whose absence lowers each product's score most.

    Args:
        next_products: the model that foretold them.
        catalog: the products.
        case: the request, with the history.
        rows: int32 [n], the foretold products.

    Returns:
        The witnesses; none where the model fails, as an answer needs none.
    """
    history = case.history
    if not len(history):
        return Witnesses.none(len(rows))
    try:
        events = next_products.find_witnesses(catalog.original_rows(history.rows), history, catalog.original_rows(rows))
    except ModelError:
        logger.exception("the sequence model failed; explaining without it")
        return Witnesses.none(len(rows))
    return write_events(case, history.rows[np.maximum(events, 0)], events)
