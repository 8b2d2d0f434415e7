"""How fast a product file comes in: a million rows of CSV read and checked, and where the time goes.

    .venv/bin/python -m benchmarks product_file [--rows 1000000]

The rows are made up (`make_rows`), the same each time. One process reads on one core; the time is the processor's,
which others on the machine lengthen less than a clock's. Memory is the most that the whole process held.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.catalog.product_rows import write_csv
from benchmarks.harness.command import run_command
from benchmarks.harness.record import summarize, write_record
from mercato.catalog.direct import DirectReader
from mercato.catalog.problems import ProductReport, parse_leniently
from mercato.catalog.read import open_products
from mercato.cli.output import Output
from mercato.cli.product_file import collector_relaxed

NEEDS = "nothing"
GROUP_BY = "item_group_id"
VARIANTS = 4
STAGE_ROWS = 100_000


def read_file(path: Path, group_by: str) -> dict[str, Any]:
    """Read a file whole, as a command does; returns what it took."""
    started, clock = time.process_time(), time.monotonic()
    with collector_relaxed():
        file = open_products(path, group_by=group_by)
    opened = time.process_time()
    report = ProductReport()
    products = 0
    with collector_relaxed(), Output(as_json=False).progress() as show:
        for batch in file.read(report):
            products += len(batch)
            show("reading products", report.rows, file.table.rows or report.rows)
    took = time.process_time() - started
    return {
        "rows": report.rows,
        "products": products,
        "summary": report.summary,
        "rows_per_cpu_second": round(report.rows / took),
        "cpu_s": round(took, 2),
        "clock_s": round(time.monotonic() - clock, 2),
        "looking_through_cpu_s": round(opened - started, 2),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def time_stages(path: Path) -> dict[str, float]:
    """Return the processor's microseconds a row by stage, over the first `STAGE_ROWS`."""
    file = open_products(path)
    spent: dict[str, float] = {}

    def measure(name: str, make: Callable[[], list[Any]]) -> list[Any]:
        started = time.process_time()
        made = make()
        spent[name] = round((time.process_time() - started) / len(made) * 1e6, 2)
        return made

    batches: list[Any] = []

    def list_values() -> list[Any]:
        batches.extend(islice(file.table.read(), STAGE_ROWS // 4_096))
        return [line for batch in batches for line in batch.lines]

    lines = measure("rows as they lie", list_values)
    rows = measure("columns by name", lambda: [row for batch in batches for row in batch.rows()])
    read = measure("fields of products", lambda: list(map(file.mapping.read, rows, lines)))
    measure("checked products", lambda: [parse_leniently(row.document) for row in read])
    plan = file.mapping.plan
    if plan is not None:
        reader = DirectReader(plan)
        measure("checked products, by columns", lambda: [one for batch in batches for one in reader.read(batch)])
    return spent


def measure_alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own, so that memory and caches are its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def main(
    rows: Annotated[int, typer.Option(help="Rows of the file.", min=1_000)] = 1_000_000,
    rounds: Annotated[int, typer.Option(help="How often it is read.", min=1)] = 3,
) -> None:
    """Write files of made up products, and read them."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "products.csv"
        write_csv(path, rows)
        size = path.stat().st_size
        read = [measure_alone(read_file, path, "") for _ in range(rounds)]
        stages = measure_alone(time_stages, path)
        write_csv(path, rows, variants=VARIANTS)
        grouped = measure_alone(read_file, path, GROUP_BY)
    console.print(read, grouped, stages)
    write_record(
        "product_file",
        {
            "file_mib": round(size / 2**20, 1),
            "rows_per_cpu_second": summarize([one["rows_per_cpu_second"] for one in read], 0),
            "peak_rss_mib": summarize([one["peak_rss_mib"] for one in read], 0),
            "read": read,
            "grouped_by_four": grouped,
            "cpu_us_per_row_by_stage": stages,
        },
    )


if __name__ == "__main__":
    run_command(main)
