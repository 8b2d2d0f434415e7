"""All benchmarks over the demo store, one after the other: what `make bench` runs.

.venv/bin/python -m benchmarks
.venv/bin/python -m benchmarks retrieval topologies
"""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.record import REPOSITORY

NAMES = (
    "retrieval",
    "serving_load",
    "one_process",
    "topologies",
    "explanations",
    "search_features",
    "recommend_latency",
)
ON_DATA = ("icecat", "online_retail", "search_latency")
"""On the evaluation data beside the checkout: run by name, with options as ``python -m benchmarks.icecat``."""


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"some of {', '.join((*NAMES, *ON_DATA))}; {', '.join(NAMES)} without")
    ] = None,
) -> None:
    """Run benchmarks, each in a process of its own; results go to benchmarks/results/."""
    unknown = sorted(set(names or []) - {*NAMES, *ON_DATA})
    if unknown:
        raise typer.BadParameter(f"must be some of {', '.join((*NAMES, *ON_DATA))}, given {', '.join(unknown)}")
    console = Console()
    failed = []
    for name in names or NAMES:
        console.rule(name)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=REPOSITORY).returncode != 0:
            failed.append(name)
    if failed:
        console.print(f"failed: {', '.join(failed)}")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
