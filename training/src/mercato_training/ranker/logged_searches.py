"""Searches that shoppers made and what they bought after them: what a ranker learns from beside made-up queries.

People are counted, not rows: a query counts that `MIN_SEARCHERS` people bought something after, each person once with
each query, and no person and no query more often than others by far. What was only looked at teaches nothing here, for
the first place is looked at whatever stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mercato.signals.past_queries import MIN_SEARCHERS, fold_query
from mercato.signals.query_log import CART, PURCHASE, QueryLog
from mercato_training.ranker.examples import Task

MAX_OF_A_PERSON = 10
"""Most searches of one person, the newest: a shop's own staff is no shopper."""
MAX_OF_A_QUERY = 200
"""Most searches of one query, drawn: the head of a log would teach one query and no other."""


@dataclass
class _Choice:
    """What one person took after one query."""

    time: float = np.inf
    bought: set[int] = field(default_factory=set)
    put: set[int] = field(default_factory=set)

    @property
    def rows(self) -> list[int]:
        """Rows of what was bought; of what was put into the cart where nothing was."""
        return sorted(self.bought or self.put)


@dataclass(frozen=True, kw_only=True)
class LoggedSearch:
    """A search that ended in a purchase or a cart.

    Attributes:
        actor: code of the user or visitor, as `QueryLog` has it.
        text: the query, folded.
        time: of the first thing that was bought, seconds since 1970 UTC.
        rows: what was bought, product rows.
    """

    actor: int
    text: str
    time: float
    rows: tuple[int, ...]


def find_logged_searches(log: QueryLog, *, since: float, until: float, rng: np.random.Generator) -> list[LoggedSearch]:
    """Find the searches of a stretch of time that are learned from, in the order of their times.

    Args:
        log: searches and what followed.
        since: seconds since 1970 UTC.
        until: likewise; what happened then is left out.
        rng: draws among those of a query that has too many.
    """
    choices: dict[tuple[str, int], _Choice] = {}
    names = [fold_query(text) for text in log.texts]
    within = (log.product >= 0) & np.isin(log.type, (CART, PURCHASE)) & (log.time >= since) & (log.time < until)
    for place in np.flatnonzero(within).tolist():
        name = names[int(log.query[place])]
        if name:
            choice = choices.setdefault((name, int(log.actor[place])), _Choice())
            choice.time = min(choice.time, float(log.time[place]))
            (choice.bought if log.type[place] == PURCHASE else choice.put).add(int(log.product[place]))
    searches = [
        LoggedSearch(actor=actor, text=name, time=choice.time, rows=tuple(choice.rows))
        for (name, actor), choice in choices.items()
    ]
    searches = [one for group in _group(searches, "actor") for one in group[-MAX_OF_A_PERSON:]]
    kept: list[LoggedSearch] = []
    for group in _group(searches, "text"):
        if len(group) >= MIN_SEARCHERS:
            chosen = rng.permutation(len(group))[:MAX_OF_A_QUERY] if len(group) > MAX_OF_A_QUERY else range(len(group))
            kept += [group[place] for place in chosen]
    return sorted(kept, key=lambda one: (one.time, one.actor, one.text))


def add_texts(texts: list[str], searches: Sequence[LoggedSearch]) -> dict[str, int]:
    """Put the queries of searches behind other texts, those that are new; return the position of each."""
    known = {text: position for position, text in enumerate(texts)}
    for text in dict.fromkeys(one.text for one in searches):
        if text not in known:
            known[text] = len(texts)
            texts.append(text)
    return known


def ask_again(
    searches: Sequence[LoggedSearch], positions: dict[str, int], users: int, count: int, rng: np.random.Generator
) -> list[Task]:
    """Make tasks of searches: of `count` at most, drawn.

    Args:
        searches: what to draw from.
        positions: of their texts.
        users: number of users; whoever has a later code is a visitor, of whom no history is known.
        count: how many tasks.
        rng: for the draw.
    """
    places = rng.permutation(len(searches))[:count].tolist() if searches else []
    return [_make_task(searches[place], positions, users) for place in places]


def _make_task(search: LoggedSearch, positions: dict[str, int], users: int) -> Task:
    rows: NDArray[np.int32] = np.array(search.rows, np.int32)
    if search.actor >= users:
        return Task(actor=0, time=search.time, query=positions[search.text], bought=rows, history_limit=0)
    return Task(actor=search.actor, time=search.time, query=positions[search.text], bought=rows)


def _group(searches: Sequence[LoggedSearch], by: str) -> list[list[LoggedSearch]]:
    """Group searches by a member, each group in the order of time."""
    groups: dict[object, list[LoggedSearch]] = {}
    for one in sorted(searches, key=lambda one: (one.time, one.text, one.actor)):
        groups.setdefault(getattr(one, by), []).append(one)
    return list(groups.values())
