"""What facets, filters, sorting, boosts, collapsing and diversity cost over a plain search, without a server.

And what a plain search would cost without its floor, without understanding and without spelling. CPU time of one
thread, each search beside a plain one: other work on the machine weighs on both alike. Of each query the least of all
rounds counts, what is left then is work. No search profits from what an earlier one found out about the same query.

.venv/bin/python -m benchmarks search_features
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import CATALOG, ENCODER, CatalogOption, EncoderOption, RoundsOption
from benchmarks.harness.workload import list_queries
from mercato.errors import MercatoError
from mercato.index.live import LiveCatalog
from mercato.pipeline.factory import open_catalog, open_encoder
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import parse_search
from mercato.retrieval.retriever import Retriever
from mercato.settings import Settings

NEEDS = "the demo store"

SEED = 7
FIVE = ["brand", "categories", "price", "size", "manufacturer"]
HALF = "price: IN(1, 5)"
PLAIN = "plain"
NO_FLOOR = ("no floor", "no floor, understanding, spelling")
"""What is asked of a snapshot that has no floor."""
ASKED: Mapping[str, tuple[dict[str, Any], str]] = {
    PLAIN: ({}, ""),
    "two facets": ({"facets": ["brand", "price"]}, ""),
    "five facets": ({"facets": FIVE}, ""),
    "filter of half": ({}, HALF),
    "filter of half, five facets": ({"facets": FIVE}, HALF),
    "facet of 10,000 values": ({"facets": [{"key": "manufacturer", "limit": 10_000}]}, ""),
    "facet with excluded key": ({"facets": [{"key": "price", "excluded_filter_keys": ["price"]}]}, HALF),
    "order by price": ({"order_by": "price desc"}, ""),
    "boost": ({"boosts": [{"condition": "price < 2", "boost": 0.5}]}, ""),
    "collapse": ({"collapse": True}, ""),
    "diversity": ({"diversity": 0.3}, ""),
    "no understanding": ({"understand": "off"}, ""),
    "no spelling": ({"spelling": "off"}, ""),
    NO_FLOOR[0]: ({}, ""),
    NO_FLOOR[1]: ({"understand": "off", "spelling": "off"}, ""),
}


class _KnownVectors:
    """An encoder that has seen every query, so that only what comes after it is measured."""

    def __init__(self, vectors: Mapping[str, Any]) -> None:
        self._vectors = vectors

    def encode(self, texts: list[str], role: str = "query") -> Any:
        return np.stack([self._vectors[text] for text in texts])


def measure(catalog: LiveCatalog, vectors: Mapping[str, Any], rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of CPU of each search by what was asked for, round by round."""
    times: dict[str, list[float]] = {name: [] for name in ASKED}
    floor, rng = catalog.snapshot.floor, np.random.default_rng(SEED)
    for number in range(rounds + 1):  # the first fills caches and turns columns round
        pipelines = {
            name: Pipeline(catalog, _KnownVectors(vectors), Retriever(catalog, None), None)  # type: ignore[arg-type]
            for name in ASKED
        }
        for query in vectors:
            for name in rng.permutation(list(ASKED)).tolist():  # the first of a query finds nothing in the CPU's caches
                options, condition = ASKED[name]
                fields = {"QUERY": query.encode(), "OPTIONS": orjson.dumps(options), "FILTER": condition.encode()}
                request = parse_search(fields)
                catalog.snapshot.floor = None if name in NO_FLOOR else floor
                start = time.thread_time()
                [answer] = pipelines[name].answer([request])
                if number:
                    times[name].append((time.thread_time() - start) * 1e3)
                if isinstance(answer, MercatoError):
                    raise answer
    catalog.snapshot.floor = floor
    return times


def main(
    catalog: CatalogOption = CATALOG,
    encoder: EncoderOption = ENCODER,
    rounds: RoundsOption = 7,
    queries: Annotated[int, typer.Option(min=1, help="how many queries")] = 60,
) -> None:
    """Measure search features on the demo store."""
    if not catalog.exists():
        raise BenchmarkError(f"{catalog} does not exist; make it: make demo")
    settings = Settings(catalog=catalog, encoder=encoder)
    chosen = list_queries()[:queries]
    vectors = dict(zip(chosen, open_encoder(settings).encode(list(chosen)), strict=True))
    store = open_catalog(settings, None)
    times = measure(store, vectors, rounds)
    least = {name: np.reshape(taken, (rounds, len(chosen))).min(axis=0) for name, taken in times.items()}
    figures = {
        name: {
            "cpu_ms_p50": round(float(np.median(taken)), 3),
            "more_than_plain_ms_p50": round(float(np.median(taken - least[PLAIN])), 3),
            "more_than_plain_ms_mean": round(float(np.mean(taken - least[PLAIN])), 3),
        }
        for name, taken in least.items()
    }
    console = Console()
    for name, figure in figures.items():
        median, mean = figure["more_than_plain_ms_p50"], figure["more_than_plain_ms_mean"]
        console.print(f"{name:35} {figure['cpu_ms_p50']:7.2f} ms  {median:+.2f} ms, mean {mean:+.2f} ms")
    path = write_record(
        "search_features",
        {"products": store.snapshot.count, "queries": len(chosen), "rounds": rounds, "figures": figures},
    )
    console.print(f"written to {path}")


if __name__ == "__main__":
    run_command(main)
