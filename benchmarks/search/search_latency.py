"""What one search takes through the server, one at a time: plain, with facets and filters, with the reranker.

The kinds of search take turns on every query, so that other work on the machine weighs on all alike.

.venv/bin/python -m benchmarks search_latency
.venv/bin/python -m benchmarks search_latency --reranker var/icecat/reranker
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from mercato_client import Client
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import summarize, write_record
from benchmarks.harness.store import CATALOG, ENCODER, RANKER, EncoderOption, RoundsOption
from benchmarks.harness.workload import list_queries
from benchmarks.search.icecat import DATA, WORK, Served, build_catalog, serve
from mercato.evaluation.judgements import read_judgements

NEEDS = "the demo store and the evaluation data"
PLAIN = "plain"
ON_STORE: Mapping[str, dict[str, Any]] = {
    PLAIN: {},
    "two facets": {"facets": ["brand", "price"]},
    "five facets": {"facets": ["brand", "categories", "price", "size", "manufacturer"]},
    "filter of half": {"filter": "price: IN(1, 5)"},
    "filter of half, two facets": {"filter": "price: IN(1, 5)", "facets": ["brand", "price"]},
    "explained": {"explain": True},
}
ON_ICECAT: Mapping[str, dict[str, Any]] = {PLAIN: {"rerank": False}, "reranked": {"rerank": True}}


def time_searches(
    client: Client, queries: Sequence[str], kinds: Mapping[str, dict[str, Any]], rounds: int
) -> dict[str, list[float]]:
    """Ask every query in every kind, one at a time.

    Returns:
        For each kind the median milliseconds of each round, as the caller sees them.
    """
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    for options in kinds.values():  # the first request for a field reads its column
        client.search(queries[0], **options)
    for _ in range(rounds):
        taken: dict[str, list[float]] = {kind: [] for kind in kinds}
        for query in queries:
            for kind, options in kinds.items():
                started = time.perf_counter()
                page = client.search(query, **options)
                taken[kind].append(1e3 * (time.perf_counter() - started))
                if page.degraded:
                    raise BenchmarkError(f"{kind}: {', '.join(page.degraded)} was left out, so nothing was measured")
        for kind, milliseconds in taken.items():
            found[kind].append(float(np.median(milliseconds)))
    return found


def describe(found: Mapping[str, list[float]]) -> dict[str, Any]:
    """Return the medians by kind, and what each kind adds to a plain search."""
    plain = np.array(found[PLAIN])
    return {
        kind: {
            "p50_ms": summarize(medians),
            "more_ms": summarize((np.array(medians) - plain).tolist()),
        }
        for kind, medians in found.items()
    }


def main(
    encoder: EncoderOption = ENCODER,
    catalog: Annotated[Path, typer.Option(help="Snapshot of the demo store.")] = CATALOG,
    ranker: Annotated[Path, typer.Option(help="The demo store's ranker.")] = RANKER,
    icecat_ranker: Annotated[Path, typer.Option(help="Ranker of icecat.")] = WORK / "folds" / "ranker-0",
    reranker: Annotated[Path | None, typer.Option(help="Reranker of icecat; none leaves it out.")] = None,
    queries: Annotated[int, typer.Option(help="Queries of the demo store.", min=1)] = 100,
    rounds: RoundsOption = 5,
) -> None:
    """Measure searches through servers with the profile ``cpu``."""
    console = Console()
    with serve(catalog, encoder, Served(ranker=ranker, reranker=None)) as address, Client(address) as client:
        store = describe(time_searches(client, list_queries()[:queries], ON_STORE, rounds))
    texts = sorted(read_judgements(DATA / "judgements.parquet").ratings)
    snapshot = build_catalog(DATA, WORK, encoder, rebuild=False)
    kinds = ON_ICECAT if reranker else {PLAIN: {}}
    with serve(snapshot, encoder, Served(ranker=icecat_ranker, reranker=reranker)) as address:
        with Client(address) as client:
            icecat = describe(time_searches(client, texts, kinds, rounds))
    for name, figures in (("demo store", store), ("icecat", icecat)):
        for kind, figure in figures.items():
            console.print(
                f"{name}, {kind}: p50 {figure['p50_ms']['median']} ms, {figure['more_ms']['median']:+.2f} ms to plain",
                highlight=False,
            )
    write_record("search_latency", {"page_size": 20, "demo_store": store, "icecat": icecat})


if __name__ == "__main__":
    run_command(main)
