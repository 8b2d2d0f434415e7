"""What shoppers clicked and bought after a search, read as ratings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson
from numpy.typing import NDArray

from mercato.errors import InvalidInputError
from mercato.events.event_batch import EventBatch
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.state.schema import RECORD
from mercato.state.visitors import join_visitors
from mercato.text.normalize import normalize_query

LEVELS = {"detail-page-view": 1, "add-to-cart": 2, "purchase-complete": 3}
"""What each kind of event says of a product, as a rating."""
SESSION_SECONDS = 1800.0
"""An event later than this after a search is not taken for an answer to it."""

_LEVEL_OF_CODE = {EVENT_TYPE_CODES[name]: level for name, level in LEVELS.items()}
_SEARCH = EVENT_TYPE_CODES["search"]


@dataclass(kw_only=True)
class Behaviour:
    """What a log of events says of a catalogue's products.

    Attributes:
        answered: query -> row -> rating 1 to 3: the most that somebody did with the product after that query.
        interest: float64 [products], the sum of ratings of all that was done with each, with a search or without.
    """

    answered: dict[str, dict[int, int]] = field(default_factory=dict)
    interest: NDArray[np.float64]


def read_behaviour(batches: Iterable[EventBatch], row_by_id: Mapping[str, int]) -> Behaviour:
    """Read a log: each event about a product is credited to its actor's last search, where that was not long before.

    A search's words are the ``query`` of its context. A visitor who signs in is the user from the start
    (``mercato.state.visitors``).

    Args:
        batches: the events, as ``StateStore.export_events`` gives them.
        row_by_id: row of each product; events about others are left out.
    """
    behaviour = Behaviour(interest=np.zeros(1 + max(row_by_id.values(), default=-1)))
    seen: list[tuple[float, int, str, int]] = []
    ids: list[tuple[str, str]] = []
    for batch in batches:
        actors = zip(batch.user_id.to_pylist(), batch.visitor_id.to_pylist(), strict=True)
        products, contexts = batch.product_id.to_pylist(), batch.context.to_pylist()
        kinds, times = batch.event_type.tolist(), batch.time.tolist()
        for actor, product, context, kind, time in zip(actors, products, contexts, kinds, times, strict=True):
            row = row_by_id.get(product or "", -1)
            level = _LEVEL_OF_CODE.get(kind, 0)
            # Without a time nobody can say how long after a search something was done.
            query = _read_query(context) if kind == _SEARCH and time >= 0 else ""
            if level and row >= 0:
                behaviour.interest[row] += level
            if query or (level and row >= 0) or all(actor):
                seen.append((time, row, query, level if row >= 0 else 0))
                ids.append(actor)
    of_actor: dict[tuple[int, int], list[tuple[float, int, str, int]]] = {}
    for actor_code, event in zip(_code_actors(ids, [event[0] for event in seen]), seen, strict=True):
        of_actor.setdefault(actor_code, []).append(event)
    for events in of_actor.values():
        _credit(sorted(events, key=lambda event: event[0]), behaviour.answered)
    return behaviour


def _credit(events: Sequence[tuple[float, int, str, int]], answered: dict[str, dict[int, int]]) -> None:
    query, asked = "", -np.inf
    for time, row, text, level in events:
        if text:
            query, asked = text, time
        elif level and query and time - asked <= SESSION_SECONDS:
            rated = answered.setdefault(query, {})
            rated[row] = max(level, rated.get(row, 0))


def _code_actors(ids: Sequence[tuple[str | None, str | None]], times: Sequence[float]) -> list[tuple[int, int]]:
    """Return for each event, in the order they were written, who did it: a user's code, or 0 and a visitor's."""
    users: dict[str | None, int] = {None: 0}
    visitors: dict[str | None, int] = {None: 0}
    records = np.zeros(len(ids), dtype=RECORD)
    records["user"] = [users.setdefault(user, len(users)) for user, _ in ids]
    records["visitor"] = [visitors.setdefault(visitor, len(visitors)) for _, visitor in ids]
    records["time"], records["sequence"] = times, np.arange(len(ids))
    joined = join_visitors(records)
    alone = np.where(joined == 0, records["visitor"], 0)
    return list(zip(joined.tolist(), alone.tolist(), strict=True))


def _read_query(context: str | None) -> str:
    """Return the words of a search; empty where its context has none that could be searched for."""
    if not context:
        return ""
    try:
        query = orjson.loads(context).get("query")
        return normalize_query(query.encode()) if isinstance(query, str) else ""
    except (orjson.JSONDecodeError, AttributeError, InvalidInputError, UnicodeEncodeError):
        return ""
