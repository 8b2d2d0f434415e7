"""Load by perf_analyzer with real queries: closed loop at a concurrency, or open loop at a rate.

.venv/bin/python -m benchmarks perf --server 127.0.0.1:8001 --model search --concurrency 32
.venv/bin/python -m benchmarks perf --server 127.0.0.1:8001 --model search --request-rate 200
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from benchmarks.harness.command import run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.workload import WORKLOADS
from benchmarks.serving.load_generator import find_load_generator
from mercato.bench.perf_analyzer import PerfLoad, run_load

NEEDS = "a running server"


def main(
    server: Annotated[str, typer.Option(help="gRPC address of a running server")] = "127.0.0.1:8001",
    model: Annotated[str, typer.Option(help=f"one of {', '.join(WORKLOADS)}")] = "search",
    concurrency: Annotated[list[int] | None, typer.Option(help="closed loop; can be repeated")] = None,
    request_rate: Annotated[list[float] | None, typer.Option(help="open loop, Poisson; can be repeated")] = None,
    window_s: Annotated[float, typer.Option(help="length of a measurement window")] = 2.5,
) -> None:
    """Measure one model of a running server over the demo store's queries."""
    if model not in WORKLOADS:
        raise typer.BadParameter(f"must be one of {', '.join(WORKLOADS)}, given {model!r}", param_hint="--model")
    loads = [PerfLoad(model=model, request_rate=rate, window_s=window_s) for rate in request_rate or []]
    if not loads or concurrency:
        loads += [PerfLoad(model=model, concurrency=number, window_s=window_s) for number in concurrency or [1, 32]]
    console = Console()
    generator, requests = find_load_generator(), WORKLOADS[model]()
    figures = []
    for load in loads:
        reached = {
            "concurrency": load.concurrency,
            "request_rate_per_s": load.request_rate,
            **run_load(generator, server, load, requests).as_json(),
        }
        console.print(reached)
        figures.append(reached)
    path = write_record(f"perf-{model}", {"model": model, "load_generator": generator.version, "loads": figures})
    console.print(f"written: {path.name}")


if __name__ == "__main__":
    run_command(main)
