"""``mercato doctor``: what this machine can run, and what is missing."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mercato.cli.serve import RANKER_BESIDE
from mercato.serving.ports import Ports
from mercato.settings import DEFAULT_ENCODER, DEFAULT_HOST

if TYPE_CHECKING:
    from mercato.serving.diagnosis import Finding

COLOURS = {"ok": "green", "absent": "dim", "warning": "yellow", "blocking": "bold red"}


def doctor(
    encoder: Annotated[Path, typer.Option(help="Exported encoder to look at.")] = DEFAULT_ENCODER,
    ranker: Annotated[Path | None, typer.Option(help="Exported ranker to look at; that beside the catalogue.")] = None,
    catalog: Annotated[Path | None, typer.Option(help="Catalogue snapshot to verify, checksums included.")] = None,
    host: Annotated[str, typer.Option(help="Address the server would listen on.")] = DEFAULT_HOST,
    port: Annotated[int, typer.Option(help="gRPC port it would use.")] = Ports.grpc,
    http_port: Annotated[int, typer.Option(help="HTTP port it would use.")] = Ports.http,
    metrics_port: Annotated[int, typer.Option(help="Metrics port it would use.")] = Ports.metrics,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Say what this machine can run and what is missing; exit status 1 when it cannot serve at all.

    Example: mercato doctor --catalog var/demo/catalog
    """
    # Imported here: `mercato --help` needs none of it.
    from mercato.serving.diagnosis import can_serve, diagnose

    ports = Ports(grpc=port, http=http_port, metrics=metrics_port)
    if ranker is None:
        ranker = (catalog.parent if catalog is not None else Path("var/demo")) / RANKER_BESIDE
    findings = diagnose(encoder=encoder, ranker=ranker, catalog=catalog, host=host, ports=ports)
    if as_json:
        typer.echo(json.dumps(describe(findings)))
    else:
        show(Console(), findings)
    if not can_serve(findings):
        raise typer.Exit(1)


def describe(findings: "list[Finding]") -> dict[str, Any]:
    """Describe findings as JSON values.

    Args:
        findings: what was looked at.

    Returns:
        ``can_serve``, and ``findings`` with ``name``, ``status``, ``detail`` and ``remedy`` each.
    """
    from mercato.serving.diagnosis import can_serve

    listed = [
        {"name": one.name, "status": one.status.value, "detail": one.detail, "remedy": one.remedy} for one in findings
    ]
    return {"can_serve": can_serve(findings), "findings": listed}


def show(console: Console, findings: "list[Finding]") -> None:
    """Show findings to a person.

    Args:
        console: where to print.
        findings: what was looked at.
    """
    from mercato.serving.diagnosis import can_serve

    table = Table("", "status", title="mercato doctor", title_justify="left")
    for heading in ("found", "what to do"):
        # Paths and commands are to be copied: wrapped, never cut.
        table.add_column(heading, overflow="fold")
    for finding in findings:
        status = finding.status.value
        colour = COLOURS[status]
        table.add_row(
            escape(finding.name),
            f"[{colour}]{status}[/{colour}]",
            escape(finding.detail),
            escape(finding.remedy),
        )
    console.print(table)
    if can_serve(findings):
        console.print("This machine can serve.")
    else:
        console.print("This machine cannot serve until what is [bold red]blocking[/bold red] is mended.")
