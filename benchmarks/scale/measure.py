"""What one catalogue costs to hold and to search: start, memory, one query at a time, many at once, recall."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.open_loop import prepare_messages
from benchmarks.serving.server_usage import find_server, read_cpu_s, read_memory
from mercato.bench.driver import Load, drive
from mercato.bench.figures import ANSWERED, summarize
from mercato.index import layout
from mercato.index.dense import EF_PER_CANDIDATE, DenseIndex
from mercato.index.text_product import MOST_TEXTS
from mercato.indexing.encode import TextEncoder
from mercato.retrieval.sources.base import SEARCH_CANDIDATES
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer

RECALL_QUERIES = 100
RECALLED = 100
PAGE = 10
AT_ONCE = (1, 32)


def measure_recall(catalog: Path, encoder: TextEncoder, queries: list[str]) -> dict[str, float]:
    """Compare what dense search finds, as a search asks for it, with comparing every vector.

    Returns:
        ``recall_at_100``, and ``cpu_ms_dense_1``, a query's walk by itself.
    """
    index = DenseIndex(catalog / layout.DENSE_INDEX, most_compared=MOST_TEXTS)
    vectors = encoder.encode(queries[:RECALL_QUERIES])
    exact = index.search_exact(vectors, RECALLED)[1]
    index.search(vectors[:1], SEARCH_CANDIDATES)
    begin = time.process_time()
    found = [
        index.search(vector[None], SEARCH_CANDIDATES, ef_search=EF_PER_CANDIDATE * SEARCH_CANDIDATES)[1][0]
        for vector in vectors
    ]
    spent = time.process_time() - begin
    shares = [len(np.intersect1d(one[:RECALLED], other)) / len(other) for one, other in zip(found, exact, strict=True)]
    return {
        "recall_at_100": round(float(np.mean(shares)), 4),
        "cpu_ms_dense_1": round(1000 * spent / len(vectors), 3),
    }


def measure_server(
    catalog: Path, encoder: Path, ranker: Path | None, queries: list[str], seconds: float
) -> dict[str, Any]:
    """Serve a catalogue and ask it.

    Returns:
        ``ready_s``; ``memory`` before and after all queries; and for 1 and 32 callers latency, queries a second and
        milliseconds of CPU of all server processes a query.
    """
    options = ServerOptions(
        catalog=catalog,
        encoder=encoder,
        ranker=ranker,
        profile="cpu",
        answer_cache_mb=0,
        ports=Ports(grpc=0, http=0, metrics=0),
    )
    messages = prepare_messages("search", [{"QUERY": query, "PAGE_SIZE": PAGE} for query in queries], timeout_s=None)
    with TritonServer(options) as server:
        pid = find_server(server.grpc_address)
        figures: dict[str, Any] = {"ready_s": round(server.ready_s, 2), "memory_at_start": read_memory(pid)}
        drive(server.grpc_address, Load(callers=8, seconds=seconds), messages[::-1])  # what a first query opens is open
        for callers in AT_ONCE:
            load = Load(callers=callers, seconds=seconds, warm_up_s=0.0)
            before = read_cpu_s(pid)
            outcome = drive(server.grpc_address, load, messages)
            spent = read_cpu_s(pid) - before
            answered = sum(error == ANSWERED for error in outcome.errors)
            summary = summarize(outcome, begin_s=0.0, seconds=seconds, within_s=1.0)
            figures[f"callers_{callers}"] = {
                "latency_ms": summary["latency_ms"],
                "queries_per_s": summary["queries_per_s"],
                "errors": summary["errors"],
                "cpu_ms_per_query": round(1000 * spent / max(answered, 1), 3),
            }
        figures["memory"] = read_memory(pid)
    return figures


def weigh_files(catalog: Path, products: int) -> dict[str, float]:
    """Return the bytes a product of each file of a snapshot, the largest first, and ``all`` of them."""
    folder = catalog.resolve()
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    ordered = sorted(sizes.items(), key=lambda item: -item[1])
    return {"all": round(sum(sizes.values()) / products, 1)} | {
        name: round(size / products, 1) for name, size in ordered if size >= products
    }
