"""A server beside one process without a server: the same stages with the same index, in turn, in the same run.

    .venv/bin/python -m benchmarks one_process

The server gets 32 requests at once from perf_analyzer, which shares its cores; the one process makes its own batches
of 32. The ratio of their queries per second says what serving costs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import REPOSITORY, summarize, write_record
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
from benchmarks.serving.serving_load import ServerMeter, merge_rounds
from mercato.bench.perf_analyzer import Inputs, PerfLoad
from mercato.pipeline.factory import build_pipeline
from mercato.requests.page import Fields, parse_recommend, parse_search
from mercato.settings import Settings

NEEDS = "the demo store"
BATCH = 32
THREADS = (1, 2)
WARM_UP_BATCHES = 8
WORKER_TIME_LIMIT_S = 300
PARSERS = {"search": parse_search, "recommend": parse_recommend}

RunBatch = Callable[[Sequence[Inputs]], object]
"""Answers a batch of requests."""


def encode_fields(request: Inputs) -> Fields:
    """Return a request as the server's adapter hands it on: texts as bytes."""
    return {name: value.encode() if isinstance(value, str) else value for name, value in request.items()}


def make_run_batch(model: str, settings: Settings) -> RunBatch:
    """Build the pipeline that the server's model runs, and return what answers a batch with it.

    Raises:
        BenchmarkError: it answers a request with an error; figures of errors would mean nothing.
    """
    pipeline = build_pipeline(settings)
    parse = PARSERS[model]

    def run_batch(requests: Sequence[Inputs]) -> None:
        for answer in pipeline.answer([parse(encode_fields(request)) for request in requests]):
            if isinstance(answer, Exception):
                raise BenchmarkError(f"{model}: a request of the workload failed: {answer}") from answer

    return run_batch


def run_batches(run_batch: RunBatch, requests: Sequence[Inputs], first: int, until: Callable[[], bool]) -> int:
    """Answer batches of the requests, in turn and from the first again after the last, until told to end.

    Args:
        run_batch: answers a batch.
        requests: the requests.
        first: where in ``requests`` to begin.
        until: asked before each batch; True ends.

    Returns:
        How many requests were answered.
    """
    answered, index = 0, first
    while not until():
        run_batch([requests[(index + offset) % len(requests)] for offset in range(BATCH)])
        index += BATCH
        answered += BATCH
    return answered


def measure_threads(runners: Sequence[RunBatch], requests: Sequence[Inputs], seconds: float) -> dict[str, float]:
    """Let one thread per runner answer batches for some time.

    Args:
        runners: one for each thread, with objects of its own.
        requests: the requests; each thread begins at another.
        seconds: for how long.

    Returns:
        ``queries_per_s`` of all threads together, and ``cpu_ms_per_query`` of this process.
    """
    answered = [0] * len(runners)
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            first = number * len(requests) // len(runners)
            answered[number] = run_batches(runners[number], requests, first, lambda: time.perf_counter() >= end)
        except Exception as exc:  # raised again below, in the thread that can report it
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(runners))]
    cpu_start, start = time.process_time(), time.perf_counter()
    end = start + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    if failures:
        raise failures[0]
    queries = sum(answered)
    return {"queries_per_s": round(queries / wall_s, 1), "cpu_ms_per_query": round(1000 * cpu_s / queries, 3)}


def work_once(model: str, settings: Settings, seconds: float) -> dict[str, dict[str, float]]:
    """Measure one model in this process with one thread and with two; threads -> figures."""
    requests = WORKLOADS[model]()
    runners = [make_run_batch(model, settings) for _ in range(max(THREADS))]
    for runner in runners:
        for number in range(WARM_UP_BATCHES):
            runner([requests[(number * BATCH + offset) % len(requests)] for offset in range(BATCH)])
    return {f"threads_{count}": measure_threads(runners[:count], requests, seconds) for count in THREADS}


def measure_in_fresh_process(model: str, settings: Settings, seconds: float) -> dict[str, dict[str, float]]:
    """Do `work_once` in a process of its own, with the numeric libraries' threads limited as in the server's stubs.

    Raises:
        BenchmarkError: the process failed; the end of its output is in the message.
    """
    arguments = json.dumps({"model": model, "settings": settings.model_dump(mode="json"), "seconds": seconds})
    limits = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    answer = subprocess.run(
        [sys.executable, "-c", f"from benchmarks.serving.one_process import work; work({arguments!r})"],
        cwd=REPOSITORY,
        env={**os.environ, **limits},
        capture_output=True,
        text=True,
        timeout=WORKER_TIME_LIMIT_S,
    )
    if answer.returncode != 0:
        raise BenchmarkError(f"one process: {model}: {answer.stderr.strip()[-2000:]}")
    figures: dict[str, dict[str, float]] = json.loads(answer.stdout.splitlines()[-1])
    return figures


def work(arguments: str) -> None:
    """Be the process that `measure_in_fresh_process` starts; write the figures as JSON to standard output."""
    given = json.loads(arguments)
    figures = work_once(given["model"], Settings(**given["settings"]), given["seconds"])
    sys.stdout.write(json.dumps(figures) + "\n")


def compare(server: Sequence[float], one_process: dict[str, Sequence[float]]) -> dict[str, Any]:
    """Compare queries per second over all rounds.

    Args:
        server: the server's, one per round.
        one_process: number of threads -> those of the one process.

    Returns:
        Ratio of medians, to each number of threads and to the better of them.
    """
    of_server = summarize(server)["median"]
    ratios = {name: round(of_server / summarize(rates)["median"], 3) for name, rates in one_process.items()}
    return {**{f"to_{name}": ratio for name, ratio in ratios.items()}, "to_the_better": min(ratios.values())}


def compare_cpu(server: Sequence[float], one_process: Sequence[float]) -> float:
    """Return how many times the CPU time of the one process a query costs behind the server: ratio of medians.

    The load generator's own time is in neither. Where others use the machine, a server of several processes gets more
    of it than one process does, and the queries per second flatter the server; this ratio does not.
    """
    return float(round(summarize(server, digits=3)["median"] / summarize(one_process, digits=3)["median"], 3))


def measure_in_turn(meter: ServerMeter, settings: Settings, rounds: int, window_s: float) -> dict[str, Any]:
    """Measure the server and the one process with each model, round after round; model -> figures."""
    servers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    processes: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        for model in WORKLOADS:
            servers[model].append(meter.measure(PerfLoad(model=model, concurrency=BATCH, window_s=window_s)))
            for name, figures in measure_in_fresh_process(model, settings, 2 * window_s).items():
                processes[model][name].append(figures)
    return {
        model: {
            "server": merge_rounds(servers[model]),
            "one_process": {
                name: {key: summarize([figures[key] for figures in taken]) for key in taken[0]}
                for name, taken in processes[model].items()
            },
            "ratio_of_queries_per_s": compare(
                [figures["queries_per_s"] for figures in servers[model]],
                {name: [figures["queries_per_s"] for figures in taken] for name, taken in processes[model].items()},
            ),
            "ratio_of_cpu_ms_per_query": compare_cpu(
                [figures["cpu_ms_per_query"] for figures in servers[model]],
                [figures["cpu_ms_per_query"] for figures in processes[model]["threads_1"]],
            ),
        }
        for model in WORKLOADS
    }


def main(
    catalog: CatalogOption = CATALOG,
    state: StateOption = STATE,
    encoder: EncoderOption = ENCODER,
    ranker: RankerOption = RANKER,
    rounds: RoundsOption = 3,
    window_s: WindowOption = 2.0,
) -> None:
    """Measure the demo store's stages behind a server and without one."""
    console = Console()
    store = Store(catalog=catalog, state=state, encoder=encoder, ranker=ranker)
    generator = find_load_generator()
    with store.serve() as server:
        meter = ServerMeter(generator, server.grpc_address, server.pid)
        meter.warm_up()
        models = measure_in_turn(meter, store.settings, rounds, window_s)
    for model, figures in models.items():
        reached = {key: figures["server"][key]["median"] for key in ("queries_per_s", "cpu_ms_per_query", "mean_batch")}
        console.print(f"{model} server, {BATCH} at once: {reached}")
        for name, taken in figures["one_process"].items():
            console.print(f"{model} one process, {name}: { {key: value['median'] for key, value in taken.items()} }")
        console.print(f"{model} ratio of queries per second: {figures['ratio_of_queries_per_s']}")
        console.print(f"{model} ratio of CPU time per query: {figures['ratio_of_cpu_ms_per_query']}")
    record = {"load_generator": generator.version, "batch": BATCH, "rounds": rounds, "models": models}
    console.print(f"written: {write_record('one_process', record).name}")


if __name__ == "__main__":
    run_command(main)
