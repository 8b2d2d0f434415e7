"""The tables of a state file, and the steps from one version of them to the next.

users, visitors, products, orders    code <-> id: events hold four-byte codes in place of ids
events                               the log of events; body is a packed record (``record.py``)
  events_by_user, events_by_visitor  covering: an actor's last events are read from the index alone
event_keys                           which events are known already
product_changes                      the log of catalogue changes
"""

import sqlite3

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

# Step i leads from version i to version i + 1. Steps that were released are never changed.
MIGRATIONS: tuple[tuple[str, ...], ...] = (_VERSION_1,)
SCHEMA_VERSION = len(MIGRATIONS)


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
