"""An actor's last events: read from the index, kept in memory, dropped when the actor does something new."""

import sqlite3
from collections import OrderedDict

import numpy as np

from mercato.state.id_codes import IdNames
from mercato.state.schema import PRODUCT_POSITION, RECORD, USER_POSITION, Records, join_records
from mercato.state.values import Actor, EventColumns

MAX_CACHED_EVENTS = 200_000  # about 10 MB a thread
MAX_EVICTIONS = 1_000  # after more new events than this (an import) everything is dropped at once

CacheKey = tuple[Actor, int, bool]

_NOT_GIVEN = "x'00000000'"
_OF_USER = "SELECT body FROM events WHERE user = (SELECT code FROM users WHERE name = ?)"
_OF_VISITOR = "SELECT body FROM events WHERE visitor = (SELECT code FROM visitors WHERE name = ?)"
_NOBODY_SIGNED_IN = f" AND substr(body, {USER_POSITION}, 4) = {_NOT_GIVEN}"
_ABOUT_A_PRODUCT = f" AND substr(body, {PRODUCT_POSITION}, 4) <> {_NOT_GIVEN}"
_NEWEST_FIRST = " ORDER BY time DESC, sequence DESC LIMIT ?"

_NEW_ACTORS = """SELECT users.name, visitors.name FROM events
    LEFT JOIN users ON users.code = events.user LEFT JOIN visitors ON visitors.code = events.visitor
    WHERE sequence > ? LIMIT ?"""


class RecentCache:
    """The answers given before, least recently used first; holds for one state of the log."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: OrderedDict[CacheKey, EventColumns] = OrderedDict()
        self._keys_of_actor: dict[tuple[str, str], set[CacheKey]] = {}
        self._events = 0
        self._sequence = 0

    def catch_up(self, connection: sqlite3.Connection, sequence: int) -> None:
        """Drop the answers that events up to ``sequence`` have made old: those of their actors only."""
        if sequence == self._sequence:
            return
        if self._entries:
            new = connection.execute(_NEW_ACTORS, (self._sequence, MAX_EVICTIONS + 1)).fetchall()
            if len(new) > MAX_EVICTIONS:
                self._entries.clear()
                self._keys_of_actor.clear()
                self._events = 0
            else:
                for user_id, visitor_id in set(new):
                    for actor in (("user", user_id), ("visitor", visitor_id)):
                        for key in list(self._keys_of_actor.get(actor, ())):
                            self._drop(key)
        self._sequence = sequence

    def get(self, key: CacheKey) -> EventColumns | None:
        """Return a kept answer, or None."""
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: CacheKey, columns: EventColumns) -> None:
        """Keep an answer, dropping old ones where there are too many events."""
        self._entries[key] = columns
        self._events += len(columns) + 1
        for actor in _actors_of(key):
            self._keys_of_actor.setdefault(actor, set()).add(key)
        while self._events > MAX_CACHED_EVENTS and len(self._entries) > 1:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: CacheKey) -> None:
        self._events -= len(self._entries.pop(key)) + 1
        for actor in _actors_of(key):
            keys = self._keys_of_actor[actor]
            keys.discard(key)
            if not keys:
                del self._keys_of_actor[actor]


def read_recent_events(
    connection: sqlite3.Connection, product_names: IdNames, actor: Actor, limit: int, products_only: bool
) -> EventColumns:
    """Read one actor's last events; see ``StateStore.recent_events``."""
    condition = _ABOUT_A_PRODUCT if products_only else ""
    parts: list[Records] = []
    if actor.user_id:
        query = _OF_USER + condition + _NEWEST_FIRST
        parts.append(join_records(connection.execute(query, (actor.user_id, limit)).fetchall()))
    if actor.visitor_id:
        # What the visitor did signed in as this user is among the user's events, and what as another is not theirs.
        query = _OF_VISITOR + condition + (_NOBODY_SIGNED_IN if actor.user_id else "") + _NEWEST_FIRST
        parts.append(join_records(connection.execute(query, (actor.visitor_id, limit)).fetchall()))
    records = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, dtype=RECORD), *parts])
    if len(parts) == 2 and len(parts[0]) and len(parts[1]):
        records = records[np.lexsort((-records["sequence"], -records["time"]))[:limit]]
    return _to_columns(connection, product_names, records)


def _to_columns(connection: sqlite3.Connection, product_names: IdNames, records: Records) -> EventColumns:
    codes = records["product"].tolist()
    names = product_names.names_up_to(connection, max(codes, default=0))
    columns = EventColumns(
        product_id=[names[code] for code in codes],
        event_type=records["event_type"].astype(np.uint8),
        time=records["time"].astype(np.float64),
        quantity=records["quantity"].astype(np.int32),
        price=records["price"].astype(np.float32),
        sequence=records["sequence"].astype(np.int64),
    )
    for array in (columns.event_type, columns.time, columns.quantity, columns.price, columns.sequence):
        array.flags.writeable = False
    return columns


def _actors_of(key: CacheKey) -> list[tuple[str, str]]:
    actor = key[0]
    return [(kind, name) for kind, name in (("user", actor.user_id), ("visitor", actor.visitor_id)) if name]
