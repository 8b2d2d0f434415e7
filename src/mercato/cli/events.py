"""`mercato events`: a shop's history into a state file or a running server, and out again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mercato.cli.output import Output
from mercato.errors import DataError, InvalidInputError, ServerError
from mercato.incoming import Rejected

if TYPE_CHECKING:  # what reads and writes events needs Arrow: imported where it is used, so that others start without
    from mercato.events.event_batch import EventBatch
    from mercato.events.read_events import ReadReport

EVENTS_PER_CALL = 2_000  # about half a megabyte of JSON, some 50 ms of a server's time
DEFAULT_SERVER = "127.0.0.1:8001"

events_app = typer.Typer(help="User events: import a history, export it, or forget a person.", no_args_is_help=True)

_IMPORT_EPILOG = (
    "Example: mercato events import transactions.parquet --state sqlite:state.db"
    " --map user_id=household_id --map time=transaction_timestamp --event-type purchase-complete"
)
_EXPORT_EPILOG = "Example: mercato events export events.parquet --state sqlite:state.db"

_FORGET_EPILOG = "Example: mercato events forget --user-id 4711 --state sqlite:state.db"

_ONLY_JSON = ("rejected_by_field", "errors")  # people were warned of these on the way

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


@events_app.command("import", epilog=_IMPORT_EPILOG)
def import_command(
    file: Annotated[Path, typer.Argument(help="Events: .parquet, .csv, .tsv or .jsonl (text also .gz).")],
    state: Annotated[
        str | None, typer.Option(help="sqlite:PATH: write straight into a state file, also beside a running server.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help=f"HOST:PORT of a running server; {DEFAULT_SERVER} where --state is not given.")
    ] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="FIELD=COLUMN, repeatable, such as user_id=household_id.")
    ] = None,
    event_type: Annotated[
        str | None, typer.Option("--event-type", help="Type of the rows that have none, such as purchase-complete.")
    ] = None,
    no_times: Annotated[
        bool, typer.Option("--no-times", help="Take the order of the rows, whatever columns look like times.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing if any row is bad.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import user events from a file; what is there already is not counted twice.

    Fields: event_type, user_id, visitor_id, product_id, time, order, quantity, price, order_id, event_id, context,
    rating, statement. A row without event_id is known again by its content, so a file can be imported again after a
    stop, or when it has grown. Where no column is mapped to time, the order of the rows is kept, or that of a column
    `order`; what depends on time is then off for these events.
    """
    output = Output(as_json=as_json)
    with output.handle_errors():
        result = import_file(file, state, server, mapping or [], event_type, strict, output, without_times=no_times)
        if as_json:
            output.finish(result)
        else:
            output.finish({name: value for name, value in result.items() if name not in _ONLY_JSON})
        if not result["accepted"] and not result["duplicates"]:
            output.warn(f"{file.name}: no row is an event")
            raise typer.Exit(1)


@events_app.command("export", epilog=_EXPORT_EPILOG)
def export_command(
    file: Annotated[Path, typer.Argument(help="Where to: .parquet or .jsonl.")],
    state: Annotated[str, typer.Option(help="sqlite:PATH of the state file.")],
    as_json: AsJson = False,
) -> None:
    """Export all user events to a file that can be imported again."""
    from mercato.events.write_events import write_events
    from mercato.state.store import open_state

    output = Output(as_json=as_json)
    with output.handle_errors():
        started = time.monotonic()
        store = open_state(state)
        with output.progress() as progress:
            total = store.event_sequence()
            count = write_events(file, store.export_events(), total=total, progress=progress)
        store.close()
        output.finish({"file": str(file), "events": count, "seconds": round(time.monotonic() - started, 1)})


@events_app.command("forget", epilog=_FORGET_EPILOG)
def forget_command(
    state: Annotated[str, typer.Option(help="sqlite:PATH of the state file, also beside a running server.")],
    user_id: Annotated[
        str, typer.Option(help="A user: all events signed in, and what the user's visitors did while nobody was.")
    ] = "",
    visitor_id: Annotated[str, typer.Option(help="A visitor: all events with this id.")] = "",
    as_json: AsJson = False,
) -> None:
    """Forget a person: take all events of a user or visitor out of a state file, ids included.

    Running servers answer without them from the next request on. What a snapshot has learned from everybody's events,
    in sums that name nobody, goes with the next `mercato index`; exported files and backups are yours to delete.
    """
    from mercato.state.store import open_state
    from mercato.state.values import Actor

    output = Output(as_json=as_json)
    with output.handle_errors():
        if not (user_id or visitor_id):
            raise InvalidInputError("--user-id", "or --visitor-id must be given, got neither", "say who it is")
        store = open_state(state)
        try:
            count = store.erase_events(Actor(user_id, visitor_id))
        finally:
            store.close()
        if not count:
            output.warn("there are no events of that id; nothing was taken out")
        output.finish({"events": count})


def import_file(
    file: Path,
    state: str | None,
    server: str | None,
    mapping: list[str],
    event_type: str | None,
    strict: bool,
    output: Output,
    *,
    without_times: bool = False,
) -> dict[str, Any]:
    """Do the work of `mercato events import`; returns what `--json` prints.

    Raises:
        MercatoError: the file, the state or the server cannot be used; with ``strict``, a row is bad.
    """
    from mercato.events.read_events import ReadReport, parse_event_mapping, read_events

    if state is not None and server is not None:
        raise InvalidInputError("--state", "must not be given together with --server", "choose one")
    started = time.monotonic()
    fields = parse_event_mapping(mapping)
    # One moment for both passes of --strict, so that they judge alike.
    now = time.time()
    report = ReadReport()

    def read() -> Iterator[EventBatch]:
        return read_events(
            file,
            mapping=fields,
            default_event_type=event_type,
            now=now,
            report=report,
            without_times=without_times,
        )

    if strict:
        for _ in read():
            pass
        _warn_of_rejected(file, report, output)
        if report.rejected:
            raise DataError(
                f"{file.name}: {report.rejected:,} of {report.rows:,} rows are bad and --strict was given, nothing was"
                " written; correct them or leave --strict out"
            )
        report = ReadReport()
    with output.progress() as show:

        def tell() -> None:
            show("events", report.rows, max(report.total or 0, report.rows))

        written = (
            _write_to_state(state, read(), tell)
            if state is not None
            else _write_to_server(server or DEFAULT_SERVER, read(), report, tell)
        )
    _warn_of_rejected(file, report, output)
    if report.ordered_by:
        what = "the order of the rows" if report.ordered_by == "rows" else "the column 'order'"
        output.warn(
            f"{file.name} has no times: {what} is kept; trends, new arrivals, what sold lately and the aging of"
            " histories are off for these events"
        )
    return {
        "file": str(file),
        "rows": report.rows,
        "ordered_by": report.ordered_by or "time",
        **written,
        "rejected": report.rejected,
        "rejected_by_field": dict(report.by_field),
        "errors": [{"line": row.position, "reason": row.reason} for row in report.shown],
        "seconds": round(time.monotonic() - started, 1),
    }


def _write_to_state(url: str, batches: Iterable[EventBatch], tell: Callable[[], None]) -> dict[str, int]:
    from mercato.state.store import open_state

    store = open_state(url)
    try:
        result = store.import_events(batches, on_batch=lambda _: tell())
    finally:
        store.close()
    return {"accepted": result.accepted, "duplicates": result.duplicates, "sequence": result.sequence}


def _write_to_server(
    server: str, batches: Iterable[EventBatch], report: ReadReport, tell: Callable[[], None]
) -> dict[str, Any]:
    """Send events to a server, which does not tell new ones from known ones."""
    from mercato_client import Client
    from mercato_client.errors import MercatoClientError

    from mercato.events.write_events import to_documents

    accepted = sequence = 0
    try:
        with Client(server) as client:
            for batch in batches:
                documents = to_documents(batch)
                for start in range(0, len(documents), EVENTS_PER_CALL):
                    answer = client.write_events(documents[start : start + EVENTS_PER_CALL])
                    accepted += answer.accepted
                    sequence = answer.sequence
                    for rejection in answer.rejected:
                        line = 0 if batch.lines is None else int(batch.lines[start + rejection.index])
                        report.reject(Rejected(line, f"refused by the server: {rejection.reason}"), "server")
                tell()
    except MercatoClientError as exc:
        raise ServerError(
            f"{exc}; {accepted:,} events were accepted before, importing the file again continues"
        ) from exc
    return {"accepted": accepted, "duplicates": 0, "sequence": sequence}


def _warn_of_rejected(file: Path, report: ReadReport, output: Output) -> None:
    for row in report.shown:
        output.warn(f"{file.name} line {row.position}: {row.reason}")
    if report.rejected > len(report.shown):
        kinds = ", ".join(f"{name} {count:,}" for name, count in report.by_field.most_common())
        output.warn(f"... {report.rejected:,} bad rows in all, by the field that is wrong first: {kinds}")
