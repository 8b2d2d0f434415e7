"""Spelling: are queries with a typo led by what the right ones lead with, and are words that a shop lacks left alone.

.venv/bin/python -m benchmarks spelling
.venv/bin/python -m benchmarks spelling --part tuning --no-record        the words that thresholds were chosen by
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import REPOSITORY, write_record
from benchmarks.harness.store import CATALOG, ENCODER, VAR, CatalogOption, EncoderOption
from benchmarks.search.foreign_words import LISTS
from benchmarks.search.icecat import DATA as ICECAT
from benchmarks.search.icecat import WORK, build_catalog
from benchmarks.search.spelling_queries import Foreign, Misspelt, ShopQueries
from mercato.evaluation.judgements import read_judgements
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.models.encoder.onnx_encoder import OnnxEncoder
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.page import parse_search
from mercato.retrieval.retriever import Retriever

NEEDS = "the demo store and the evaluation data"
SEED = 14
BATCH = 16
QUERIES = 1_000
UNSEEN: Mapping[str, tuple[str, ...]] = {
    "retail_demo_store": (
        *("--map", "title=name", "--map", "categories=category,style"),
        *("--map", "ignore=current_stock,image,where_visible,promoted,featured,image_license,link,aliases"),
    ),
}
"""Shops that no threshold was chosen by, and how their files are read."""


@dataclass(frozen=True, kw_only=True)
class First:
    """What leads an answer.

    Attributes:
        product: its id; empty for an empty answer.
        category: its last category, else its brand.
        corrected: the query as it seems to be meant; empty where nothing was offered.
        applied: that one was searched.
    """

    product: str
    category: str
    corrected: str
    applied: bool


class Shop:
    """A shop whose queries are answered in this process, by retrieval alone."""

    def __init__(self, folder: Path, encoder: OnnxEncoder) -> None:
        """Open a snapshot.

        Args:
            folder: the snapshot.
            encoder: the one that it was built with.
        """
        self._catalog = LiveCatalog(Snapshot(folder), None)
        self.analyzer = QueryAnalyzer(self._catalog)
        retriever = Retriever(self._catalog, None, queries=self.analyzer)
        self._pipeline = Pipeline(self._catalog, encoder, retriever, None, queries=self.analyzer)
        self.queries = ShopQueries(self._catalog, self.analyzer)

    def ask(self, texts: Sequence[str], **options: Any) -> list[First]:
        """Answer queries and return what leads each."""
        found = []
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            requests = [
                parse_search({"QUERY": text.encode(), "PAGE_SIZE": 1, "OPTIONS": orjson.dumps(options)})
                for text in batch
            ]
            for text, answer in zip(batch, self._pipeline.answer(requests), strict=True):
                if not isinstance(answer, Answer):
                    raise answer
                found.append(self._read(text, orjson.loads(answer.details)))
        return found

    def _read(self, text: str, details: dict[str, Any]) -> First:
        ids = [one["id"] for one in details["results"][:1]]
        product = self._catalog.product(ids[0]) if ids else None
        better = self.analyzer.correct(text)
        return First(
            product=ids[0] if ids else "",
            category="" if product is None else (product.categories or (product.brand,))[-1],
            corrected=details.get("corrected_query", ""),
            applied=better is not None and better.applied,
        )


def make_misspelt(shop: Shop, rights: Iterable[str], count: int, part: str, rng: np.random.Generator) -> list[Misspelt]:
    """Make queries with one typo each: of those that are given first, then of the shop's own texts."""
    made = [query for right in rights if (query := shop.queries.misspell(right, rng, part)) is not None]
    while len(made) < count:
        query = shop.queries.misspell(shop.queries.make(rng), rng, part)
        if query is not None:
            made.append(query)
    return made[:count]


def make_foreign(
    shop: Shop, words: Mapping[str, Sequence[str]], count: int, part: str, rng: np.random.Generator
) -> list[Foreign]:
    """Make queries with a word that the shop does not have, as many of each source as far as its words go."""
    left = {source: rng.permutation(shop.queries.list_missing(known, part)) for source, known in words.items()}
    made: list[Foreign] = []
    for turn in range(count):
        source, known = list(left.items())[turn % len(left)]
        if len(known):
            made.append(shop.queries.add_foreign(str(known[turn // len(left) % len(known)]), source, rng))
    return made


def measure_misspelt(shop: Shop, queries: Sequence[Misspelt]) -> dict[str, Any]:
    """Compare what leads queries with a typo with what leads the right ones; shares of all queries."""
    rights = shop.ask([query.right for query in queries], spelling=False)
    typed = shop.ask([query.typed for query in queries])
    same = np.array([one.product == other.product for one, other in zip(rights, typed, strict=True)])
    kinds = np.array([query.kind for query in queries])
    return {
        "queries": len(queries),
        "same_first_result": _share(same),
        "same_first_category": _share([a.category == b.category for a, b in zip(rights, typed, strict=True)]),
        "applied": _share([one.applied for one in typed]),
        "applied_right": _share([_is_right(q, one) and one.applied for q, one in zip(queries, typed, strict=True)]),
        "offered_or_applied_right": _share([_is_right(q, one) for q, one in zip(queries, typed, strict=True)]),
        "same_first_result_by_typo": {kind: _share(same[kinds == kind]) for kind in sorted(set(kinds.tolist()))},
    }


def measure_foreign(shop: Shop, queries: Sequence[Foreign]) -> dict[str, Any]:
    """Count the queries that were changed without asking; shares of all queries."""
    found = shop.ask([query.text for query in queries])
    applied = np.array([one.applied for one in found])
    sources = np.array([query.source for query in queries])
    return {
        "queries": len(queries),
        "changed": _share(applied),
        "offered": _share([bool(one.corrected) and not one.applied for one in found]),
        "changed_by_source": {source: _share(applied[sources == source]) for source in sorted(set(sources.tolist()))},
    }


def measure_right(shop: Shop, queries: Sequence[Misspelt]) -> dict[str, Any]:
    """Count the right queries that were changed or questioned; shares of all queries."""
    found = [shop.analyzer.correct(query.right) for query in queries]
    return {
        "changed": _share([better is not None and better.applied for better in found]),
        "offered": _share([better is not None and not better.applied for better in found]),
    }


def time_queries(folder: Path, texts: Sequence[str], rounds: int = 3) -> float:
    """Return the CPU microseconds of reading one query's spelling: least of the rounds, nothing kept from before."""
    taken = []
    for _ in range(rounds):
        analyzer = QueryAnalyzer(LiveCatalog(Snapshot(folder), None))
        analyzer.correct("warm")
        started = time.process_time()
        for text in texts:
            analyzer.correct(text)
        taken.append((time.process_time() - started) / len(texts) * 1e6)
    return round(min(taken), 1)


def measure(
    folder: Path, encoder: OnnxEncoder, rights: Iterable[str], words: Mapping[str, Sequence[str]], part: str, count: int
) -> dict[str, Any]:
    """Measure one shop."""
    shop, rng = Shop(folder, encoder), np.random.default_rng(SEED)
    misspelt = make_misspelt(shop, rights, count, part, rng)
    foreign = make_foreign(shop, words, count, part, rng)
    return {
        "misspelt": measure_misspelt(shop, misspelt),
        "foreign": measure_foreign(shop, foreign),
        "right": measure_right(shop, misspelt),
        "cpu_us_per_query": {
            "right": time_queries(folder, [query.right for query in misspelt]),
            "misspelt": time_queries(folder, [query.typed for query in misspelt]),
            "foreign": time_queries(folder, [query.text for query in foreign]),
        },
    }


def index_unseen(name: str, data: Path, encoder: Path) -> Path:
    """Index a shop of the evaluation data with the command that a shop would use; an existing snapshot is kept.

    Raises:
        BenchmarkError: the data is not there, or the command fails.
    """
    products, out = data / name / "products.parquet", VAR / "spelling" / name
    if not products.is_file():
        raise BenchmarkError(f"{name}: not found beside the checkout; name the folder of the data with --data")
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        mercato = str(Path(sys.executable).with_name("mercato"))
        command = [mercato, "index", str(products), "--out", str(out), "--encoder", str(encoder), *UNSEEN[name]]
        if subprocess.run(command, cwd=REPOSITORY, check=False).returncode != 0:
            raise BenchmarkError(f"{name}: could not be indexed; see the messages above")
    return out


def _is_right(query: Misspelt, found: First) -> bool:
    return found.corrected == query.right


def _share(values: Sequence[bool] | np.ndarray[Any, Any]) -> float:
    return round(float(np.mean(values)), 4) if len(values) else 0.0


def main(
    encoder: EncoderOption = ENCODER,
    catalog: CatalogOption = CATALOG,
    icecat: Annotated[Path, typer.Option(help="The evaluation data of icecat.")] = ICECAT,
    part: Annotated[str, typer.Option(help="Words to ask with: `report`, or `tuning`.")] = "report",
    queries: Annotated[int, typer.Option(help="Queries of each kind and shop.", min=10)] = QUERIES,
    record: Annotated[bool, typer.Option(help="Write the result.")] = True,
) -> None:
    """Measure the demo store, icecat, and shops that nothing was chosen by."""
    console, model = Console(), OnnxEncoder(encoder)
    folders = {"demo_store": catalog, "icecat": build_catalog(icecat, WORK, encoder, rebuild=False)}
    folders |= {name: index_unseen(name, icecat.parent, encoder) for name in UNSEEN}
    titles = {name: Shop(folder, model).queries.words for name, folder in folders.items()}
    figures = {}
    for name, folder in folders.items():
        rights = sorted(read_judgements(icecat / "judgements.parquet").ratings) if name == "icecat" else ()
        others = {other: words for other, words in titles.items() if other != name}
        figures[name] = measure(folder, model, rights, {**others, **LISTS}, part, queries)
        console.print(name, figures[name], highlight=False)
    if record:
        write_record("spelling", {"seed": SEED, "words": part, "shops": figures})


if __name__ == "__main__":
    run_command(main)
