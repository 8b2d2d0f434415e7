"""Reading what was written of late with all that the same people ever did: what counts of it depends on that."""

import sqlite3
from collections.abc import Iterable

import numpy as np

from mercato.state.schema import RECORD, Records, join_records
from mercato.state.visitors import MAX_SHARING_USERS

CODES_A_STATEMENT = 500
MAX_PERSON_EVENTS = 10_000
"""Of one person so many events are looked at, the newest: an id that everybody shares has millions."""
MAX_NEW_EVENTS = 2_000
"""New events that are read at once, with all that their people ever did. Those behind them come with the next call."""


def read_people(connection: sqlite3.Connection, after_sequence: int, pending: Iterable[int] = ()) -> Records:
    """Read every event of whoever did something after an event; see ``StateStore.read_people``.

    Args:
        connection: to the state file.
        after_sequence: the last event that is known.
        pending: numbers of earlier events that are looked at as if they were new.

    Returns:
        RECORD [n], by sequence number.
    """
    query = "SELECT body FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?"
    fresh = join_records(connection.execute(query, (after_sequence, MAX_NEW_EVENTS)).fetchall())
    last = int(fresh["sequence"][-1]) if len(fresh) else after_sequence
    waiting = _read_all(connection, "sequence", pending)
    named = np.concatenate([fresh, waiting])
    users, visitors = set(named["user"].tolist()) - {0}, set(named["visitor"].tolist()) - {0}
    _join_parties(connection, users, visitors)
    found = np.concatenate(
        [_read_events(connection, "user", users), _read_events(connection, "visitor", visitors), waiting]
    )
    known = np.concatenate([fresh, found[found["sequence"] <= last]])
    _, first = np.unique(known["sequence"], return_index=True)
    people: Records = known[first]
    return people


def _join_parties(connection: sqlite3.Connection, users: set[int], visitors: set[int]) -> None:
    """Add to users and visitors whoever signed in as one of the others, until there is nobody left to add.

    Through a visitor whom too many share nobody is joined with anybody (``mercato.state.visitors``).
    """
    new_users, new_visitors = set(users), set(visitors)
    while new_users or new_visitors:
        found = {visitor for visitor, _ in _read_pairs(connection, "user", new_users)} - visitors
        visitors |= found
        sharing: dict[int, set[int]] = {}
        for visitor, user in _read_pairs(connection, "visitor", new_visitors | found):
            sharing.setdefault(visitor, set()).add(user)
        new_users = {user for those in sharing.values() if len(those) <= MAX_SHARING_USERS for user in those} - users
        users |= new_users
        new_visitors = set()


def _read_pairs(connection: sqlite3.Connection, column: str, codes: set[int]) -> list[tuple[int, int]]:
    return [
        (int(visitor), int(user))
        for step in _steps(codes)
        for visitor, user in connection.execute(
            f"SELECT visitor, user FROM visitor_users WHERE {column} IN ({', '.join('?' * len(step))})", step
        )
    ]


def _read_all(connection: sqlite3.Connection, column: str, codes: Iterable[int]) -> Records:
    parts = [np.empty(0, dtype=RECORD)]
    for step in _steps(codes):
        query = f"SELECT body FROM events WHERE {column} IN ({', '.join('?' * len(step))})"
        parts.append(join_records(connection.execute(query, step).fetchall()))
    return np.concatenate(parts)


def _read_events(connection: sqlite3.Connection, column: str, codes: Iterable[int]) -> Records:
    query = f"SELECT body FROM events WHERE {column} = ? ORDER BY time DESC, sequence DESC LIMIT ?"
    rows: list[tuple[bytes]] = []
    for code in sorted(codes):
        rows += connection.execute(query, (code, MAX_PERSON_EVENTS)).fetchall()
    return join_records(rows)


def _steps(codes: Iterable[int]) -> Iterable[list[int]]:
    ordered = sorted(codes)
    for start in range(0, len(ordered), CODES_A_STATEMENT):
        yield ordered[start : start + CODES_A_STATEMENT]
