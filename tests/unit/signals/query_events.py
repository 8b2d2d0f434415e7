"""A history of searches and what followed, for tests: a store's own reading of it, in a line for each event."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mercato.events.event import parse_event
from mercato.signals.query_log import QueryLog, read_query_log
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import EventTable
from mercato.text.words import WordAnalyzer
from tests.stores import NOW

SECONDS = {"search": "search", "view": "detail-page-view", "cart": "add-to-cart", "buy": "purchase-complete"}
ANALYZER = WordAnalyzer("english")


def write(folder: Path, documents: Sequence[dict[str, Any]]) -> EventTable:
    """Write events to a new state and read them back as a table."""
    store = SqliteStateStore(str(folder / "state.db"))
    store.append_events([parse_event(document, now=NOW) for document in documents])
    table = store.event_columns()
    store.close()
    return table


def deed(kind: str, who: str, at_s: float, **fields: Any) -> dict[str, Any]:
    """Make an event, `at_s` seconds after a fixed moment: `kind` is one of `SECONDS`, or a type as it is."""
    return {"event_type": SECONDS.get(kind, kind), "user_id": who, "time": NOW - 1e6 + at_s, **fields}


def read(table: EventTable, rows: dict[str, int], category: Sequence[int] = ()) -> QueryLog:
    """Read the log with product rows by id."""
    found = [rows.get(table.products[code], -1) if code >= 0 else -1 for code in table.product.tolist()]
    return read_query_log(table, np.array(found, np.int32), ANALYZER, np.array(category, np.int32))


def name(log: QueryLog) -> list[tuple[str, int, int]]:
    """Return query, product row and rank of what followed from searches, sorted."""
    return sorted(
        (log.texts[query], product, rank)
        for query, product, rank in zip(log.query.tolist(), log.product.tolist(), log.rank.tolist(), strict=True)
        if product >= 0
    )
