"""What a filter of many ids costs, to read and to ask of a catalogue, without a server.

CPU time of one thread. Half of the ids are products of the catalogue, half are not.

.venv/bin/python -m benchmarks long_filters
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import CATALOG, CatalogOption, RoundsOption
from mercato.catalog.field_names import write_text
from mercato.filters import evaluate, parse_filter
from mercato.index.snapshot import read_columns

NEEDS = "the demo store"
SIZES = (100, 1_000, 10_000, 20_000)


def main(catalog: CatalogOption = CATALOG, rounds: RoundsOption = 5) -> None:
    """Measure filters of many ids on the demo store."""
    if not catalog.exists():
        raise BenchmarkError(f"{catalog} does not exist; make it: make demo")
    columns = read_columns(catalog.resolve())
    column = columns.text("id")
    ids = column.values() if column is not None else []
    rng = np.random.default_rng(7)
    console = Console()
    figures: dict[str, dict[str, float]] = {}
    for size in SIZES:
        taken: dict[str, list[float]] = {"read": [], "ask": []}
        for number in range(rounds):
            chosen = rng.choice(ids, min(size // 2, len(ids)), replace=False).tolist()
            unknown = [f"another-shop-{number}-{other}" for other in range(size - len(chosen))]
            values = rng.permutation([*chosen, *unknown]).tolist()
            text = f"id: ANY({', '.join(map(write_text, values))})"
            condition, read_ms = _time(partial(parse_filter, text))
            found, ask_ms = _time(partial(evaluate, condition, columns))
            if np.count_nonzero(found) != len(chosen):
                raise BenchmarkError(f"{np.count_nonzero(found)} products found of {len(chosen)}")
            taken["read"].append(read_ms)
            taken["ask"].append(ask_ms)
        figures[f"{size} ids"] = {f"{name}_cpu_ms_p50": round(float(np.median(one)), 2) for name, one in taken.items()}
        console.print(f"{size:>6} ids", figures[f"{size} ids"])
    path = write_record("long_filters", {"products": columns.count, "rounds": rounds, "figures": figures})
    console.print(f"written to {path}")


def _time(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.thread_time()
    result = call()
    return result, (time.thread_time() - start) * 1e3


if __name__ == "__main__":
    run_command(main)
