"""Two servers of this machine beside each other, in turn: what a query costs before a change and after it.

    mercato serve --catalog var/demo/catalog --state sqlite:var/demo/state.db --port 8101 ...     of each version
    .venv/bin/python -m benchmarks versions --before 127.0.0.1:8101 --after 127.0.0.1:8201

Each round loads both with the same requests, 32 at once, the first of the two by turns. The ratio of CPU time a query,
of all processes of a server, is taken within a round, so that what else the machine does meets both.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.harness.command import run_command
from benchmarks.harness.record import summarize, write_record
from benchmarks.harness.store import RoundsOption, WindowOption
from benchmarks.harness.workload import WORKLOADS
from benchmarks.serving.load_generator import find_load_generator
from benchmarks.serving.serving_load import ServerMeter
from mercato.bench.perf_analyzer import PerfLoad

NEEDS = "two servers"
FIGURES = ("cpu_ms_per_query", "queries_per_s", "p50_ms", "p99_ms")


def measure_rounds(
    before: ServerMeter, after: ServerMeter, *, rounds: int, concurrency: int, window_s: float
) -> dict[str, Any]:
    """Load both servers in turn.

    Returns:
        model -> figures of ``before`` and ``after`` over all rounds, and ``ratio`` of their CPU time a query.
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for turn in range(rounds):
        for model in WORKLOADS:
            pair = [("before", before), ("after", after)]
            for name, meter in pair if turn % 2 == 0 else reversed(pair):
                load = PerfLoad(model=model, concurrency=concurrency, window_s=window_s)
                found.setdefault(model, defaultdict(list))[name].append(meter.measure(load))
    result: dict[str, Any] = {}
    for model, sides in found.items():
        ratios = [
            new["cpu_ms_per_query"] / old["cpu_ms_per_query"]
            for old, new in zip(sides["before"], sides["after"], strict=True)
        ]
        result[model] = {
            name: {figure: summarize([one[figure] for one in values]) for figure in FIGURES}
            for name, values in sides.items()
        }
        result[model]["ratio"] = summarize(ratios, 3)
    return result


def main(
    before: Annotated[str, typer.Option(help="gRPC address of the server of the version before")],
    after: Annotated[str, typer.Option(help="gRPC address of the server of the version after")],
    rounds: RoundsOption = 7,
    window_s: WindowOption = 2.0,
    concurrency: Annotated[int, typer.Option(min=1, help="requests in flight")] = 32,
) -> None:
    """Measure two servers of the demo store in turn."""
    console = Console()
    generator = find_load_generator()
    meters = [ServerMeter(generator, address) for address in (before, after)]
    for meter in meters:
        meter.warm_up()
    models = measure_rounds(*meters, rounds=rounds, concurrency=concurrency, window_s=window_s)
    for model, sides in models.items():
        console.print(
            f"{model}: CPU {sides['before']['cpu_ms_per_query']['median']} ms a query before, "
            f"{sides['after']['cpu_ms_per_query']['median']} after, ratio {sides['ratio']}"
        )
    figures = {"concurrency": concurrency, "rounds": rounds, "models": models}
    console.print(f"written: {write_record('versions', figures).name}")


if __name__ == "__main__":
    run_command(main)
