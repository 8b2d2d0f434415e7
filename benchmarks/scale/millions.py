"""From ten thousand products to millions: what a catalogue of each size costs to build, to hold and to search.

    .venv/bin/python -m benchmarks millions                                  10 thousand, 100 thousand, 1 million
    .venv/bin/python -m benchmarks millions --size 3000000                   one more size, kept beside the others
    .venv/bin/python -m benchmarks millions --source FILE.parquet            recombines another file's titles

Products are generated (`benchmarks.scale.products`), and their vectors are made from real vectors of their halves
(`benchmarks.scale.vectors`): encoding is not measured here. Queries are words of real titles, encoded as always.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.harness.command import run_command
from benchmarks.harness.record import RESULTS, write_record
from benchmarks.harness.store import ENCODER, RANKER, VAR, EncoderOption, RankerOption
from benchmarks.scale.build import index_products
from benchmarks.scale.measure import measure_recall, measure_server, weigh_files
from benchmarks.scale.plots import draw_sizes
from benchmarks.scale.products import SEED, Source, read_source, write_products
from benchmarks.scale.vectors import NOISE, encode_parts, write_vectors
from benchmarks.search.icecat import DATA
from mercato.models.encoder.onnx_encoder import OnnxEncoder

NEEDS = "an hour, 16 GiB of memory and 6 GiB of disk"
SIZES = (10_000, 100_000, 1_000_000)
WORK = VAR / "scale"
QUERIES = 4_000


def main(
    size: Annotated[list[int] | None, typer.Option(min=1_000, help="products, repeatable")] = None,
    source: Annotated[Path | None, typer.Option(help="Parquet file with titles; else icecat's or the demo's")] = None,
    encoder: EncoderOption = ENCODER,
    ranker: RankerOption = RANKER,
    work: Annotated[Path, typer.Option(help="where catalogues are kept")] = WORK,
    seconds: Annotated[float, typer.Option(min=1.0, help="of each load")] = 15.0,
) -> None:
    """Build, serve and measure catalogues of several sizes; what was built before is taken as it is."""
    console = Console()
    file = source or find_source()
    parts_of = read_source(file)
    model = OnnxEncoder(encoder)
    parts = encode_parts(parts_of, model, work / "parts.npy")
    queries = write_queries(parts_of)
    points = read_points()
    for products in sorted(size or SIZES):
        console.rule(f"{products:,} products")
        folder = work / str(products)
        write_products(parts_of, products, folder / "products.parquet")
        write_vectors(parts_of, products, model, parts, folder / "vectors")
        build = index_products(folder, encoder)
        catalog = folder / "catalog"
        point: dict[str, Any] = {
            "products": products,
            "build": build,
            "disk_bytes_per_product": weigh_files(catalog, products),
            "dense": measure_recall(catalog, model, queries),
            "served": measure_server(catalog, encoder, ranker if ranker.exists() else None, queries, seconds),
        }
        for name in ("memory_at_start", "memory"):
            memory = point["served"][name]
            memory["pss_bytes_per_product"] = round(memory["pss_mib"] * 2**20 / products)
        points[products] = point
        write_points(points, file, work)
    console.print(tabulate(points))


def find_source() -> Path:
    """Return the file whose titles are recombined: of the evaluation data, else the demo store's."""
    there = DATA / "products.parquet"
    return there if there.exists() else VAR / "demo" / "products.parquet"


def write_queries(source: Source) -> list[str]:
    """Write distinct queries of two to four words, which stand beside one another in a real half of a title."""
    random = np.random.default_rng(SEED + 3)
    written: dict[str, None] = {}
    for _ in range(20 * QUERIES):
        words = source.parts[int(random.integers(len(source.parts)))].lower().split()
        length = int(random.integers(2, 5))
        start = int(random.integers(0, max(len(words) - length, 0) + 1))
        written[" ".join(words[start : start + length])] = None
        if len(written) == QUERIES:
            break
    return list(written)


def read_points(folder: Path = RESULTS) -> dict[int, dict[str, Any]]:
    """Read the sizes that were measured before; those of another run stay beside those of this one."""
    path = folder / "millions.json"
    points = json.loads(path.read_text())["points"] if path.exists() else []
    return {point["products"]: point for point in points}


def write_points(points: dict[int, dict[str, Any]], file: Path, work: Path) -> None:
    """Write the record and its plots."""
    ordered = [points[products] for products in sorted(points)]
    write_record(
        "millions",
        {
            "source": file.name,
            "vectors": f"means of the real vectors of titles' halves, noise of length {NOISE} added, not encoded whole",
            "points": ordered,
        },
    )
    for name, drawn in draw_sizes(ordered).items():
        (work / name).write_text(drawn)


def tabulate(points: dict[int, dict[str, Any]]) -> Table:
    """Return the figures that decide, by size."""
    names = ("products", "build CPU s", "ready s", "B a product", "p50 ms", "p99 ms", "CPU ms 1", "CPU ms 32", "recall")
    table = Table(*names)
    for products in sorted(points):
        point = points[products]
        served = point["served"]
        alone, many = served["callers_1"], served["callers_32"]
        table.add_row(
            f"{products:,}",
            f"{point['build']['cpu_s']:.0f}",
            f"{served['ready_s']:.1f}",
            f"{served['memory']['pss_bytes_per_product']:,}",
            f"{alone['latency_ms']['p50']:.1f}",
            f"{alone['latency_ms']['p99']:.1f}",
            f"{alone['cpu_ms_per_query']:.1f}",
            f"{many['cpu_ms_per_query']:.1f}",
            f"{point['dense']['recall_at_100']:.3f}",
        )
    return table


if __name__ == "__main__":
    run_command(main)
