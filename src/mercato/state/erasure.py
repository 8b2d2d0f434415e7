"""Taking out all that is kept of one person: events, their keys, the ids themselves; nothing stays in the file."""

import sqlite3
import time
from collections.abc import Iterable

import numpy as np

from mercato.state.schema import ID_TABLES, ORDER_POSITION, RECORD, Records, join_records
from mercato.state.session import Session
from mercato.state.statements import insert_columns
from mercato.state.values import Actor
from mercato.state.visitors import find_code, find_visitors, read_anonymous

_ERASED = "\x7f"
"""Begins the name of a code whose id was taken out; no id holds a control character."""


def erase_actor(session: Session, actor: Actor) -> int:
    """Take out what is kept of a person; see ``StateStore.erase_events``."""
    connection = session.connection
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten with zeros
    try:
        with session.writing():
            last = session.last_sequence("events")
            count = _erase(connection, actor)
            insert_columns(
                connection,
                "erasures",
                {"sequence": [session.last_sequence("erasures") + 1], "time": [time.time()], "last_event": [last]},
            )
    finally:
        connection.execute("PRAGMA secure_delete = OFF")
    session.erasure_sequence = session.last_sequence("erasures")
    # The log beside the file holds old pages until they are moved into it; where a reader is busy, the next one does.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return count


def _erase(connection: sqlite3.Connection, actor: Actor) -> int:
    user, visitor = find_code(connection, "users", actor.user_id), find_code(connection, "visitors", actor.visitor_id)
    found: list[Records] = [np.empty(0, dtype=RECORD)]
    visitors = [visitor] if visitor else []
    if user:
        found.append(join_records(connection.execute("SELECT body FROM events WHERE user = ?", (user,)).fetchall()))
        joined = find_visitors(connection, user, limit=-1)
        found += [read_anonymous(connection, code, user, -1) for code in joined]
        visitors += joined
    if visitor:
        of_visitor = connection.execute("SELECT body FROM events WHERE visitor = ?", (visitor,)).fetchall()
        found.append(join_records(of_visitor))
    records = np.concatenate(found)
    sequences = np.unique(records["sequence"]).tolist()
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS erased (sequence INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO erased VALUES (?)", ((sequence,) for sequence in sequences))
    for table in ("events", "event_keys"):
        connection.execute(f"DELETE FROM {table} WHERE sequence IN (SELECT sequence FROM erased)")
    connection.execute("DELETE FROM erased")
    connection.execute("DELETE FROM visitor_users WHERE user = ? OR visitor = ?", (user, visitor))
    left = [code for code in visitors if not _has_events(connection, code)]
    orders = set(records["order"].tolist()) - {0}
    for table, codes in zip(
        ID_TABLES, ([user] if user else [], left, [], _list_unused(connection, orders)), strict=True
    ):
        # The code stays, so that it is never given to somebody else.
        names = ((f"{_ERASED}{code}", code) for code in codes)
        connection.executemany(f"UPDATE {table} SET name = ? WHERE code = ?", names)
    return len(sequences)


def _has_events(connection: sqlite3.Connection, visitor: int) -> bool:
    return connection.execute("SELECT 1 FROM events WHERE visitor = ? LIMIT 1", (visitor,)).fetchone() is not None


def _list_unused(connection: sqlite3.Connection, orders: Iterable[int]) -> list[int]:
    """Return those of some orders that no event is of any more."""
    unused = set(orders)
    if unused:
        for (code,) in connection.execute(f"SELECT DISTINCT substr(body, {ORDER_POSITION}, 4) FROM events"):
            unused.discard(int.from_bytes(code, "little"))
    return sorted(unused)
