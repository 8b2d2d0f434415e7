"""The source `session`: what is looked at next by those who clicked what this visit clicked."""

from __future__ import annotations

import numpy as np

from mercato.arrays import Float64, Int32
from mercato.index.learned import Learned, LearningInput, Signal
from mercato.membership import is_among
from mercato.requests.retrieval import Kind, Placement
from mercato.requests.trace import Evidence
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.evidence import name_by_neighbours
from mercato.retrieval.fusion import RankedList, select_top
from mercato.retrieval.sources.base import CANDIDATES, Source, SourceRequest, at_home
from mercato.signals.going_on import ClickRest, Since, go_on_clicks, go_on_following
from mercato.signals.neighbours import Neighbours
from mercato.signals.next_clicks import ClickCounts, NextClicks, compute_next_clicks
from mercato.signals.sessions import find_session

LAST_WEIGHTS = np.array([0.82, 0.2, 0.08], np.float32)
"""How fully transitions from the last click, the one before it and the one before that count (decision 0037)."""
TOGETHER_WEIGHT = 0.6
"""How fully the mean over the whole session counts."""

SUPPORT_CLICKS = 20.0
"""Clicks that followed what was clicked last at which the source counts half: few say little of where it leads."""


def learn_next_clicks(data: LearningInput) -> NextClicks:
    """Learn all that sessions teach, once."""
    return compute_next_clicks(data.events, data.product_count, until=data.until)


def _learn_counts(data: LearningInput) -> ClickCounts:
    return data.once(learn_next_clicks).counts


def _learn_following(data: LearningInput) -> Neighbours:
    return data.once(learn_next_clicks).following


def _learn_together(data: LearningInput) -> Neighbours:
    return data.once(learn_next_clicks).together


def _learn_rest(data: LearningInput) -> ClickRest:
    return ClickRest(following=data.once(learn_next_clicks).rest)


def _count_on(learned: ClickCounts, others: Learned, since: Since) -> ClickCounts:
    del others
    return go_on_clicks(learned, since)


def _follow_on(learned: Neighbours, others: Learned, since: Since) -> Neighbours:
    return go_on_following(learned, others.get(CLICKED), others.get(CLICK_REST), since)


CLICKED = Signal(name="clicked", kind=ClickCounts, learn=_learn_counts, missing=ClickCounts.empty, go_on=_count_on)
CLICK_REST = Signal(name="clicked_rest", kind=ClickRest, learn=_learn_rest, missing=ClickRest.empty)
CLICKED_NEXT = Signal(
    name="clicked_next",
    kind=Neighbours,
    learn=_learn_following,
    missing=Neighbours.empty,
    go_on=_follow_on,
    needs=(CLICKED, CLICK_REST),
)
CLICKED_TOGETHER = Signal(name="clicked_together", kind=Neighbours, learn=_learn_together, missing=Neighbours.empty)


class SessionSource(Source):
    """Ranks by transitions from the clicks of this visit; needs neither an account nor texts."""

    label = "session"
    asks = "what is looked at next by those who clicked what was clicked in this visit, above all last"
    learned_from = "the order of views and carts within visits, at index time"
    weights = {**at_home(30.0), Placement.PRODUCT_PAGE: 100.0}
    kinds = frozenset({Kind.SIMILAR})  # what is looked at one after the other is mostly of one kind
    turn = 11
    signals = (CLICKED, CLICKED_NEXT, CLICKED_TOGETHER, CLICK_REST)
    phrases = {
        "": "often looked at after {title}, which you {deed} on {date}",
        "seed": "often looked at after {title}",
        "alone": "often looked at after what you looked at last",
    }

    def find(self, asked: SourceRequest) -> RankedList | None:
        """Rank what is clicked next; None where nothing is known of what was clicked in this visit."""
        learned = asked.context.learned
        clicks = learned.rows_of(asked.catalog, read_clicks(asked.context))
        clicks = clicks[clicks >= 0]
        last, session = clicks[: len(LAST_WEIGHTS)], np.array(list(dict.fromkeys(clicks.tolist())), np.int32)
        share = np.full(len(session), TOGETHER_WEIGHT / max(len(session), 1), np.float32)
        following = learned.get(CLICKED_NEXT).add_up(last, LAST_WEIGHTS[: len(last)])
        together = learned.get(CLICKED_TOGETHER).add_up(session, share)
        counts = learned.get(CLICKED)
        if not len(following.rows):  # nobody went on from here
            return None
        rows = np.union1d(following.rows, together.rows)
        rows = rows[~is_among(rows, session)].astype(np.int32)
        scores = counts.log_clicks[rows] + following.score(rows) + together.score(rows)
        best = select_top(scores, CANDIDATES)
        known = float(counts.left[last] @ LAST_WEIGHTS[: len(last)])
        weight = asked.weights[self.label] * known / (known + SUPPORT_CLICKS)
        return RankedList(rows=rows[best], scores=scores[best], weight=weight)

    def find_evidence(self, asked: SourceRequest, rows: Int32) -> Evidence | None:
        """Find the click of this visit, or the seed, that each product follows most."""
        context = asked.context
        last = context.seeds[::-1] if len(context.seeds) else read_clicks(context)
        last = last[: len(LAST_WEIGHTS)]
        start = last, LAST_WEIGHTS[: len(last)]
        transitions = context.learned.get(CLICKED_NEXT)
        return name_by_neighbours(asked.catalog, context, rows, transitions, start, _weigh_events(context))


def read_clicks(context: RetrievalContext) -> Int32:
    """Return the rows of what was clicked in this visit, newest first: int32 [n], never one twice in a row.

    Seeds are the newest clicks, the last of them the newest: who shows a product's page need not have told state of it.
    """
    history = context.history
    events = find_session(history.time, history.type, context.request.context.time)
    clicks = np.concatenate([context.seeds[::-1], history.rows[events]]).astype(np.int32)
    repeated = np.zeros(len(clicks), np.bool_)
    repeated[1:] = clicks[1:] == clicks[:-1]
    distinct: Int32 = clicks[~repeated]
    return distinct


def _weigh_events(context: RetrievalContext) -> Float64:
    """Let the newest click of this visit count most."""
    history = context.history
    weights = np.zeros(len(history))
    events = find_session(history.time, history.type, context.request.context.time)
    weights[events] = 1.0 / np.arange(1, len(events) + 1)
    return weights


SESSION = SessionSource()
