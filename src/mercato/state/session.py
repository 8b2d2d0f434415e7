"""Connections to a state file: one for each thread of each process, opened when first used."""

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mercato.errors import StateError
from mercato.state.recent import RecentCache
from mercato.state.schema import prepare_schema
from mercato.state.statements import translate_sqlite_error

CACHE_KIB = 32_768  # pages kept by each connection; SQLite's own 2 MB makes large imports twice as slow
CHECKPOINT_PAGES = 4_096  # 16 MB of log before it is moved into the file: fewer, larger moves than SQLite's 1,000


class Session:
    """One thread's connection, and what was last seen on it.

    Attributes:
        connection: in autocommit mode; transactions are begun by hand.
        event_sequence: the last event's sequence number, as of the last ``refresh``.
        product_sequence: the last product change's sequence number, as of the last ``refresh``.
        erasure_sequence: how often events were taken out, as of the last ``refresh``.
        recent: events of actors that were asked for before.
    """

    def __init__(self, path: str, busy_timeout_s: float) -> None:
        """Open the file, making or migrating it.

        Raises:
            StateError: it cannot be opened.
        """
        self.connection = _connect(path, busy_timeout_s)
        self.event_sequence = 0
        self.product_sequence = 0
        self.erasure_sequence = 0
        self.recent = RecentCache()
        self._data_version = -1

    def refresh(self) -> None:
        """Learn of what was written since; a few microseconds where nothing was.

        ``PRAGMA data_version`` changes with every commit of another connection; ``wrote`` keeps up with our own.
        """
        version = self.connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            # The version is read first: what is written in between is then seen again by the next refresh.
            self.event_sequence = self.last_sequence("events")
            self.product_sequence = self.last_sequence("product_changes")
            self.erasure_sequence = self.last_sequence("erasures")
            self._data_version = version

    def last_sequence(self, table: str) -> int:
        """Read the largest sequence number that a log ever gave; 0 before the first."""
        last = int(self.connection.execute(f"SELECT coalesce(max(sequence), 0) FROM {table}").fetchone()[0])
        if table == "events":  # the number of an event that was taken out is not given again
            erased = self.connection.execute("SELECT coalesce(max(last_event), 0) FROM erasures").fetchone()[0]
            last = max(last, int(erased))
        return last

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock: everything inside is written together when it ends, or not at all."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # SQLite rolls back by itself on a full disk
                self.connection.execute("ROLLBACK")
            raise


class SessionPool:
    """The sessions of one store, one for each thread; a forked child gets its own."""

    def __init__(self, path: str, busy_timeout_s: float) -> None:
        """Open nothing yet."""
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._local = threading.local()
        # Weak: the connection of a thread that ended is closed with it.
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()

    def get(self) -> Session:
        """Return this thread's session."""
        if self._pid != os.getpid():
            # SQLite forbids using or closing a parent's connection in a child: leave those open, out of reach.
            _INHERITED.append((self._local, list(self._sessions)))
            self._lock = threading.Lock()
            self._start()
        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            session = Session(self._path, self._busy_timeout_s)
            self._local.session = session
            with self._lock:
                self._sessions.add(session)
        return session

    def close(self) -> None:
        """Close the sessions of all threads of this process."""
        if self._pid == os.getpid():
            with self._lock:
                for session in list(self._sessions):
                    session.connection.close()
                self._start()


_INHERITED: list[object] = []


def _connect(path: str, busy_timeout_s: float) -> sqlite3.Connection:
    connection: sqlite3.Connection | None = None
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
        _use_write_ahead_log(connection, path, busy_timeout_s)
        # FULL: the log is flushed to disk at each commit, so that what was acknowledged survives not only the death of
        # any process but a power cut too. NORMAL would skip that flush: it costs 0.2 to 0.6 ms, once a batch.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        prepare_schema(connection, path)
    except (sqlite3.Error, OSError) as exc:
        if connection is not None:
            connection.close()
        raise translate_sqlite_error(exc, path) from exc
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    return connection


def _use_write_ahead_log(connection: sqlite3.Connection, path: str, busy_timeout_s: float) -> None:
    """Let readers and one writer work at once. Of several first openers, SQLite lets some fail without waiting."""
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise StateError(
            f"state: {path} cannot have a write-ahead log (journal mode is {mode}); put it on a local disk, "
            "not on a network file system"
        )
