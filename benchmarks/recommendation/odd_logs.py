"""What `mercato index` makes of odd logs, and what two million events cost it.

    .venv/bin/python -m benchmarks odd_logs [--only "two million events"]

Logs are made from a seed over products with tiny texts. Each is imported and indexed by the command line, as a shop
would; seconds, CPU seconds and peak memory are those of `mercato index` alone, which runs twice: vectors are encoded in
the first run and reused in the second, which is the one that is told.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import REPOSITORY, write_record

NEEDS = "the encoder"
LAST_DAY = 19_600
"""Days since 1970 at which every log ends."""
DAY = 86_400.0
BASKET = 4
"""Products that are bought together: those of numbers that this divides alike."""
TYPES = ("detail-page-view", "add-to-cart", "purchase-complete")
SEED = 11


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A log to make.

    Attributes:
        events: how many at least; a visit is not cut.
        users: who does it.
        products: of the catalogue.
        days: its length.
        bought: share of what is looked at that is bought.
        to_everybody: every visit begins with a view of the first product, and one in ten buys it.
        only_product: nothing else is looked at or bought.
    """

    events: int
    users: int
    products: int = 400
    days: int = 120
    bought: float = 0.4
    to_everybody: bool = False
    only_product: bool = False


LOGS: Mapping[str, Recipe] = {
    "a product that is shown to everybody": Recipe(events=5_000, users=500, to_everybody=True),
    "a hundred events": Recipe(events=100, users=40),
    "one user": Recipe(events=2_000, users=1),
    "one product": Recipe(events=2_000, users=300, only_product=True),
    "views alone": Recipe(events=2_000, users=250, bought=0.0),
    "one day": Recipe(events=3_000, users=700, days=1),
    "two million events": Recipe(events=2_000_000, users=120_000, products=20_000, days=365),
}


def make_products(recipe: Recipe) -> list[dict[str, Any]]:
    """Make the products of a log: a name of two words each."""
    return [
        {"id": f"p{number}", "title": f"thing {number}", "price": 1.0 + number % 50}
        for number in range(recipe.products)
    ]


def make_log(recipe: Recipe, seed: int = SEED) -> pa.Table:
    """Make a log: visits of a few products around one that is popular, some of which are bought in one order.

    Args:
        recipe: what is made.
        seed: of every draw.
    """
    random = np.random.default_rng(seed)
    size = 5
    visits = -(-recipe.events // size)
    appeal = 1.0 / np.arange(1, recipe.products + 1) ** 0.8
    share = np.cumsum(appeal) / appeal.sum()
    taste = random.integers(0, recipe.products, recipe.users)
    user = random.integers(0, recipe.users, visits)
    day = LAST_DAY - recipe.days + np.sort(random.random(visits)) * recipe.days
    # Half of the visits are about what sells, the others about what the user likes.
    popular = np.searchsorted(share, random.random(visits))
    centre = np.where(random.random(visits) < 0.5, popular, (taste[user] + random.integers(0, 20, visits)))
    step = random.integers(0, BASKET, (visits, size))
    product = ((centre // BASKET * BASKET)[:, None] + step) % recipe.products
    if recipe.to_everybody:
        product[:, 0] = 0
    if recipe.only_product:
        product[:] = 0
    kind = np.where(random.random((visits, size)) < recipe.bought, 2, random.integers(0, 2, (visits, size)))
    if recipe.to_everybody:
        kind[:, 0] = np.where(random.random(visits) < 0.1, 2, 0)
    seconds = day[:, None] * DAY + np.arange(size) * 60.0
    ids = np.array([f"p{number}" for number in range(recipe.products)])
    return pa.table(
        {
            "user_id": pa.array(np.char.add("u", np.repeat(user, size).astype(str))),
            "product_id": pa.array(ids[product.ravel()]),
            "event_type": pa.array(np.array(TYPES)[kind.ravel()]),
            "time": pa.array(seconds.ravel()),
            "order_id": pa.array(np.where(kind.ravel() == 2, np.repeat(np.arange(visits), size).astype(str), "")),
        }
    )


def index_log(recipe: Recipe, folder: Path, encoder: Path) -> dict[str, Any]:
    """Import and index a log as a shop would; return what `mercato index` says and costs."""
    products, events = folder / "products.json", folder / "events.parquet"
    products.write_text(json.dumps(make_products(recipe)), encoding="utf-8")
    log = make_log(recipe)
    pq.write_table(log, events)
    state = f"sqlite:{folder / 'state.db'}"
    imported = _run("events", "import", str(events), "--state", state)
    index = ("index", str(products), "--out", str(folder / "catalog"), "--state", state, "--encoder", str(encoder))
    first, again = _run(*index, "--json"), _run(*index, "--json")
    said = again.pop("said")
    return {
        "events": len(log),
        "products": recipe.products,
        "users": recipe.users,
        "import": {name: imported[name] for name in ("seconds", "cpu_seconds", "peak_mb")},
        "first": {name: first[name] for name in ("seconds", "cpu_seconds", "peak_mb")},
        "again": again,
        "bundles": said.get("bundles"),
        "recommendations": said["recommendations"]["said"],
    }


def _run(*arguments: str) -> dict[str, Any]:
    """Run `mercato`; return its seconds, CPU seconds and peak memory, and what it says."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    measured = (
        "import resource, sys; from mercato.cli.main import main\n"
        "try: main()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", measured, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"mercato {arguments[0]} failed: {done.stderr[-2000:] or done.stdout[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_mb": round(int(done.stderr.split()[-1]) / 1024),
        "said": json.loads(done.stdout) if "--json" in arguments else {},
    }


def main(
    only: Annotated[str, typer.Option(help="One log, by its name.")] = "",
    encoder: Annotated[Path, typer.Option(help="A folder of an encoder.")] = REPOSITORY / "var" / "models" / "encoder",
    folder: Annotated[Path, typer.Option(help="Where logs and snapshots lie meanwhile.")] = REPOSITORY / "var" / "odd",
) -> None:
    """Index odd logs."""
    if only and only not in LOGS:
        raise BenchmarkError(f"--only: must be one of {', '.join(LOGS)}, got {only!r}")
    figures: dict[str, Any] = {}
    for name, recipe in LOGS.items():
        if only in ("", name):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            figures[name] = index_log(recipe, folder, encoder)
            shutil.rmtree(folder)
    write_record("odd_logs", figures)


if __name__ == "__main__":
    run_command(main)
