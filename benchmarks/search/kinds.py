"""How many searches are led by the kind of thing that was asked for: words alone, vectors alone, fused, ranked.

The queries lie beside this file in ``queries``, each with the right kind beside it: a regular expression over the path
of a product's categories, or over its title where the shop has no categories; what people rated counts first. A half of
each set, by a hash of the query, was looked at while search was built; the other half was not. The third shop was never
looked at.

.venv/bin/python -m benchmarks kinds
.venv/bin/python -m benchmarks kinds --shop demo --ranker var/demo/ranker --show
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import REPOSITORY, write_record
from benchmarks.harness.store import CATALOG, ENCODER, RANKER, STATE, VAR
from benchmarks.search.icecat import DATA as ICECAT
from benchmarks.search.icecat import WORK as ICECAT_WORK
from benchmarks.search.icecat import build_catalog
from mercato.arrays import Float32
from mercato.evaluation.folds import fold_of
from mercato.evaluation.judgements import read_judgements
from mercato.features.inputs import Context, History
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.models.encoder.onnx_encoder import OnnxEncoder
from mercato.models.ranker.onnx_ranker import OnnxRanker
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.retrieval import Placement, RetrievalRequest
from mercato.retrieval.context import RetrievalContext, prepare_context
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.sources.dense import DENSE
from mercato.retrieval.sources.words import find_words
from mercato.state.store import open_state

NEEDS = "the demo store and the evaluation data"

QUERIES = Path(__file__).with_name("queries")
OTHER = ICECAT.parent / "retail_demo_store" / "products.parquet"
OTHER_WORK = VAR / "kinds"
FIRST = 3
HALVES = ("looked at", "not looked at")
RIGHT_RATING = 2
"""Products that people rated so high are of the right kind, those that they rated lower are not."""
FUSED, RANKED = "fused", "ranked"


class Shop(StrEnum):
    """The shops that queries were written for."""

    DEMO = "demo"
    ICECAT = "icecat"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A query and which products are of the kind that it asks for.

    Attributes:
        query: its text.
        is_right: tells of a product's document whether it is of the right kind.
        half: of `HALVES`.
    """

    query: str
    is_right: Callable[[Mapping[str, Any]], bool]
    half: str


def write_path(document: Mapping[str, Any]) -> str:
    """Write a product's categories as kinds are matched: general to specific, in lower case."""
    return " > ".join(map(str, document.get("categories") or ())).lower()


def read_queries(shop: Shop, ratings: Mapping[str, Mapping[str, int]]) -> list[Asked]:
    """Read a set of queries; one that the shop has nothing for is left out.

    Args:
        shop: whose.
        ratings: query -> product id -> rating; empty where nobody rated.
    """
    rows = json.loads((QUERIES / f"kinds_{shop.value}.json").read_text(encoding="utf-8"))
    asked = []
    for row in rows:
        query, kind = row["query"], row["kind"]
        rated = ratings.get(query, {})
        if kind or any(rating >= RIGHT_RATING for rating in rated.values()):
            half = HALVES[fold_of(query, 2)]
            asked.append(Asked(query=query, is_right=_judge(kind, rated, titles=shop is Shop.ICECAT), half=half))
    return asked


def _judge(kind: str, rated: Mapping[str, int], *, titles: bool) -> Callable[[Mapping[str, Any]], bool]:
    pattern = re.compile(kind, re.IGNORECASE) if kind else None

    def is_right(document: Mapping[str, Any]) -> bool:
        rating = rated.get(str(document["id"]))
        if rating is not None:
            return rating >= RIGHT_RATING
        text = str(document.get("title", "")) if titles else write_path(document)
        return pattern is not None and pattern.search(text) is not None

    return is_right


class Searcher:
    """Answers queries in this process, in each of the orders that are compared."""

    def __init__(self, catalog: Path, encoder: Path, ranker: Path | None, state: Path | None) -> None:
        """Open what answers.

        Args:
            catalog: the snapshot.
            encoder: folder of the encoder that it was built with.
            ranker: folder of the ranker; None to compare without.
            state: SQLite file of the shop; None where it has none.
        """
        self._encoder = OnnxEncoder(encoder)
        store = open_state(f"sqlite:{state}") if state is not None else None
        self.catalog = LiveCatalog(Snapshot(catalog, encoder=self._encoder.identity), store)
        self.queries = QueryAnalyzer(self.catalog)
        self.retriever = Retriever(self.catalog, None, queries=self.queries)
        self._ranker = OnnxRanker(ranker) if ranker is not None else None
        last = self.catalog.snapshot.manifest.last_event_time
        self._now = time.time() if last is None else last

    def prepare(self, query: str) -> RetrievalContext:
        """Prepare a search of an unknown shopper, its spelling corrected as the pipeline does."""
        better = self.queries.correct(query)
        text = better.text if better is not None and better.applied else query
        request = RetrievalRequest(placement=Placement.SEARCH, text=text, context=Context(time=self._now), depth=FIRST)
        return prepare_context(self.catalog, request, History.empty(), self._encoder.encode([text])[0])

    def answer(self, query: str) -> dict[str, list[int]]:
        """Return the first rows of each order."""
        context = self.prepare(query)
        near = DENSE.search(self.catalog, [context])[0]
        found = self.retriever.find([context])[0]
        rows = found.fused.rows[: context.request.window]
        orders = {
            "words": find_words(self.catalog, self.queries, context).select_best(FIRST).tolist(),
            "dense": [] if near is None else near.rows[:FIRST].tolist(),
            FUSED: rows[:FIRST].tolist(),
        }
        if self._ranker is not None:
            orders[RANKED] = []  # what matches nothing is led by nothing
        if self._ranker is not None and len(rows):
            features = self.retriever.compute_features([context], [found])[0]
            scores = self._score(context, rows, features)
            orders[RANKED] = rows[np.argsort(-scores, kind="stable")][:FIRST].tolist()
        return orders

    def _score(self, context: RetrievalContext, rows: Any, features: Float32) -> Float32:
        assert self._ranker is not None and context.probe is not None  # noqa: S101 - as `answer` calls it
        scores: Float32 = self._ranker.score(
            context.probe[None], context.history_vector[None], self.catalog.vectors(rows)[None], features[None]
        )[0]
        return scores

    def read(self, row: int) -> dict[str, Any]:
        """Return a product's document."""
        document: dict[str, Any] = orjson.loads(self.catalog.document(row))
        return document


def measure(searcher: Searcher, asked: Sequence[Asked], show: Callable[[str], None]) -> dict[str, Any]:
    """Count for each half and all what leads: the first product of the right kind, and all of the first `FIRST`.

    Args:
        searcher: answers.
        asked: the queries.
        show: told of each query that is led wrong.

    Returns:
        Half -> queries, shares by order, and the share that the ranker makes wrong.
    """
    led: dict[str, dict[str, list[float]]] = {}
    for one in asked:
        orders = searcher.answer(one.query)
        right = {name: [one.is_right(searcher.read(row)) for row in rows] for name, rows in orders.items()}
        first = {name: bool(hits[:1] and hits[0]) for name, hits in right.items()}
        values = {f"{name}, first": float(first[name]) for name in right}
        values |= {f"{name}, share of {FIRST}": sum(hits) / FIRST for name, hits in right.items()}
        if RANKED in first:
            values["made wrong by the ranker"] = float(first[FUSED] and not first[RANKED])
            values["made right by the ranker"] = float(first[RANKED] and not first[FUSED])
        for half in (one.half, "all"):
            for name, value in values.items():
                led.setdefault(half, {}).setdefault(name, []).append(value)
        if one.half == HALVES[0] and not (first[FUSED] and first.get(RANKED, True)):
            lines = [
                f"    {'right' if ok else 'WRONG'} {name}: {_describe(searcher.read(row))}"
                for name, rows in orders.items()
                for row, ok in zip(rows[:1], right[name], strict=False)
            ]
            show("\n".join([one.query, *lines]))
    return {
        half: {"queries": len(values[f"{FUSED}, first"]), **{name: _share(found) for name, found in values.items()}}
        for half, values in sorted(led.items())
    }


def _share(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)


def _describe(document: Mapping[str, Any]) -> str:
    return f"{str(document.get('title', ''))[:70]} [{write_path(document)}]"


def index_other(encoder: Path) -> Path:
    """Index the third shop, with the command that a shop would use; an existing snapshot is kept.

    Raises:
        BenchmarkError: its data is not there, or the command fails.
    """
    if not OTHER.is_file():
        raise BenchmarkError("the third shop's data is not beside the checkout; leave it out: --shop demo")
    catalog = OTHER_WORK / "catalog"
    if catalog.exists():
        return catalog
    OTHER_WORK.mkdir(parents=True, exist_ok=True)
    rows = pq.read_table(OTHER, columns=["id", "name", "category", "style", "description", "price"]).to_pylist()
    products = {
        "id": [str(row["id"]) for row in rows],
        "title": [row["name"] for row in rows],
        "categories": [[row["category"], row["style"]] for row in rows],
        "description": [row["description"] for row in rows],
        "price": [row["price"] for row in rows],
    }
    file = OTHER_WORK / "products.parquet"
    pq.write_table(pa.table(products), file)
    command = [str(Path(sys.executable).with_name("mercato")), "index", str(file), "--out", str(catalog)]
    if subprocess.run([*command, "--encoder", str(encoder)], cwd=REPOSITORY, check=False).returncode != 0:
        raise BenchmarkError("the third shop could not be indexed; see the messages above")
    return catalog


def main(
    shop: Annotated[list[Shop] | None, typer.Option(help="shops to ask; all without")] = None,
    encoder: Annotated[Path, typer.Option(help="folder of the exported encoder")] = ENCODER,
    ranker: Annotated[Path, typer.Option(help="ranker of the demo store")] = RANKER,
    catalog: Annotated[Path, typer.Option(help="snapshot of the demo store")] = CATALOG,
    show: Annotated[bool, typer.Option("--show", help="print what leads wrongly of the half looked at")] = False,
    name: Annotated[str, typer.Option(help="of the file with the result; empty writes none")] = "kinds",
) -> None:
    """Count how many searches of three shops are led by the right kind of thing."""
    console = Console()
    figures: dict[str, Any] = {}
    for one in shop or list(Shop):
        ratings: Mapping[str, Mapping[str, int]] = {}
        if one is Shop.DEMO:
            searcher = Searcher(catalog, encoder, ranker if ranker.exists() else None, STATE)
        elif one is Shop.ICECAT:
            ratings = read_judgements(ICECAT / "judgements.parquet").ratings
            searcher = Searcher(build_catalog(ICECAT, ICECAT_WORK, encoder, rebuild=False), encoder, None, None)
        else:
            searcher = Searcher(index_other(encoder), encoder, None, None)

        def tell(text: str) -> None:
            if show:
                console.print(text, markup=False, highlight=False, soft_wrap=True)

        figures[one.value] = measure(searcher, read_queries(one, ratings), tell)
        console.print(one.value, figures[one.value])
    if name:
        console.print(f"written: {write_record(name, figures).name}")


if __name__ == "__main__":
    run_command(main)
