"""What changes of products cost suggestions: each change to read, and each suggestion after many, without a server.

CPU time of one thread. A third of the changes are of prices, a third rename products of the demo store with five of its
words, a third are new products of five words: the worst case, for nothing of them is shared.

.venv/bin/python -m benchmarks live_suggestions
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import CATALOG, CatalogOption
from benchmarks.harness.workload import list_queries
from mercato.index.documents import Documents
from mercato.index.layout import PRODUCTS, VOCABULARY
from mercato.index.vocabulary import read_vocabulary
from mercato.query.suggest.request import SuggestRequest
from mercato.query.suggest.stored import SnapshotTexts, read_suggestions
from mercato.query.suggest.suggester import Suggester
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange

NEEDS = "the demo store"
WORDS = 20_000
PREFIXES = 200


def list_changes(folder: Path, count: int) -> dict[str, Iterator[ProductChange]]:
    """Make changes of each kind, as many of each."""
    documents = Documents(folder / PRODUCTS)
    words = list(read_vocabulary(folder / VOCABULARY))[:WORDS]
    rng = np.random.default_rng(11)
    rows = rng.permutation(documents.count)

    def title() -> str:
        return " ".join(rng.choice(words, 5).tolist())

    def change(operation: str, product_id: str, **fields: Any) -> ProductChange:
        return ProductChange(operation, product_id, orjson.dumps(fields))

    priced, renamed = (rows[start : start + count].tolist() for start in (0, count))
    return {
        "price": (change("patch", documents.id(row), price=1) for row in priced),
        "title": (change("patch", documents.id(row), title=title()) for row in renamed),
        "new": (
            change("upsert", f"new-{number}", id=f"new-{number}", title=title(), categories=["Food"])
            for number in range(count)
        ),
    }


def measure(suggester: Suggester, prefixes: Sequence[str]) -> list[float]:
    """Return the milliseconds of CPU of each suggestion."""
    taken = []
    for prefix in prefixes:
        start = time.thread_time()
        suggester.suggest([SuggestRequest(prefix=prefix, limit=10)])
        taken.append((time.thread_time() - start) * 1e3)
    return taken


def main(
    catalog: CatalogOption = CATALOG,
    changes: Annotated[int, typer.Option(min=3, help="how many changes in all")] = 90_000,
) -> None:
    """Measure suggestions beside changes of products on the demo store."""
    if not catalog.exists():
        raise BenchmarkError(f"{catalog} does not exist; make it: make demo")
    folder = catalog.resolve()
    prefixes = [query[: 2 + number % 6] for number, query in enumerate(list_queries()[:PREFIXES])]
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        state = SqliteStateStore(f"{temporary}/state.db")
        snapshot = SnapshotTexts(folder)
        snapshot.sequence = 0
        suggester = Suggester(read_suggestions(folder), state, lambda: 0.0, snapshot=snapshot)
        measure(suggester, prefixes)
        figures["before"] = _describe(measure(suggester, prefixes))
        for kind, made in list_changes(folder, changes // 3).items():
            state.append_product_changes(list(made))
            start = time.thread_time()
            suggester.suggest([])
            taken = time.thread_time() - start
            measure(suggester, prefixes)
            figures[kind] = {
                "change_cpu_us": round(taken / (changes // 3) * 1e6, 1),
                **_describe(measure(suggester, prefixes)),
            }
        state.close()
    console = Console()
    for kind, figure in figures.items():
        console.print(f"{kind:8}", figure)
    path = write_record("live_suggestions", {"changes_of_each_kind": changes // 3, "figures": figures})
    console.print(f"written to {path}")


def _describe(taken: Sequence[float]) -> dict[str, float]:
    return {
        "suggestion_cpu_ms_p50": round(float(np.median(taken)), 3),
        "suggestion_cpu_ms_p99": round(float(np.percentile(taken, 99)), 3),
    }


if __name__ == "__main__":
    run_command(main)
