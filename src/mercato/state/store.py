"""The interface of the state store, and the way to one: ``open_state``."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from mercato.errors import StateError
from mercato.events.event import Event
from mercato.events.event_batch import EventBatch
from mercato.state.values import (
    Actor,
    AppendResult,
    EventColumns,
    EventTable,
    PeopleLog,
    ProductChange,
    SearchQuery,
)


class StateStore(Protocol):
    """An append-only log of user events and product changes, and the views read from it.

    What is written is durable when the call returns. Any number of processes and threads may use one store at once.
    Every method raises ``StateError`` where the store cannot be read or written.
    """

    def append_events(self, events: Sequence[Event]) -> AppendResult:
        """Write events, all or none; those whose ``event_id`` is known already count as duplicates."""
        ...

    def import_events(
        self, batches: Iterable[EventBatch], *, on_batch: Callable[[AppendResult], None] | None = None
    ) -> AppendResult:
        """Write a history in bulk, other writers taking their turns between its batches.

        Args:
            batches: each is written at once or not at all, in the order of actor and time; a stopped import is
                continued by running it again.
            on_batch: is told what became of each batch, once it is durable.

        Returns:
            The sums over all batches.
        """
        ...

    def recent_events(self, actors: Sequence[Actor], limit: int, *, products_only: bool = True) -> list[EventColumns]:
        """Read each actor's last events, newest first; equal times: last written first.

        Where there are more, what the shopper said before (opinions, wishes, resets) follows, up to 1,000 of it.

        A user gets what was done signed in, and what the user's visitors did while nobody was; a visitor as whom one
        user has signed in is that user; one whom several share gets what was left there since the last signed in. A
        user who never signed in as the visitor that is given gets its events as long as nobody else did
        (``mercato.state.visitors``). An unknown actor gets none.

        Args:
            actors: whose.
            limit: how many at most for each actor, not negative; what was said before is not counted.
            products_only: leave out events about no product, before counting.

        Returns:
            As many as ``actors``, in their order.
        """
        ...

    def event_columns(
        self, *, since: float | None = None, until: float | None = None, after_sequence: int = 0
    ) -> EventTable:
        """Read the history of all users, in the order it was written; visitors who signed in are users.

        Args:
            since: only events at or after this time, seconds since 1970.
            until: only events before this time, seconds since 1970; later ones say nothing of visitors either.
            after_sequence: only events with a larger sequence number.
        """
        ...

    def read_people(self, after_sequence: int, pending: Sequence[int] = ()) -> PeopleLog:
        """Read what was written after an event, with all that the same people did before.

        Args:
            after_sequence: number of the last event that is known.
            pending: numbers of earlier events whose people are asked for, too.
        """
        ...

    def event_marks(self) -> tuple[int, int]:
        """Return the last event's sequence number, and how often events were taken out; microseconds."""
        ...

    def export_events(self) -> Iterator[EventBatch]:
        """Read all events in the order they were written, in a form that ``import_events`` takes."""
        ...

    def erase_events(self, actor: Actor) -> int:
        """Take out all that is kept of a person, ids included, and overwrite it in the file.

        Of a user that is every event signed in, and what the user's visitors did while nobody was; of a visitor every
        event with its id. What a snapshot has learned stays in it until the next one. Events that are imported again
        are new.

        Args:
            actor: whose; ids that are unknown have no events.

        Returns:
            How many events were taken out.
        """
        ...

    def search_queries(self, after_sequence: int = 0) -> list[SearchQuery]:
        """Read the queries of ``search`` events, in the order they were written.

        A query is the ``search_query`` of an event's context, or its ``query``; events with neither are left out.

        Args:
            after_sequence: only events with a larger sequence number.
        """
        ...

    def append_product_changes(self, changes: Sequence[ProductChange]) -> int:
        """Write changes of the catalogue, all or none, with consecutive sequence numbers.

        Returns:
            The sequence number of the last one (unchanged where ``changes`` is empty).
        """
        ...

    def product_changes_since(self, sequence: int, *, limit: int | None = None) -> list[ProductChange]:
        """Read the changes with a larger sequence number, in the order they were written; at most ``limit``."""
        ...

    def product_sequence(self) -> int:
        """Return the sequence number of the last product change; 0 before the first."""
        ...

    def event_sequence(self) -> int:
        """Return the sequence number of the last event; 0 before the first."""
        ...

    def catalog_path(self) -> str | None:
        """Return which catalogue was last indexed with this state; None where none was."""
        ...

    def note_catalog(self, path: str) -> None:
        """Keep which catalogue was indexed with this state."""
        ...

    def close(self) -> None:
        """Close every connection of this process."""
        ...


STATE_SCHEMES: tuple[str, ...] = ("sqlite",)


def open_state(url: str, *, busy_timeout_s: float = 10.0) -> StateStore:
    """Open the store that a URL names, making it where there is none.

    Args:
        url: ``sqlite:PATH``.
        busy_timeout_s: how long a write waits for another process's write before it is refused.

    Raises:
        StateError: unknown scheme, or the store cannot be opened.
    """
    scheme, separator, rest = url.partition(":")
    if not separator or scheme not in STATE_SCHEMES or not rest:
        given = repr(url) if scheme in STATE_SCHEMES or not separator else f"scheme {scheme!r} in {url!r}"
        raise StateError(f"state: must be sqlite:PATH, got {given}; write for example sqlite:var/state.db")
    from mercato.state.sqlite import SqliteStateStore

    # sqlite:///var/state.db, as other programs write it, means the same as sqlite:/var/state.db
    return SqliteStateStore(rest.removeprefix("//"), busy_timeout_s=busy_timeout_s)
