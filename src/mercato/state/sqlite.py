"""The state store in one SQLite file: for one machine, any number of processes."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import orjson

from mercato.errors import InvalidInputError
from mercato.events.event import Event
from mercato.events.event_batch import EventBatch
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.state.erasure import erase_actor
from mercato.state.event_history import read_event_batches, read_event_table
from mercato.state.event_log import EventCoder, write_rows
from mercato.state.id_codes import IdNames
from mercato.state.people import read_people
from mercato.state.recent import read_recent_events
from mercato.state.schema import TYPE_POSITION
from mercato.state.session import SessionPool
from mercato.state.statements import translated_errors
from mercato.state.values import (
    Actor,
    AppendResult,
    EventColumns,
    EventTable,
    PeopleLog,
    ProductChange,
    SearchQuery,
)


class SqliteStateStore:
    """A ``StateStore`` in an SQLite file with a write-ahead log: readers and a writer never wait for each other.

    Writers take turns. Several processes may hold one each; a forked child opens its own connections.
    """

    def __init__(self, path: str, *, busy_timeout_s: float = 10.0) -> None:
        """Open the file, making it and its folder where there is none.

        Args:
            path: of the file; SQLite keeps ``PATH-wal`` and ``PATH-shm`` beside it while it is open.
            busy_timeout_s: how long a write waits for another's; longer survives large imports, shorter fails sooner.

        Raises:
            StateError: it cannot be opened, is no state file, is damaged, or was written by a newer version.
        """
        self._path = path
        self._pool = SessionPool(path, busy_timeout_s)
        self._product_names = IdNames("products")
        self._pool.get()

    def append_events(self, events: Sequence[Event]) -> AppendResult:
        """Write events; see ``StateStore``."""
        with translated_errors(self._path):
            session = self._pool.get()
            if not events:
                return AppendResult(0, 0, self.event_sequence())
            contexts = [orjson.dumps(dict(event.context)).decode() if event.context else None for event in events]
            with session.writing():
                result = write_rows(session, EventCoder(session).code_events(events, contexts))
            session.event_sequence = result.sequence
            return result

    def import_events(
        self, batches: Iterable[EventBatch], *, on_batch: Callable[[AppendResult], None] | None = None
    ) -> AppendResult:
        """Write a history; see ``StateStore``."""
        accepted = duplicates = 0
        session = self._pool.get()
        with translated_errors(self._path):
            coder, erasures = EventCoder(session, bulk=True), session.last_sequence("erasures")
        for batch in batches:
            with translated_errors(self._path):
                with session.writing():
                    if erasures != session.last_sequence("erasures"):  # a code that is remembered may be nobody's now
                        coder, erasures = EventCoder(session, bulk=True), session.last_sequence("erasures")
                    result = write_rows(session, coder.code_batch(batch))
                session.event_sequence = result.sequence
            accepted += result.accepted
            duplicates += result.duplicates
            if on_batch is not None:
                on_batch(result)
        return AppendResult(accepted, duplicates, self.event_sequence())

    def recent_events(self, actors: Sequence[Actor], limit: int, *, products_only: bool = True) -> list[EventColumns]:
        """Read actors' last events; see ``StateStore``."""
        if limit < 0:
            raise InvalidInputError("limit", f"must not be negative, got {limit}")
        with translated_errors(self._path):
            session = self._pool.get()
            session.refresh()
            session.recent.catch_up(session.connection, session.event_sequence, session.erasure_sequence)
            answers = []
            for actor in actors:
                key = (actor, limit, products_only)
                columns = session.recent.get(key)
                if columns is None:
                    columns, parties = read_recent_events(
                        session.connection, self._product_names, actor, limit, products_only
                    )
                    session.recent.put(key, columns, parties)
                answers.append(columns)
            return answers

    def event_columns(
        self, *, since: float | None = None, until: float | None = None, after_sequence: int = 0
    ) -> EventTable:
        """Read the history of all users; see ``StateStore``."""
        with translated_errors(self._path):
            return read_event_table(self._pool.get().connection, since, until, after_sequence)

    def read_people(self, after_sequence: int, pending: Sequence[int] = ()) -> PeopleLog:
        """Read new events with all that the same people did; see ``StateStore``."""
        with translated_errors(self._path):
            session = self._pool.get()
            session.refresh()
            session.connection.execute("BEGIN")  # one state of the log for all that is read
            try:
                records = read_people(session.connection, after_sequence, pending)
                codes = int(records["product"].max()) if len(records) else 0
                product_ids = self._product_names.names_up_to(session.connection, codes)
                erasures = session.last_sequence("erasures")
            finally:
                session.connection.execute("ROLLBACK")
            last = int(records["sequence"][-1]) if len(records) else after_sequence
            return PeopleLog(
                records=records, product_ids=product_ids, erasures=erasures, sequence=max(last, after_sequence)
            )

    def event_marks(self) -> tuple[int, int]:
        """Return the marks of the log of events; see ``StateStore``."""
        with translated_errors(self._path):
            session = self._pool.get()
            session.refresh()
            return session.event_sequence, session.erasure_sequence

    def export_events(self) -> Iterator[EventBatch]:
        """Read all events in a form that can be imported; see ``StateStore``."""
        with translated_errors(self._path):
            yield from read_event_batches(self._pool.get().connection)

    def erase_events(self, actor: Actor) -> int:
        """Take out all that is kept of a person; see ``StateStore``."""
        if not (actor.user_id or actor.visitor_id):
            raise InvalidInputError("actor", "must have a user_id or a visitor_id, got neither", "say who it is")
        with translated_errors(self._path):
            return erase_actor(self._pool.get(), actor)

    def search_queries(self, after_sequence: int = 0) -> list[SearchQuery]:
        """Read what shoppers searched for; see ``StateStore``."""
        with translated_errors(self._path):
            session = self._pool.get()
            rows = session.connection.execute(
                "SELECT coalesce(json_extract(context, '$.search_query'), json_extract(context, '$.query')),"
                " coalesce('u' || coalesce(user, (SELECT min(user) FROM visitor_users WHERE visitor = events.visitor)),"
                " 'v' || visitor, ''), sequence, time FROM events"
                " WHERE sequence > ? AND context IS NOT NULL AND substr(body, ?, 1) = ? ORDER BY sequence",
                (after_sequence, TYPE_POSITION, bytes([EVENT_TYPE_CODES["search"]])),
            )
            return [SearchQuery(*row) for row in rows if isinstance(row[0], str)]

    def append_product_changes(self, changes: Sequence[ProductChange]) -> int:
        """Write changes of the catalogue; see ``StateStore``."""
        with translated_errors(self._path):
            session = self._pool.get()
            if not changes:
                return self.product_sequence()
            with session.writing() as connection:
                last = session.last_sequence("product_changes")
                now = time.time()  # asked for while the lock is held: a later change has no earlier time
                connection.executemany(
                    "INSERT INTO product_changes (sequence, operation, product_id, document, vector, time)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        (
                            sequence,
                            change.operation,
                            change.product_id,
                            change.document,
                            None if change.vector is None else change.vector.astype("<f4").tobytes(),
                            now if change.time is None else change.time,
                        )
                        for sequence, change in enumerate(changes, start=last + 1)
                    ),
                )
            session.product_sequence = last + len(changes)
            return session.product_sequence

    def product_changes_since(self, sequence: int, *, limit: int | None = None) -> list[ProductChange]:
        """Read changes of the catalogue; see ``StateStore``."""
        with translated_errors(self._path):
            session = self._pool.get()
            session.refresh()
            if sequence >= session.product_sequence:
                return []
            rows = session.connection.execute(
                "SELECT operation, product_id, document, vector, sequence, time FROM product_changes"
                " WHERE sequence > ? ORDER BY sequence LIMIT ?",
                (sequence, -1 if limit is None else limit),
            ).fetchall()
            return [
                ProductChange(
                    operation,
                    product_id,
                    document,
                    None if vector is None else np.frombuffer(vector, dtype="<f4").astype(np.float32),
                    found,
                    written,
                )
                for operation, product_id, document, vector, found, written in rows
            ]

    def product_sequence(self) -> int:
        """Return the last product change's sequence number; see ``StateStore``."""
        with translated_errors(self._path):
            session = self._pool.get()
            session.refresh()
            return session.product_sequence

    def event_sequence(self) -> int:
        """Return the last event's sequence number; see ``StateStore``."""
        with translated_errors(self._path):
            session = self._pool.get()
            session.refresh()
            return session.event_sequence

    def catalog_path(self) -> str | None:
        """Return which catalogue was last indexed with this state; see ``StateStore``."""
        with translated_errors(self._path):
            found = self._pool.get().connection.execute("SELECT value FROM notes WHERE name = 'catalog'").fetchone()
            return None if found is None else str(found[0])

    def note_catalog(self, path: str) -> None:
        """Keep which catalogue was indexed with this state; see ``StateStore``."""
        with translated_errors(self._path), self._pool.get().writing() as connection:
            connection.execute("INSERT OR REPLACE INTO notes (name, value) VALUES ('catalog', ?)", (path,))

    def close(self) -> None:
        """Close every connection of this process; the next call opens a new one."""
        with translated_errors(self._path):
            self._pool.close()
