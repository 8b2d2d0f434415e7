"""The source `sequence`: what a model of whole histories predicts to come next."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import numpy as np

from mercato.arrays import Bool, Int32
from mercato.errors import ModelError
from mercato.requests.trace import Evidence
from mercato.retrieval.evidence import write_events
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.sources.base import CANDIDATES, Source, SourceRequest, at_home

logger = logging.getLogger(__name__)


class SequenceSource(Source):
    """Ranks the products that the sequence model predicts next.

    Its weight is the one that the model's training chose; the one here is of a model whose training chose none.
    """

    label = "sequence"
    asks = "what comes next after the last 50 products, in their order; where a model is served"
    learned_from = "the order of events, by a training of its own"
    weights = at_home(3.0)
    turn = 10
    phrases = {
        "": "likely next, above all because of {title}, which you {deed} on {date}",
        "alone": "what often follows what you chose last",
    }

    def find_batch(self, asked: Sequence[SourceRequest]) -> list[RankedList | None]:
        """Rank the next products of each history, one call of the network for all.

        Nothing is predicted where no sequence model is served, where it knows nothing of the history, or where the
        answer starts from seeds. Where the model fails ``degraded`` gets its name.
        """
        lists: list[RankedList | None] = [None] * len(asked)
        next_products = asked[0].next_products if asked else None
        if next_products is None:
            return lists
        histories = {}
        for index, one in enumerate(asked):
            history = one.context.history
            if len(history) and not len(one.context.seeds):
                codes = next_products.read_history(one.catalog.original_rows(history.rows), history)
                if len(codes):
                    histories[index] = codes
        if not histories:
            return lists
        allow = [partial(_allow, asked[index]) for index in histories]
        try:
            ranked = next_products.rank(list(histories.values()), allow, CANDIDATES)
        except ModelError:
            logger.exception("the sequence model failed; recommending without it")
            asked[0].degraded.append(self.label)
            return lists
        for index, (rows, scores) in zip(histories, ranked, strict=True):
            lists[index] = RankedList(rows=rows, scores=scores, weight=asked[index].weights[self.label])
        return lists

    def find_evidence(self, asked: SourceRequest, rows: Int32) -> Evidence | None:
        """Find the event of the last ones whose absence lowers each product's score most.

        There is none where the model fails: an answer needs no evidence.
        """
        history, catalog = asked.context.history, asked.catalog
        if asked.next_products is None or not len(history):
            return Evidence.none(len(rows))
        try:
            events = asked.next_products.find_evidence(
                catalog.original_rows(history.rows), history, catalog.original_rows(rows)
            )
        except ModelError:
            logger.exception("the sequence model failed; explaining without it")
            return Evidence.none(len(rows))
        return write_events(asked.context, history.rows[np.maximum(events, 0)], events)


def _allow(asked: SourceRequest, rows: Int32) -> Bool:
    """Return which of some snapshot rows a request may have, as their products are now."""
    return asked.context.allowed.holds(asked.catalog.current_row[rows])


SEQUENCE = SequenceSource()
