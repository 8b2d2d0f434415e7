"""All of `mercato bench` over the demo store, its households as users, events written into a copy of its state.

    .venv/bin/python -m benchmarks bench [--quick] [--reranker var/models/reranker]

The result goes to benchmarks/results/bench.json, the plots to var/bench.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.harness.command import run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import (
    CATALOG,
    ENCODER,
    RANKER,
    STATE,
    VAR,
    CatalogOption,
    EncoderOption,
    RankerOption,
    StateOption,
    Store,
)
from benchmarks.harness.workload import list_households
from benchmarks.serving.load_generator import find_load_generator
from mercato.bench.document import run_bench, write_bench
from mercato.bench.plan import Plan
from mercato.bench.shop import ShopFiles
from mercato.cli.bench import tabulate
from mercato.cli.output import Output
from mercato.settings import DEFAULT_ANSWER_CACHE_MB

NEEDS = "the demo store"
PLOTS = VAR / "bench"


def main(
    catalog: CatalogOption = CATALOG,
    state: StateOption = STATE,
    encoder: EncoderOption = ENCODER,
    ranker: RankerOption = RANKER,
    reranker: Annotated[Path | None, typer.Option(help="exported reranker, to be measured too")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="a minute in the place of seven")] = False,
    perf_analyzer: Annotated[bool, typer.Option("--perf-analyzer", help="load by perf_analyzer")] = False,
    out: Annotated[Path, typer.Option(help="folder of the plots")] = PLOTS,
) -> None:
    """Serve the demo store and measure it."""
    console, output = Console(), Output()
    store = Store(catalog=catalog, state=state, encoder=encoder, ranker=ranker)
    plan = Plan(write=True)
    plan = plan.shorten() if quick else plan
    if perf_analyzer:
        plan = replace(plan, driver="perf_analyzer", perf_analyzer=find_load_generator().executable)
    events = Path(str(store.settings.state).partition(":")[2])
    with tempfile.TemporaryDirectory(prefix="mercato-bench-") as name:
        copy, users = Path(name) / "state.db", Path(name) / "users.txt"
        shutil.copyfile(events, copy)
        users.write_text("\n".join(list_households()))
        with (
            replace(store, state=copy).serve(reranker=reranker, answer_cache_mb=DEFAULT_ANSWER_CACHE_MB) as server,
            output.progress() as progress,
        ):
            files = ShopFiles(catalog=catalog, users=users)
            document = run_bench(server.grpc_address, plan, files, f"sqlite:{copy}", progress)
    for table in tabulate(document["points"]):
        console.print(table)
    for warning in document["warnings"]:
        output.warn(warning)
    plots = write_bench(out, document)
    own = {"date", "commit", "machine"}  # a record has them too
    record = write_record("bench", {key: value for key, value in document.items() if key not in own})
    console.print(f"written: {record.name}, and {len(plots)} files in {out.name}")


if __name__ == "__main__":
    run_command(main)
