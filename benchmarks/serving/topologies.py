"""One process or a Triton model for each stage: profile `cpu` beside profile `cpu-bls`, in turn, on the same store.

.venv/bin/python -m benchmarks topologies
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from typing import Any

from rich.console import Console

from benchmarks.harness.command import run_command
from benchmarks.harness.record import write_record
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
from benchmarks.serving.server_usage import read_memory
from benchmarks.serving.serving_load import CONCURRENCIES, ServerMeter, merge_rounds
from mercato.bench.perf_analyzer import PerfLoad

NEEDS = "the demo store"
PROFILES = ("cpu", "cpu-bls")


def measure_in_turn(meters: dict[str, ServerMeter], rounds: int, window_s: float) -> dict[str, Any]:
    """Measure all servers with each load before the next load, so that the machine's mood meets all of them.

    Returns:
        model -> load -> profile -> figures over all rounds.
    """
    collected: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for _ in range(rounds):
        for model in WORKLOADS:
            for concurrency in CONCURRENCIES:
                for profile, meter in meters.items():
                    load = PerfLoad(model=model, concurrency=concurrency, window_s=window_s)
                    collected[model, f"concurrency_{concurrency}", profile].append(meter.measure(load))
    result: dict[str, Any] = {}
    for (model, name, profile), figures in collected.items():
        result.setdefault(model, {}).setdefault(name, {})[profile] = merge_rounds(figures)
    return result


def main(
    catalog: CatalogOption = CATALOG,
    state: StateOption = STATE,
    encoder: EncoderOption = ENCODER,
    ranker: RankerOption = RANKER,
    rounds: RoundsOption = 3,
    window_s: WindowOption = 2.0,
) -> None:
    """Serve the demo store with both profiles at once and load one after the other."""
    console = Console()
    store = Store(catalog=catalog, state=state, encoder=encoder, ranker=ranker)
    generator = find_load_generator()
    with ExitStack() as stack:
        meters = {}
        for profile in PROFILES:
            server = stack.enter_context(store.serve(profile))
            meters[profile] = ServerMeter(generator, server.grpc_address, server.pid)
        for meter in meters.values():
            meter.warm_up()
        models = measure_in_turn(meters, rounds, window_s)
        memory = {profile: read_memory(meter.pid) for profile, meter in meters.items()}
    for model, loads in models.items():
        for name, profiles in loads.items():
            for profile, reached in profiles.items():
                shown = {
                    key: reached[key]["median"] for key in ("queries_per_s", "p50_ms", "p99_ms", "cpu_ms_per_query")
                }
                console.print(f"{model} {name} {profile}: {shown}")
    figures = {"load_generator": generator.version, "rounds": rounds, "models": models, "memory": memory}
    console.print(f"written: {write_record('topologies', figures).name}")


if __name__ == "__main__":
    run_command(main)
