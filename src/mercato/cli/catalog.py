"""`mercato catalog`: changes of products, to a running server or straight into its state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mercato.cli.output import Output
from mercato.errors import DataError, InvalidInputError, ModelError, ServerError, SnapshotError, StateError

if TYPE_CHECKING:
    from mercato.incoming import WriteResult

DEFAULT_SERVER = "127.0.0.1:8001"
_SHOWN_ERRORS = 20

catalog_app = typer.Typer(help="The catalogue: change its products, find what to clean.", no_args_is_help=True)

_EPILOG = (
    "Example: mercato catalog apply prices.csv --map id=sku --map price=net --state sqlite:state.db, or mercato catalog"
    ' apply changes.jsonl, with lines such as {"operation": "patch", "product": {"id": "17", "price": 4.5}},'
    ' {"operation": "upsert", "product": {"id": "18", "title": "Oat milk"}} and {"operation": "delete", "id": "19"}'
)


# A group of one command only keeps the command's name if it has a callback.
@catalog_app.callback()
def _catalog() -> None:
    """Change the products of a catalogue, or report on it."""


@catalog_app.command("apply", epilog=_EPILOG)
def apply_command(
    file: Annotated[
        Path, typer.Argument(help="A table (.csv, .tsv, .parquet, .jsonl) of ids and columns, or .jsonl of operations.")
    ],
    state: Annotated[
        str | None, typer.Option(help="sqlite:PATH: write straight into a state file, also beside a running server.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help=f"HOST:PORT of a running server; {DEFAULT_SERVER} where --state is not given.")
    ] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="FIELD=COLUMN of a table, repeatable, such as price=net.")
    ] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="With --state: the snapshot served; the one last indexed with it without.")
    ] = None,
    encoder: Annotated[Path, typer.Option(help="With --state: the exported encoder, opened if a text changes.")] = Path(
        "var/models/encoder"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Apply product changes, in the order of the file.

    Of a table each row changes the columns it has a value of, and no others; what is the same already is not written. A
    bad line is reported with its number and harms no other; the exit status is then 1. A file can be applied again.
    """
    output = Output(as_json=as_json)
    with output.handle_errors():
        result = apply_file(file, state, server, mapping or [], catalog, encoder, output)
        output.finish(result if as_json else {name: value for name, value in result.items() if name != "errors"})
    if result["rejected"] or not result["accepted"]:
        raise typer.Exit(1)


def apply_file(
    file: Path,
    state: str | None,
    server: str | None,
    mapping: list[str],
    catalog: Path | None,
    encoder: Path,
    output: Output,
) -> dict[str, Any]:
    """Do the work of `mercato catalog apply`; returns what `--json` prints.

    Raises:
        DataError: the file cannot be read, or holds no changes.
        InvalidInputError: options that exclude each other.
        MercatoError: the server cannot be reached or fails, or state cannot be written; what was applied before stays.
    """
    from mercato.catalog.map_arguments import parse_mapping
    from mercato.ingest.catalog import NO_PRODUCT
    from mercato.ingest.change_file import ChangeFile

    if state is not None and server is not None:
        raise InvalidInputError("--state", "must not be given together with --server", "leave one of them out")
    started = time.monotonic()
    changes = ChangeFile(file, parse_mapping(mapping))
    if changes.left_out:
        output.say(f"{file.name}: left out: {', '.join(changes.left_out)} (--map attributes.NAME=COLUMN takes one)")
    accepted = unchanged = unknown = sequence = applied_to = 0
    errors: list[dict[str, Any]] = []
    connect = _state_writer(state, catalog, encoder) if state is not None else _server_writer(server or DEFAULT_SERVER)
    try:
        with connect as write, output.progress() as show:
            for call in changes.calls():
                errors.extend({"line": bad.position, "reason": bad.reason} for bad in call.bad)
                if not call.operations:
                    continue
                answer = write(call.operations)
                accepted += answer.accepted
                unchanged += answer.unchanged
                sequence = answer.sequence
                for rejection in answer.rejected:
                    missing = changes.table and rejection.reason.startswith(f"id: {NO_PRODUCT}")
                    unknown += missing
                    reason = rejection.reason.partition(" to patch;")[0] if missing else rejection.reason
                    errors.append({"line": call.lines[rejection.position], "reason": reason})
                applied_to = call.lines[-1]
                show("lines", min(applied_to, changes.total or applied_to), changes.total or applied_to)
    except (ServerError, StateError, ModelError, SnapshotError) as exc:
        if not applied_to:
            raise
        raise type(exc)(f"{exc}; {file.name} was applied up to line {applied_to}, go on from there") from exc
    if not accepted and not errors:
        need = "it needs a row for each product" if changes.table else "it needs one JSON object a line"
        raise DataError(f"{file.name} holds no operations; {need}")
    errors.sort(key=lambda error: error["line"])
    _warn(file, errors, output)
    return {
        "file": str(file),
        "accepted": accepted,
        **({"changed": accepted - unchanged, "unchanged": unchanged, "unknown": unknown} if changes.table else {}),
        "rejected": len(errors) - unknown,
        "errors": errors,
        "sequence": sequence,
        "seconds": round(time.monotonic() - started, 1),
    }


def _warn(file: Path, errors: Sequence[dict[str, Any]], output: Output) -> None:
    for error in errors[:_SHOWN_ERRORS]:
        output.warn(f"{file.name} line {error['line']}: {error['reason']}")
    if len(errors) > _SHOWN_ERRORS:
        output.warn(f"... and {len(errors) - _SHOWN_ERRORS:,} more lines (all of them with --json)")


@contextmanager
def _server_writer(address: str) -> Iterator[Callable[[list[dict[str, Any]]], WriteResult]]:
    from mercato_client import Client
    from mercato_client.errors import MercatoClientError

    from mercato.incoming import Rejected, WriteResult

    with Client(address) as client:

        def write(operations: list[dict[str, Any]]) -> WriteResult:
            try:
                answer = client.write_catalog(operations)
            except MercatoClientError as exc:
                raise ServerError(str(exc)) from exc
            rejected = [Rejected(item.index, item.reason) for item in answer.rejected]
            return WriteResult(
                accepted=answer.accepted, unchanged=answer.unchanged, rejected=rejected, sequence=answer.sequence
            )

        yield write


@contextmanager
def _state_writer(
    url: str, catalog: Path | None, encoder: Path
) -> Iterator[Callable[[list[dict[str, Any]]], WriteResult]]:
    from mercato.ingest.offline import open_offline_writer

    with open_offline_writer(url, catalog, encoder) as write:
        yield write
