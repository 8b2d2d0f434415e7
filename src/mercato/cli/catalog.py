"""`mercato catalog`: changes of products to a running server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from mercato.cli.output import Output
from mercato.errors import DataError, ServerError
from mercato.incoming import read_json_line

OPERATIONS_PER_CALL = 200  # as many new texts are encoded in one call
DEFAULT_SERVER = "127.0.0.1:8001"

catalog_app = typer.Typer(
    help="The catalogue: changing that of a server, cleaning that of a shop.", no_args_is_help=True
)

_EPILOG = (
    'Example: mercato catalog apply changes.jsonl, with lines such as {"operation": "patch", "product": {"id": "17",'
    ' "price": 4.5}}, {"operation": "upsert", "product": {"id": "18", "title": "Oat milk"}} and'
    ' {"operation": "delete", "id": "19"}'
)


# A group of one command only keeps the command's name if it has a callback.
@catalog_app.callback()
def _catalog() -> None:
    """Change the catalogue of a running server, or report on a snapshot."""


@catalog_app.command("apply", epilog=_EPILOG)
def apply_command(
    file: Annotated[Path, typer.Argument(help="JSON lines: one operation (upsert, patch, delete) a line.")],
    server: Annotated[str, typer.Option(help="HOST:PORT of the running server.")] = DEFAULT_SERVER,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Apply product changes, in the order of the file.

    A bad line is reported with its number and harms no other; the exit status is then 1.
    """
    output = Output(as_json=as_json)
    with output.handle_errors():
        result = apply_file(file, server, output)
        output.finish(result if as_json else {name: value for name, value in result.items() if name != "errors"})
    if result["rejected"]:
        raise typer.Exit(1)


def apply_file(file: Path, server: str, output: Output) -> dict[str, Any]:
    """Do the work of `mercato catalog apply`; returns what `--json` prints.

    Raises:
        DataError: the file cannot be read, or holds no operations.
        ServerError: the server cannot be reached or fails; what was applied before stays.
    """
    from mercato_client import Client
    from mercato_client.errors import MercatoClientError

    started = time.monotonic()
    total = _count_lines(file)
    accepted = sequence = applied_to = 0
    errors: list[dict[str, Any]] = []
    try:
        with Client(server) as client, output.progress() as show:
            for lines, operations, bad in _read_operations(file):
                errors.extend(bad)
                if operations:
                    answer = client.write_catalog(operations)
                    accepted += answer.accepted
                    sequence = answer.sequence
                    errors.extend(
                        {"line": lines[rejection.index], "reason": rejection.reason} for rejection in answer.rejected
                    )
                    applied_to = lines[-1]
                    show("lines", min(applied_to, total), total)
    except MercatoClientError as exc:
        raise ServerError(f"{exc}; {file.name} was applied up to line {applied_to}, go on from there") from exc
    if not accepted and not errors:
        raise DataError(f"{file.name} holds no operations; it needs one JSON object a line")
    errors.sort(key=lambda error: error["line"])
    for error in errors:
        output.warn(f"{file.name} line {error['line']}: {error['reason']}")
    return {
        "file": str(file),
        "accepted": accepted,
        "rejected": len(errors),
        "errors": errors,
        "sequence": sequence,
        "seconds": round(time.monotonic() - started, 1),
    }


def _count_lines(file: Path) -> int:
    try:
        with file.open("rb") as lines:
            return sum(1 for _ in lines)
    except OSError as exc:
        raise DataError(f"{file} cannot be read: {exc.strerror or exc}") from exc


def _read_operations(file: Path) -> Iterator[tuple[list[int], list[Any], list[dict[str, Any]]]]:
    """Read line numbers and operations, call by call, with the lines that are no JSON objects."""
    lines: list[int] = []
    operations: list[Any] = []
    bad: list[dict[str, Any]] = []
    with file.open("rb") as raw_lines:
        for line, raw in enumerate(raw_lines, 1):
            operation = read_json_line(raw, line)
            if operation is None:
                continue
            if isinstance(operation, str):
                bad.append({"line": line, "reason": operation})
                continue
            lines.append(line)
            operations.append(operation)
            if len(operations) == OPERATIONS_PER_CALL:
                yield lines, operations, bad
                lines, operations, bad = [], [], []
    if operations or bad:
        yield lines, operations, bad
