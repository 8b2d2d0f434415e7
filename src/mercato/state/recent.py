"""An actor's last events: read from the index, kept in memory, dropped when the actor does something new."""

import sqlite3
from collections import OrderedDict

import numpy as np

from mercato.state.id_codes import IdNames
from mercato.state.schema import RECORD, Records, join_records
from mercato.state.values import Actor, EventColumns
from mercato.state.visitors import (
    ABOUT_PRODUCTS,
    EVERYTHING,
    SAID,
    Selection,
    find_code,
    find_users,
    find_visitors,
    name_all,
    read_anonymous,
    read_unclaimed,
)

MAX_CACHED_EVENTS = 200_000  # about 10 MB a thread
MAX_SAID = 1_000
"""Of what an actor said before the events that are read, as much is read besides."""
MAX_EVICTIONS = 1_000  # after more new events than this (an import) everything is dropped at once

CacheKey = tuple[Actor, int, bool]
Party = tuple[str, str]
"""``user`` or ``visitor``, and its id."""

_OF_USER = "SELECT body FROM events WHERE user = ?"
_NEWEST_FIRST = " ORDER BY time DESC, sequence DESC LIMIT ?"

_NEW_ACTORS = """SELECT users.name, visitors.name FROM events
    LEFT JOIN users ON users.code = events.user LEFT JOIN visitors ON visitors.code = events.visitor
    WHERE sequence > ? LIMIT ?"""


class RecentCache:
    """The answers given before, least recently used first; holds for one state of the log."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: OrderedDict[CacheKey, tuple[EventColumns, frozenset[Party]]] = OrderedDict()
        self._keys_of_party: dict[Party, set[CacheKey]] = {}
        self._events = 0
        self._sequence = 0
        self._erasures = 0

    def catch_up(self, connection: sqlite3.Connection, sequence: int, erasures: int) -> None:
        """Drop the answers that events up to ``sequence`` have made old: those of their users and visitors only.

        Args:
            connection: to the state file.
            sequence: of the last event.
            erasures: how often events were taken out; then everything is dropped.
        """
        if (sequence, erasures) == (self._sequence, self._erasures):
            return
        if self._entries:
            new = connection.execute(_NEW_ACTORS, (self._sequence, MAX_EVICTIONS + 1)).fetchall()
            if len(new) > MAX_EVICTIONS or erasures != self._erasures:
                self._entries.clear()
                self._keys_of_party.clear()
                self._events = 0
            else:
                for user_id, visitor_id in set(new):
                    for party in (("user", user_id), ("visitor", visitor_id)):
                        for key in list(self._keys_of_party.get(party, ())):
                            self._drop(key)
        self._sequence, self._erasures = sequence, erasures

    def get(self, key: CacheKey) -> EventColumns | None:
        """Return a kept answer, or None."""
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found[0]

    def put(self, key: CacheKey, columns: EventColumns, parties: frozenset[Party]) -> None:
        """Keep an answer, dropping old ones where there are too many events.

        Args:
            key: what was asked.
            columns: the answer.
            parties: whose events it depends on.
        """
        self._entries[key] = columns, parties
        self._events += len(columns) + 1
        for party in parties:
            self._keys_of_party.setdefault(party, set()).add(key)
        while self._events > MAX_CACHED_EVENTS and len(self._entries) > 1:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: CacheKey) -> None:
        columns, parties = self._entries.pop(key)
        self._events -= len(columns) + 1
        for party in parties:
            keys = self._keys_of_party[party]
            keys.discard(key)
            if not keys:
                del self._keys_of_party[party]


def read_recent_events(
    connection: sqlite3.Connection, product_names: IdNames, actor: Actor, limit: int, products_only: bool
) -> tuple[EventColumns, frozenset[Party]]:
    """Read one actor's last events (``StateStore.recent_events``), and whose events the answer depends on."""
    user, visitor = find_code(connection, "users", actor.user_id), find_code(connection, "visitors", actor.visitor_id)
    visitors = [visitor] if visitor else []
    parties: set[Party] = {("user", actor.user_id), ("visitor", actor.visitor_id)}
    if not actor.user_id and visitor:
        users = find_users(connection, visitor)
        if len(users) == 1:  # the visitor is that user
            user = users[0]
            parties.update(("user", name) for name in name_all(connection, "users", users))
    visitors = list(dict.fromkeys([*visitors, *find_visitors(connection, user)])) if user else visitors
    parties.update(("visitor", name) for name in name_all(connection, "visitors", visitors))
    claims = bool(user or actor.user_id)

    def read(selection: Selection, most: int) -> Records:
        return _read_newest(connection, user, visitors, most, selection, claims=claims)

    records = read(ABOUT_PRODUCTS if products_only else EVERYTHING, limit)
    if len(records) == limit > 0:  # what was said before that counts too
        said = read(SAID, limit + MAX_SAID)
        older = said[~np.isin(said["sequence"], records["sequence"])]
        last = records[-1]
        before = (older["time"] < last["time"]) | (
            (older["time"] == last["time"]) & (older["sequence"] < last["sequence"])
        )
        records = np.concatenate([records, older[before][:MAX_SAID]])
    return _to_columns(connection, product_names, records), frozenset(parties)


def _read_newest(
    connection: sqlite3.Connection, user: int, visitors: list[int], limit: int, selection: Selection, *, claims: bool
) -> Records:
    """Read the newest events of a user and of some visitors together.

    Args:
        connection: to the state file.
        user: code of the user; 0 for none.
        visitors: codes of the visitors.
        limit: how many at most.
        selection: which events.
        claims: whether somebody is signed in, whose events those of the visitors are.

    Returns:
        RECORD [n], newest first.
    """
    parts: list[Records] = []
    if user:
        query = f"{_OF_USER}{selection.clause}{_NEWEST_FIRST}"
        parts.append(join_records(connection.execute(query, (user, limit)).fetchall()))
    for code in visitors:
        if not claims:
            parts.append(read_unclaimed(connection, code, limit, selection=selection))
            continue
        # What is nobody's yet was done by whoever asks with it.
        owner = user if find_users(connection, code) else 0
        parts.append(read_anonymous(connection, code, owner, limit, selection=selection))
    records = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, dtype=RECORD), *parts])
    if sum(bool(len(part)) for part in parts) > 1:
        records = records[np.lexsort((-records["sequence"], -records["time"]))]
    return records[:limit]


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
        order=records["order"].astype(np.int32) - np.int32(1),
    )
    for array in (columns.event_type, columns.time, columns.quantity, columns.price, columns.sequence, columns.order):
        if array is not None:
            array.flags.writeable = False
    return columns
