"""What explanations cost: the same requests with and without them, in turn, in one process.

    .venv/bin/python -m benchmarks explanations

CPU time is given besides the time that passed: on a machine that others use it is the steadier of the two.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import (
    CATALOG,
    ENCODER,
    RANKER,
    STATE,
    CatalogOption,
    EncoderOption,
    RankerOption,
    StateOption,
    Store,
)
from benchmarks.harness.workload import list_households, list_queries
from benchmarks.serving.one_process import PARSERS, encode_fields
from mercato.bench.perf_analyzer import Inputs
from mercato.pipeline.answer import Answer
from mercato.pipeline.factory import build_pipeline
from mercato.pipeline.pipeline import Pipeline

NEEDS = "the demo store"
WARM_UP = 10
OPTIONS = {"without": {}, "with": {"explain": True}}

Kind = Callable[[int], tuple[str, Inputs]]
"""From a number to a model and one of its requests."""


def list_kinds() -> Mapping[str, Kind]:
    """Return the kinds of requests that are measured, by name."""
    queries, households = list_queries(), list_households()

    def query(number: int) -> str:
        return queries[number % len(queries)]

    def household(number: int) -> str:
        return households[number % len(households)]

    return {
        "search": lambda number: ("search", {"QUERY": query(number)}),
        "search of a household": lambda number: ("search", {"QUERY": query(number), "USER_ID": household(number)}),
        "home page of a household": lambda number: (
            "recommend",
            {"PLACEMENT": "home-page", "USER_ID": household(number)},
        ),
        "home page of nobody": lambda number: ("recommend", {"PLACEMENT": "home-page"}),
    }


def measure(pipeline: Pipeline, kind: Kind, requests: int) -> dict[str, dict[str, float]]:
    """Answer requests one at a time, each with and without explanations.

    Args:
        pipeline: answers them.
        kind: what is asked.
        requests: how many are counted, after some that are not.

    Returns:
        ``with`` and ``without``: medians of CPU and passed milliseconds, and bytes of the details.

    Raises:
        BenchmarkError: a request failed, or an explanation did.
    """
    taken: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for number in range(WARM_UP + requests):
        for name, options in OPTIONS.items():
            model, inputs = kind(number)
            request = PARSERS[model](encode_fields({**inputs, "OPTIONS": orjson.dumps(options).decode()}))
            cpu_start, start = time.process_time(), time.perf_counter()
            [answer] = pipeline.answer([request])
            passed_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
            if not isinstance(answer, Answer):
                raise BenchmarkError(f"{model}: a request failed: {answer}")
            if "explain" in orjson.loads(answer.details)["degraded"]:
                raise BenchmarkError(f"{model}: an explanation failed; the log says why")
            if number >= WARM_UP:
                taken[name].append((cpu_s, passed_s, len(answer.details)))
    return {
        name: {
            "cpu_ms_p50": round(1000 * float(np.median([one[0] for one in all_taken])), 2),
            "passed_ms_p50": round(1000 * float(np.median([one[1] for one in all_taken])), 2),
            "details_bytes_p50": float(np.median([one[2] for one in all_taken])),
        }
        for name, all_taken in taken.items()
    }


def main(
    catalog: CatalogOption = CATALOG,
    state: StateOption = STATE,
    encoder: EncoderOption = ENCODER,
    ranker: RankerOption = RANKER,
    requests: Annotated[int, typer.Option(min=1, help="requests of each kind")] = 100,
) -> None:
    """Measure explanations over the demo store."""
    console = Console()
    pipeline = build_pipeline(Store(catalog=catalog, state=state, encoder=encoder, ranker=ranker).settings)
    kinds: dict[str, Any] = {}
    for name, kind in list_kinds().items():
        kinds[name] = measure(pipeline, kind, requests)
        console.print(f"{name}: {kinds[name]}")
    console.print(f"written: {write_record('explanations', {'requests': requests, 'kinds': kinds}).name}")


if __name__ == "__main__":
    run_command(main)
