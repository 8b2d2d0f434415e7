"""The source `repeat`: what the shopper bought, or looked at, before."""

from __future__ import annotations

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.events.event_order import has_time
from mercato.features.inputs import History
from mercato.requests.trace import Evidence
from mercato.retrieval.bought_again import AGAIN
from mercato.retrieval.evidence import name_largest_events
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.histories import find_largest_weights, weigh_events
from mercato.retrieval.sources.base import CANDIDATES, Source, SourceRequest, at_home
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.neighbours import find_positions


class RepeatSource(Source):
    """Ranks the history's own products by frequency and recency.

    Before a ranker, what a shopper buys again and again is the strongest single signal of what comes next: repeats
    weigh as much as all other sources together, so that these fill the window after them (docs/decisions/0013).
    """

    label = "repeat"
    asks = "what the shopper bought, by how often and how lately"
    learned_from = "the history"
    weights = at_home(5.0)
    turn = 5
    signals = (AGAIN,)
    phrases = {"": "you {deed_it} on {date}", "alone": "you chose it before"}
    speaks_of = frozenset({"own purchases", "similarity", "taste"})

    def find(self, asked: SourceRequest) -> RankedList | None:
        """Rank the products of the history; see `rank_repeats`."""
        context = asked.context
        if not len(context.history):
            return None
        ranked = rank_repeats(context.history, context.request.context.time, asked.weights[self.label])
        due = asked.catalog.snapshot.tuning.due
        if not due:
            return ranked
        intervals = asked.catalog.features().repeat_interval_days
        return wait_until_due(ranked, context.history, context.request.context.time, intervals, due)

    def find_evidence(self, asked: SourceRequest, rows: Int32) -> Evidence | None:
        """Find the shopper's event with each product itself that counts most."""
        context = asked.context
        weights = weigh_events(context.history, context.request.context.time)
        return name_largest_events(context, rows, weights)


def rank_repeats(history: History, now: float, weight: float) -> RankedList:
    """Rank the history's own products.

    Score of a product: sum over its events of type weight * 0.5 ** (age / 60 days); what has none is left out.

    Args:
        history: the shopper's events.
        now: of the request, seconds since 1970 UTC.
        weight: of the list in the fusion.
    """
    products, index = history.distinct
    scores = np.bincount(index, weigh_events(history, now), len(products)).astype(np.float32)
    weighted = np.flatnonzero((find_largest_weights(history) > 0) & (products >= 0))
    order = weighted[np.argsort(-scores[weighted], kind="stable")[:CANDIDATES]]
    return RankedList(rows=products[order], scores=scores[order], weight=weight)


def wait_until_due(ranked: RankedList, history: History, now: float, intervals: Float32, due: float) -> RankedList:
    """Order the products of a history anew, those that are not due yet behind.

    With ``d`` days since the last purchase of a product and the days ``i`` after which people buy it again, its score
    is multiplied with ``min(1, d / i) ** due``. What was not bought, or at no known time, may be due.

    Args:
        ranked: as `rank_repeats` has it.
        history: the shopper's events.
        now: of the request, seconds since 1970 UTC.
        intervals: float32 [products], days, above 0.
        due: how much it counts.
    """
    purchases = history.purchases
    if purchases is None or not len(ranked.rows):
        return ranked
    at, bought = find_positions(purchases.products, ranked.rows)
    last = purchases.last[at]
    waiting = bought & has_time(last)
    days = np.maximum((now - last) / SECONDS_PER_DAY, 0.0)
    share = np.where(waiting, np.minimum(days / intervals[ranked.rows], 1.0), 1.0)
    scores = (ranked.scores * share**due).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    return RankedList(rows=ranked.rows[order], scores=scores[order], weight=ranked.weight)


REPEAT = RepeatSource()
