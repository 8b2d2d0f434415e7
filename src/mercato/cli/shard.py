"""``mercato shard``: a catalogue for several servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mercato.cli.output import Output

EPILOG = (
    "Example: mercato shard var/demo/catalog --shards 3 --out var/demo/shards, then serve var/demo/shards/1, /2 and /3 "
    "and var/demo/shards/router with --shards HOST:PORT,HOST:PORT,HOST:PORT"
)


def shard(
    catalog: Annotated[Path, typer.Argument(help="Snapshot that `mercato index` made.")],
    out: Annotated[Path, typer.Option(help="Folder to make, for the shards and the router.")],
    shards: Annotated[int, typer.Option(help="How many shards.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Cut a catalogue into shards, each for a server of its own, and what the router opens that asks them."""
    output = Output(as_json=as_json)
    with output.handle_errors():
        from mercato.shards.cut import ROUTER, cut_snapshot

        counts = cut_snapshot(catalog, out, shards)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "router": ROUTER, "products": counts}))
        return
    for number, count in enumerate(counts, start=1):
        output.console.print(f"{out / str(number)}: {count:,} products")
    output.console.print(f"{out / ROUTER}: for the router")
