"""`search` and `recommend` of a real server, one at a time and 32 at once, with CPU time and memory of its processes.

.venv/bin/python -m benchmarks serving_load                              serves the demo store itself
.venv/bin/python -m benchmarks serving_load --server 127.0.0.1:8001      measures a server of this machine
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import tritonclient.grpc as triton
import typer
from rich.console import Console

from benchmarks.harness.command import run_command
from benchmarks.harness.record import summarize, write_record
from benchmarks.harness.store import (
    CATALOG,
    ENCODER,
    RANKER,
    STATE,
    CatalogOption,
    EncoderOption,
    RankerOption,
    RoundsOption,
    StateOption,
    Store,
    WindowOption,
)
from benchmarks.harness.workload import WORKLOADS
from benchmarks.serving.load_generator import find_load_generator
from benchmarks.serving.server_usage import compare_usage, find_server, read_memory, read_usage
from mercato.bench.perf_analyzer import LoadGenerator, PerfLoad, run_load

NEEDS = "the demo store"
CONCURRENCIES = (1, 32)
OPEN_LOOP_SHARE = 0.5  # of what the closed loop at 32 reached: latency at a load the server can carry


class ServerMeter:
    """Measures the models of one running server."""

    def __init__(self, generator: LoadGenerator, address: str, pid: int | None = None) -> None:
        """Connect to a server of this machine.

        Args:
            generator: makes the load.
            address: gRPC address, ``HOST:PORT``.
            pid: the ``tritonserver`` process; found by its port where not given.
        """
        self._generator = generator
        self._address = address
        self._client = triton.InferenceServerClient(address)
        self.pid = find_server(address) if pid is None else pid

    def measure(self, load: PerfLoad) -> dict[str, Any]:
        """Run a load; return its figures with the CPU time and batch size of the server meanwhile."""
        before = read_usage(self._client, self.pid, load.model)
        figures = run_load(self._generator, self._address, load, WORKLOADS[load.model]())
        after = read_usage(self._client, self.pid, load.model)
        return {**figures.as_json(), **compare_usage(before, after)}

    def warm_up(self) -> None:
        """Let every process of every model touch what it maps, before anything is counted."""
        for model in WORKLOADS:
            self.measure(PerfLoad(model=model, concurrency=8, window_s=0.7, stability_percent=10_000))


def merge_rounds(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return each figure's median, range and rounds."""
    merged: dict[str, Any] = {
        name: summarize([figures[name] for figures in rounds]) for name in rounds[0] if name != "settled"
    }
    return {**merged, "settled": [figures["settled"] for figures in rounds]}


def measure_models(meter: ServerMeter, rounds: int, window_s: float) -> dict[str, Any]:
    """Measure each model at each concurrency, in turn, and then at half its greatest rate with Poisson arrivals.

    Returns:
        model -> ``concurrency_1``, ``concurrency_32``, ``open_loop`` -> figures over all rounds.
    """
    collected: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for _ in range(rounds):
        for model in WORKLOADS:
            for concurrency in CONCURRENCIES:
                load = PerfLoad(model=model, concurrency=concurrency, window_s=window_s)
                collected[model, f"concurrency_{concurrency}"].append(meter.measure(load))
    result: dict[str, Any] = defaultdict(dict)
    for (model, name), figures in collected.items():
        result[model][name] = merge_rounds(figures)
    for model in WORKLOADS:
        rate = OPEN_LOOP_SHARE * result[model][f"concurrency_{CONCURRENCIES[-1]}"]["queries_per_s"]["median"]
        load = PerfLoad(model=model, request_rate=round(rate, 1), window_s=window_s)
        result[model]["open_loop"] = {"request_rate_per_s": load.request_rate, **meter.measure(load)}
    return dict(result)


@contextmanager
def open_meter(
    server: str | None, store: Store, generator: LoadGenerator
) -> Iterator[tuple[ServerMeter, float | None]]:
    """Give a meter of the server at an address, or of one that is started for it.

    Returns:
        The meter, and the seconds the server took until every model answered; None for one that ran already.
    """
    if server is not None:
        yield ServerMeter(generator, server), None
        return
    with store.serve() as started:
        yield ServerMeter(generator, started.grpc_address, started.pid), started.ready_s


def main(
    server: Annotated[str | None, typer.Option(help="gRPC address of a server of this machine")] = None,
    catalog: CatalogOption = CATALOG,
    state: StateOption = STATE,
    encoder: EncoderOption = ENCODER,
    ranker: RankerOption = RANKER,
    rounds: RoundsOption = 3,
    window_s: WindowOption = 2.0,
) -> None:
    """Measure `search` and `recommend` over the demo store's queries and households."""
    console = Console()
    store = Store(catalog=catalog, state=state, encoder=encoder, ranker=ranker)
    generator = find_load_generator()
    with open_meter(server, store, generator) as (meter, ready_s):
        idle = read_memory(meter.pid)
        meter.warm_up()
        models = measure_models(meter, rounds, window_s)
        figures = {
            "load_generator": generator.version,
            "rounds": rounds,
            "ready_s": None if ready_s is None else round(ready_s, 2),
            "models": models,
            "memory_after_start": idle,
            "memory_after_load": read_memory(meter.pid),
        }
    for model, loads in models.items():
        for name, reached in loads.items():
            values = {key: value["median"] if isinstance(value, dict) else value for key, value in reached.items()}
            console.print(f"{model} {name}: {values}")
    console.print(f"memory after load: {figures['memory_after_load']}")
    console.print(f"written: {write_record('serving_load', figures).name}")


if __name__ == "__main__":
    run_command(main)
