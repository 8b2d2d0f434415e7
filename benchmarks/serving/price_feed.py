"""A price feed of 100,000 rows: into state, once more unchanged, and what a server needs to read it.

    .venv/bin/python -m benchmarks price_feed [--products 100000]

The catalogue is made of random words and random unit vectors: nothing is encoded, as in a price feed.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import write_record
from mercato.arrays import Float32
from mercato.catalog.product import Product, parse_product
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.progress import Progress
from mercato.state import EventTable, open_state
from mercato.text import TextRole

NEEDS = "nothing"
PRODUCTS = 100_000
DIMENSION = 384
WORDS = [f"word{number}" for number in range(3_000)]


class RandomEncoder:
    """Random unit vectors in place of a network."""

    dimension = DIMENSION
    identity = "random"

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> Float32:
        """Encode queries as `encode_many` does texts."""
        return self.encode_many(texts, role=role, workers=1, progress=None)

    def encode_many(
        self, texts: Sequence[str], *, role: TextRole = "product", workers: int, progress: Progress | None
    ) -> Float32:
        """Give each text a direction: float32 [texts, dimension]."""
        vectors = np.random.default_rng(len(texts)).normal(size=(len(texts), DIMENSION)).astype(np.float32)
        unit: Float32 = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def make_product(number: int, dice: random.Random) -> Product:
    """Make a product of some fifty words."""
    return parse_product(
        {
            "id": f"p{number}",
            "title": " ".join(dice.choices(WORDS, k=6)),
            "description": " ".join(dice.choices(WORDS, k=40)),
            "brand": dice.choice(WORDS[:100]),
            "categories": ["Store", dice.choice(WORDS[:50])],
            "price": float(number % 500 + 1),
            "attributes": {"colour": dice.choice(WORDS[:12]), "size": dice.choice("SML")},
        }
    )


def write_prices(path: Path, count: int, dice: random.Random) -> None:
    """Write a file of new prices and stock, one row a product."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["sku", "net", "stock", "warehouse"])
        for number in range(count):
            rows.writerow(
                [f"p{number}", dice.randint(100, 99_999) / 100, dice.choice(["in stock", "out of stock"]), "W1"]
            )


def apply_prices(folder: Path) -> dict[str, Any]:
    """Run the command; returns what it says, and the seconds that a person waits."""
    command = [Path(sys.executable).with_name("mercato"), "catalog", "apply", folder / "prices.csv", "--json"]
    options = ["--state", f"sqlite:{folder / 'state.db'}", "--catalog", folder / "catalog", "--map", "id=sku"]
    started = time.perf_counter()
    done = subprocess.run(
        [*map(str, [*command, *options]), "--map", "price=net", "--map", "availability=stock"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchmarkError(f"mercato catalog apply failed: {done.stdout}{done.stderr}")
    said = json.loads(done.stdout)
    figures = {name: said[name] for name in ("changed", "unchanged", "unknown", "rejected")}
    return {**figures, "seconds": round(time.perf_counter() - started, 1)}


def read_changes(folder: Path) -> dict[str, float]:
    """Read the changes as each process of a server does; returns seconds and memory."""
    state = open_state(f"sqlite:{folder / 'state.db'}")
    catalog = LiveCatalog(Snapshot(folder / "catalog"), state)
    before_mb = psutil.Process().memory_full_info().uss / 2**20  # without the pages of the snapshot, which all share
    started = time.perf_counter()
    catalog.refresh()
    seconds = time.perf_counter() - started
    state.close()
    memory_mb = psutil.Process().memory_full_info().uss / 2**20 - before_mb
    return {"seconds": round(seconds, 1), "more_memory_mb": round(memory_mb)}


def main(
    products: Annotated[int, typer.Option(help="Products of the catalogue, and rows of the file.")] = PRODUCTS,
) -> None:
    """Measure a price feed."""
    dice = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        catalogue = [make_product(number, dice) for number in range(products)]
        build_snapshot(catalogue, EventTable.empty(), RandomEncoder(), folder / "catalog", BuildOptions())
        del catalogue
        write_prices(folder / "prices.csv", products, dice)
        figures: dict[str, Any] = {"rows": products, "apply": apply_prices(folder), "again": apply_prices(folder)}
        figures["state_mb"] = round((folder / "state.db").stat().st_size / 2**20, 1)
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # its memory holds nothing of the catalogue's making
            figures["server_reads"] = pool.apply(read_changes, (folder,))
    Console().print(figures)
    write_record("price_feed", figures)


if __name__ == "__main__":
    run_command(main)
