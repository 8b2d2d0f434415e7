"""The tables of a state file, and the steps from one version of them to the next.

users, visitors, products, orders    code <-> id: events hold four-byte codes in place of ids
events                               the log of events; body is a packed record (`RECORD`)
  events_by_user, events_by_visitor  covering: an actor's last events are read from the index alone
  said_by_user, said_by_visitor      the same of what shoppers say themselves, which counts however long ago it was
event_keys                           which events are known already
visitor_users                        which users ever signed in as which visitor
erasures                             when events were taken out (not whose), and the last event's number by then
product_changes                      the log of catalogue changes
notes                                which catalogue was last indexed with this state

An event is one packed record of 41 bytes, so that a thousand of them are read as a thousand small blobs that numpy
takes in one piece. Measured on 1.47 million events (2 cores): a user's last 1,000 of 4,000 in 0.4 ms against 1.1 ms
with a column for each field, the whole history in 1.3 s against 4.7 s.
"""

import sqlite3

import numpy as np
import numpy.typing as npt

from mercato.errors import StateError

APPLICATION_ID = 0x4D455243  # "MERC"
ID_TABLES: tuple[str, ...] = ("users", "visitors", "products", "orders")

_VERSION_1 = (
    *(f"CREATE TABLE {table} (code INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)" for table in ID_TABLES),
    """CREATE TABLE events (
        sequence INTEGER PRIMARY KEY, time REAL NOT NULL, user INTEGER, visitor INTEGER,
        body BLOB NOT NULL, event_id TEXT, context TEXT)""",
    "CREATE INDEX events_by_user ON events (user, time, sequence, body) WHERE user IS NOT NULL",
    "CREATE INDEX events_by_visitor ON events (visitor, time, sequence, body) WHERE visitor IS NOT NULL",
    "CREATE TABLE event_keys (key BLOB PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE product_changes (
        sequence INTEGER PRIMARY KEY, operation TEXT NOT NULL, product_id TEXT NOT NULL, document BLOB, vector BLOB)""",
)

# When a change was written, seconds since 1970: what a feed is compared with. Of changes that are there already it is
# not known; they were written by now at the latest, so they stay over a file of before and give way to a later feed.
# Until now a patch was written as the whole product that it led to, and stays one.
_TIMES_OF_CHANGES = (
    "ALTER TABLE product_changes ADD COLUMN time REAL NOT NULL DEFAULT 0",
    # What a state belongs to: the catalogue that was last indexed with it.
    "CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "UPDATE product_changes SET time = (julianday('now') - 2440587.5) * 86400",
)

_LOGINS_AND_ERASURES = (
    "CREATE TABLE visitor_users (visitor INTEGER, user INTEGER, PRIMARY KEY (visitor, user)) WITHOUT ROWID",
    "CREATE INDEX visitors_of_user ON visitor_users (user, visitor)",
    """INSERT INTO visitor_users SELECT DISTINCT visitor, user FROM events
        WHERE visitor IS NOT NULL AND user IS NOT NULL""",
    "CREATE TABLE erasures (sequence INTEGER PRIMARY KEY, time REAL NOT NULL, last_event INTEGER NOT NULL)",
)

# Types from 9 on (x'09') are what shoppers say themselves: a hundred thousand views do not bury a dislike.
_WHAT_SHOPPERS_SAY = tuple(
    f"""CREATE INDEX said_by_{actor} ON events ({actor}, time, sequence, body)
        WHERE {actor} IS NOT NULL AND substr(body, 41, 1) >= x'09'"""
    for actor in ("user", "visitor")
)

# Step i leads from version i to version i + 1. Steps that were released are never changed.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    _VERSION_1,
    _TIMES_OF_CHANGES,
    _LOGINS_AND_ERASURES,
    _WHAT_SHOPPERS_SAY,
)
SCHEMA_VERSION = len(MIGRATIONS)


RECORD = np.dtype(
    [
        ("sequence", "<i8"),
        ("time", "<f8"),
        ("user", "<u4"),  # the four ids: codes from 1 in their tables, 0 where not given
        ("visitor", "<u4"),
        ("product", "<u4"),
        ("order", "<u4"),
        ("quantity", "<i4"),
        ("price", "<f4"),
        ("event_type", "u1"),
    ]
)

# Where a field lies in a record, for SQL's substr(), which counts from 1.
USER_POSITION = RECORD.fields["user"][1] + 1 if RECORD.fields else 0
TYPE_POSITION = RECORD.fields["event_type"][1] + 1 if RECORD.fields else 0
PRODUCT_POSITION = RECORD.fields["product"][1] + 1 if RECORD.fields else 0
ORDER_POSITION = RECORD.fields["order"][1] + 1 if RECORD.fields else 0

Records = npt.NDArray[np.void]


def prepare_schema(connection: sqlite3.Connection, path: str) -> None:
    """Bring a file to this version's tables; a new file gets them all.

    Raises:
        StateError: the file was written by a newer version, or is another application's.
    """
    # One view of the file: another process may be making it between two reads, which would look like a stranger's file.
    connection.execute("BEGIN")
    try:
        version = _read_version(connection, path)
    finally:
        connection.execute("ROLLBACK")
    if version == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it while this one waited for the lock.
        for step in MIGRATIONS[_read_version(connection, path) :]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _read_version(connection: sqlite3.Connection, path: str) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if application != APPLICATION_ID and (application or tables):
        raise StateError(f"state: {path} is an SQLite file of another application; give another path")
    if version > SCHEMA_VERSION:
        raise StateError(
            f"state: {path} has schema version {version}, this Mercato knows up to {SCHEMA_VERSION}; "
            "use the newer Mercato that wrote it"
        )
    return version


def split_records(records: Records) -> list[bytes]:
    """Cut records [n] into n blobs."""
    raw = records.tobytes()
    return [raw[start : start + RECORD.itemsize] for start in range(0, len(raw), RECORD.itemsize)]


def join_records(rows: list[tuple[bytes]]) -> Records:
    """Join rows of one blob each into records [n]."""
    return np.frombuffer(b"".join([row[0] for row in rows]), dtype=RECORD)
