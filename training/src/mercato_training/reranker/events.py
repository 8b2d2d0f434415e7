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

    A search's words are the ``query`` of its context.

    Args:
        batches: the events, as ``StateStore.export_events`` gives them.
        row_by_id: row of each product; events about others are left out.
    """
    behaviour = Behaviour(interest=np.zeros(1 + max(row_by_id.values(), default=-1)))
    seen: dict[str, list[tuple[float, int, str, int]]] = {}
    for batch in batches:
        actors = _join_actors(batch.user_id.to_pylist(), batch.visitor_id.to_pylist())
        products, contexts = batch.product_id.to_pylist(), batch.context.to_pylist()
        kinds, times = batch.event_type.tolist(), batch.time.tolist()
        for actor, product, context, kind, time in zip(actors, products, contexts, kinds, times, strict=True):
            row = row_by_id.get(product or "", -1)
            level = _LEVEL_OF_CODE.get(kind, 0)
            query = _read_query(context) if kind == _SEARCH else ""
            if level and row >= 0:
                behaviour.interest[row] += level
            if query or (level and row >= 0):
                seen.setdefault(actor, []).append((time, row, query, level))
    for events in seen.values():
        _credit(sorted(events, key=lambda event: event[0]), behaviour.answered)
    return behaviour


def _credit(events: Sequence[tuple[float, int, str, int]], answered: dict[str, dict[int, int]]) -> None:
    query, asked = "", -np.inf
    for time, row, text, level in events:
        if text:
            query, asked = text, time
        elif query and time - asked <= SESSION_SECONDS:
            rated = answered.setdefault(query, {})
            rated[row] = max(level, rated.get(row, 0))


def _join_actors(users: Sequence[str | None], visitors: Sequence[str | None]) -> list[str]:
    return [f"u{user}" if user else f"v{visitor}" for user, visitor in zip(users, visitors, strict=True)]


def _read_query(context: str | None) -> str:
    """Return the words of a search; empty where its context has none that could be searched for."""
    if not context:
        return ""
    try:
        query = orjson.loads(context).get("query")
        return normalize_query(query.encode()) if isinstance(query, str) else ""
    except (orjson.JSONDecodeError, AttributeError, InvalidInputError, UnicodeEncodeError):
        return ""
