"""Which queries of nine quite different shops nothing matches: of what they sell, and of what they do not.

The queries lie in ``shop_queries.tsv`` beside this file: twenty of each sort a shop, written from its list of products
before any answer was seen. Without a server and without a ranker, each floor learned when the shop is indexed.

.venv/bin/python -m benchmarks small_shops
.venv/bin/python -m benchmarks small_shops --shop greengrocer --shop furniture
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import pyarrow.parquet as pq
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import REPOSITORY, write_record
from benchmarks.harness.store import CATALOG, ENCODER, VAR
from benchmarks.search.icecat import DATA as ICECAT
from benchmarks.search.match_floor import Asker
from mercato.pipeline.factory import open_catalog, open_encoder
from mercato.requests.retrieval import Match
from mercato.settings import Settings

NEEDS = "the demo store and the evaluation data"
HERE = Path(__file__).parent
QUERIES = HERE / "shop_queries.tsv"
GERMAN = HERE / "greengrocer_german.tsv"
DATA = ICECAT.parent
WORK = VAR / "small_shops"
SOLD, FOREIGN = "sold", "foreign"
FEW = 50

Products = Iterator[dict[str, Any]]


def read_queries() -> dict[str, dict[str, list[str]]]:
    """Read the queries: shop to `SOLD` and `FOREIGN`."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in QUERIES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            shop, sort, queries = line.split("\t")
            found.setdefault(shop, {})[sort] = [query.strip() for query in queries.split(",")]
    return found


def list_sports_clothes() -> Products:
    """461 variants of 191 products, with descriptions."""
    columns = ["id", "name", "colour", "price", "categories", "description"]
    for row in pq.read_table(DATA / "magento_luma" / "products.parquet", columns=columns).to_pylist():
        yield {
            "id": row["id"],
            "title": row["name"],
            "price": float(row["price"]),
            "categories": row["categories"].split(",")[0].split("/"),
            "description": row["description"],
            "attributes": {"color": row["colour"]} if row["colour"] else {},
        }


def _read_greengrocer() -> list[dict[str, str]]:
    columns = ["class_name", "coarse_name", "description"]
    rows: list[dict[str, str]] = pq.read_table(
        DATA / "grocery_images" / "products_iconic.parquet", columns=columns
    ).to_pylist()
    return rows


def list_greengrocer() -> Products:
    """81 products with short titles and descriptions."""
    for row in _read_greengrocer():
        yield {
            "id": row["class_name"],
            "title": row["class_name"].replace("-", " "),
            "categories": [row["coarse_name"].replace("-", " ")],
            "description": row["description"],
        }


def list_german_greengrocer() -> Products:
    """The same 81 products in German, by title and category alone."""
    lines = GERMAN.read_text(encoding="utf-8").splitlines()
    for line in lines:
        if line and not line.startswith("#"):
            name, title, category = line.split("\t")
            yield {"id": name, "title": title, "categories": [category]}


def list_departments(*departments: str, titles: bool = False, limit: int = 0) -> Products:
    """Products of some departments of a store of many; all where none is named, of titles alone if asked."""
    columns = ["id", "name", "category", "style", "description", "price"]
    rows = pq.read_table(DATA / "retail_demo_store" / "products.parquet", columns=columns).to_pylist()
    chosen = [row for row in rows if not departments or row["category"] in departments]
    for row in chosen[: limit or None]:
        product = {"id": row["id"], "title": row["name"], "price": float(row["price"])}
        if not titles:
            product |= {"categories": [row["category"], row["style"]], "description": row["description"]}
        yield product


def list_household() -> Products:
    """31,540 products of one half of the demo store: short titles, hardly a description."""
    rows = pq.read_table(VAR / "demo" / "products.parquet").to_pylist()
    for row in rows:
        if row["categories"][0] == "Drug general merchandise":
            yield {name: value for name, value in row.items() if value is not None and name != "manufacturer"}


SHOPS: Mapping[str, Callable[[], Products] | None] = {
    "sports clothes": list_sports_clothes,
    "greengrocer": list_greengrocer,
    "furniture": lambda: list_departments("furniture"),
    "food": lambda: list_departments("groceries"),
    "fifty tools": lambda: list_departments("tools", limit=FEW),
    "titles alone": lambda: list_departments(titles=True),
    "greengrocer in German": list_german_greengrocer,
    "household goods": list_household,
    "groceries and household": None,
}
"""The shops by name; None is the demo store as it is."""


def build_shop(name: str, encoder: Path, *, rebuild: bool) -> Path:
    """Index a shop with the command that it would use; an existing snapshot is kept.

    Raises:
        BenchmarkError: the command fails.
    """
    products = SHOPS[name]
    if products is None:
        return CATALOG
    folder = WORK / name.replace(" ", "_")
    if (folder / "catalog").exists() and not rebuild:
        return folder / "catalog"
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(product, ensure_ascii=False) + "\n" for product in products())
    (folder / "products.jsonl").write_text("".join(lines), encoding="utf-8")
    mercato = Path(sys.executable).with_name("mercato")
    command = [str(mercato), "index", str(folder / "products.jsonl"), "--out", str(folder / "catalog")]
    command += ["--encoder", str(encoder), *(["--language", "german"] if products is list_german_greengrocer else [])]
    done = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchmarkError(f"{name}: could not be indexed: {done.stderr[-300:] or done.stdout[-300:]}")
    return folder / "catalog"


def measure_shop(settings: Settings, queries: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Ask a shop what it sells and what it does not."""
    catalog, stage = open_catalog(settings, None), open_encoder(settings)
    texts = [query for asked in queries.values() for query in asked]
    asker = Asker(catalog, {text: stage.encode([text])[0] for text in texts})
    answers = {text: asker.ask(text) for text in texts}
    floor = catalog.snapshot.floor
    return {
        "products": catalog.base,
        "floor": None if floor is None else asdict(floor),
        "sold_none": [query for query in queries[SOLD] if answers[query].match is Match.NONE],
        "foreign_answered": [
            [query, str(answers[query].match), answers[query].total, _name_first(asker, query)]
            for query in queries[FOREIGN]
            if answers[query].match is not Match.NONE
        ],
    }


def _name_first(asker: Asker, query: str) -> str:
    first: str = orjson.loads(asker.catalog.document(int(asker.ask(query).rows[0])))["title"]
    return first


def main(
    shop: Annotated[list[str] | None, typer.Option(help="one of the shops; all without")] = None,
    encoder: Annotated[Path, typer.Option(help="folder of the exported encoder")] = ENCODER,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="index the shops again")] = False,
) -> None:
    """Measure which queries nothing matches in shops of many kinds."""
    console = Console()
    queries = read_queries()
    unknown = sorted(set(shop or ()) - set(SHOPS))
    if unknown:
        raise BenchmarkError(f"--shop: {unknown[0]!r} is none of {', '.join(SHOPS)}")
    figures: dict[str, Any] = {}
    for name in shop or SHOPS:
        settings = Settings(catalog=build_shop(name, encoder, rebuild=rebuild), encoder=encoder)
        figures[name] = measure_shop(settings, queries[name])
        console.print(f"{name}: {figures[name]}")
    sold = sum(len(queries[name][SOLD]) for name in figures)
    foreign = sum(len(queries[name][FOREIGN]) for name in figures)
    total = {
        "sold_none": round(sum(len(one["sold_none"]) for one in figures.values()) / sold, 4),
        "foreign_none": round(1 - sum(len(one["foreign_answered"]) for one in figures.values()) / foreign, 4),
    }
    console.print(f"all: {total}")
    if shop is None:
        console.print(f"written: {write_record('small_shops', {'all': total, 'shops': figures}).name}")


if __name__ == "__main__":
    run_command(main)
