"""Dense retrieval from Milvus beside the snapshot's own index: recall against exact, time and CPU, filters.

.venv/bin/python -m benchmarks milvus --catalog var/icecat/catalog
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.milvus_server import MilvusUnavailableError, serve_milvus
from benchmarks.harness.record import REPOSITORY, summarize, write_record
from benchmarks.harness.store import CATALOG, ENCODER, CatalogOption, EncoderOption, RoundsOption
from benchmarks.search.retrieval import compute_recall
from mercato.arrays import Float32, Int64
from mercato.catalog.field_names import write_text
from mercato.filters import parse_filter
from mercato.index.dense import EF_PER_CANDIDATE
from mercato.index.live import LiveCatalog
from mercato.index.nearest import FilteredQuery, TextIndex
from mercato.index.snapshot import Snapshot
from mercato.milvus.address import parse_address
from mercato.milvus.connection import connect
from mercato.milvus.load import load_snapshot
from mercato.milvus.texts import open_texts
from mercato.models.encoder.onnx_encoder import OnnxEncoder
from mercato.retrieval.sources.base import SEARCH_CANDIDATES

NEEDS = "a snapshot, its encoder, and the wheel milvus 2.3.5, which pip fetches"

CUTOFF = 100
BATCHES = (1, 32)
WORDS = 3
SEED = 7
TIMEOUT_S = 30.0
WARM_UP = 3
QUANTILE = 0.25


@dataclass(frozen=True, kw_only=True)
class Meter:
    """CPU seconds of this process, and of the server's.

    Attributes:
        server: the server's process.
    """

    server: psutil.Process

    def read(self) -> tuple[float, float]:
        """Return both, seconds since each began."""
        theirs = self.server.cpu_times()
        return time.process_time(), theirs.user + theirs.system


def choose_queries(snapshot: Snapshot, count: int) -> list[str]:
    """Return queries: the first words of titles, of products drawn at random."""
    rows = np.random.default_rng(SEED).permutation(snapshot.count)[:count]
    live = LiveCatalog(snapshot, None)
    titles = (live.product(live.id_of(int(row))) for row in rows)
    return [" ".join(one.title.split()[:WORDS]) for one in titles if one is not None]


def choose_filters(snapshot: Snapshot) -> list[str]:
    """Return filters of several kinds, with values of the catalogue's own."""
    filters = []
    for field in ("brand", "categories"):
        column = snapshot.columns.text(field)
        if column is not None and len(column):
            sizes = np.diff(column.indptr)
            value = column.value(int(np.argmin(np.abs(sizes - snapshot.count / 10))))
            filters += [f"{field}: ANY({write_text(value)})", f"NOT {field}: ANY({write_text(value)})"]
    prices = snapshot.columns.number("price")
    if prices is not None and not np.isnan(prices.values).all():
        filters.append(f"price < {float(np.nanquantile(prices.values, QUANTILE)):.2f}")
    return filters


def measure(calls: Sequence[Callable[[], object]], batch: int, meter: Meter) -> dict[str, float]:
    """Make calls and return milliseconds a query: the median of wall time, and the CPU of both processes."""
    for call in calls[:WARM_UP]:
        call()
    own, theirs = meter.read()
    taken = []
    for call in calls:
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    own_after, theirs_after = meter.read()
    asked = batch * len(calls)
    return {
        "p50_ms": 1000 * float(np.median(taken)) / batch,
        "cpu_ms": 1000 * (own_after - own) / asked,
        "server_cpu_ms": 1000 * (theirs_after - theirs) / asked,
    }


def compare_plain(
    own: Snapshot, indexes: dict[str, TextIndex], probes: Float32, rounds: int, meter: Meter
) -> dict[str, Any]:
    """Compare searches without a filter."""
    _, exact = own.dense.search_exact(probes, CUTOFF)
    breadth = EF_PER_CANDIDATE * SEARCH_CANDIDATES
    compared: dict[str, Any] = {}
    for name, index in indexes.items():
        found = index.search(probes, SEARCH_CANDIDATES, ef_search=breadth)[1][:, :CUTOFF]
        compared[name] = {"recall": round(float(compute_recall(found, exact).mean()), 4)}
    for batch in BATCHES:
        parts = np.array_split(probes, max(1, len(probes) // batch))
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in indexes}
        for _ in range(rounds):
            for name, index in indexes.items():
                calls = [partial(index.search, part, SEARCH_CANDIDATES, ef_search=breadth) for part in parts]
                taken[name].append(measure(calls, len(parts[0]), meter))
        for name in indexes:
            compared[name][f"batch_{batch}"] = summarize_each(taken[name])
    return compared


def compare_filtered(
    own: Snapshot, indexes: dict[str, TextIndex], probes: Float32, text: str, rounds: int, meter: Meter
) -> dict[str, Any]:
    """Compare searches with a filter, one query a call."""
    condition = parse_filter(text)
    allowed = LiveCatalog(own, None).allow(condition).texts
    if allowed is None or not allowed.any():
        raise BenchmarkError(f"filter {text}: leaves nothing")
    asked = [
        FilteredQuery(query=one, allowed=allowed, condition=condition, find_moved=lambda: np.zeros(0, np.int64))
        for one in probes
    ]
    exact = [own.dense.search_allowed(one, CUTOFF, allowed, exact=True)[1] for one in probes]
    compared: dict[str, Any] = {"allowed_share": round(float(allowed.mean()), 3)}
    for name, index in indexes.items():
        found = [texts for _, texts in index.search_filtered(asked, SEARCH_CANDIDATES)]
        wanted = min(SEARCH_CANDIDATES, int(allowed.sum()))
        compared[name] = {
            "recall": round(_mean_recall(found, exact), 4),
            "recall_made_up": round(_mean_recall(_make_up(found, exact, wanted), exact), 4),
            "too_few": sum(len(texts) < wanted for texts in found),
        }
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in indexes}
    for _ in range(rounds):
        for name, index in indexes.items():
            calls = [partial(index.search_filtered, [one], SEARCH_CANDIDATES) for one in asked]
            taken[name].append(measure(calls, 1, meter))
    for name in indexes:
        compared[name].update(summarize_each(taken[name]))
    return compared


def _mean_recall(found: Sequence[Int64], exact: Sequence[Int64]) -> float:
    return float(np.mean([np.isin(best, texts).mean() for texts, best in zip(found, exact, strict=True)]))


def _make_up(found: Sequence[Int64], exact: Sequence[Int64], wanted: int) -> list[Int64]:
    """Put the exact answer where too little was found, as the retriever does."""
    return [texts if len(texts) >= wanted else best for texts, best in zip(found, exact, strict=True)]


def summarize_each(rounds: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Summarize each figure over the rounds."""
    return {name: summarize([one[name] for one in rounds], digits=3) for name in rounds[0]}


def main(
    catalog: CatalogOption = CATALOG,
    encoder: EncoderOption = ENCODER,
    rounds: RoundsOption = 3,
    queries: Annotated[int, typer.Option(min=1, help="how many")] = 200,
) -> None:
    """Measure Milvus on this machine beside the snapshot's own index, by turns, one thread asking."""
    console = Console()
    snapshot = Snapshot(catalog)
    vectors = OnnxEncoder(encoder).encode(choose_queries(snapshot, queries))
    with tempfile.TemporaryDirectory() as folder:
        try:
            with serve_milvus(REPOSITORY / "var" / "tools", Path(folder)) as server:
                address = f"milvus://{server.address}/benchmark"
                meter = Meter(server=psutil.Process(server.pid))
                client = connect(parse_address(address), timeout_s=TIMEOUT_S)
                started = time.monotonic()
                load_snapshot(client, parse_address(address), snapshot, lambda what, done, total: None)
                loading = {
                    "seconds": round(time.monotonic() - started, 1),
                    "server_rss_mb": round(meter.server.memory_info().rss / 1e6),
                }
                remote = open_texts(address, snapshot, token="", ca=None, timeout_s=TIMEOUT_S)
                indexes: dict[str, TextIndex] = {"own": snapshot.dense, "milvus": remote}
                plain = compare_plain(snapshot, indexes, vectors, rounds, meter)
                console.print(plain)
                filters = {
                    text: compare_filtered(snapshot, indexes, vectors[: len(vectors) // 2], text, rounds, meter)
                    for text in choose_filters(snapshot)
                }
                console.print(filters)
        except MilvusUnavailableError as exc:
            raise BenchmarkError(str(exc)) from exc
    figures = {"texts": snapshot.manifest.texts, "queries": len(vectors), "loading": loading}
    console.print(write_record("milvus", {**figures, "plain": plain, "filters": filters}))


if __name__ == "__main__":
    run_command(main)
