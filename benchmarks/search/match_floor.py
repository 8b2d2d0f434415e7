"""What matches and what does not, over the icecat catalogue: ratings, foreign queries, kinds counted, and the cost.

Without a server and without a ranker, by the retriever that a server asks.

.venv/bin/python -m benchmarks match_floor
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import ENCODER
from benchmarks.search.icecat import DATA, KEY_METRICS, WORK, build_catalog
from mercato.arrays import Bool, Float32
from mercato.evaluation.judgements import read_judgements
from mercato.evaluation.measures import MeasurePlan, measure_orders, plan_measures
from mercato.evaluation.result import describe_values
from mercato.features.inputs import History
from mercato.index.live import LiveCatalog
from mercato.pipeline.factory import open_catalog, open_encoder
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.page import parse_search
from mercato.requests.retrieval import Match, RetrievalRequest, Retrieved
from mercato.retrieval.context import prepare_context
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.sources.words import find_words, require_words
from mercato.settings import Settings

NEEDS = "the evaluation data"
HERE = Path(__file__).parent
FOREIGN = HERE / "foreign_queries.tsv"
KINDS = HERE / "icecat_kinds.tsv"
KINDS_OF_QUERIES = HERE / "icecat_kinds_of_queries.tsv"
DEPTH = 3_000
RELEVANT = 2
COST_ROUNDS = 5


class Asker:
    """Asks one retriever, with vectors that were made before."""

    def __init__(self, catalog: LiveCatalog, vectors: Mapping[str, Float32]) -> None:
        """Take a catalogue and the vectors of all queries."""
        self.catalog = catalog
        self._vectors = vectors
        self._retriever = Retriever(catalog, None)
        self._queries = QueryAnalyzer(catalog)

    def ask(self, query: str, **options: Any) -> Retrieved:
        """Ask for everything."""
        return self.retrieve(write_request(query, options))

    def retrieve(self, request: RetrievalRequest) -> Retrieved:
        """Ask the retriever."""
        (answer,) = self._retriever.retrieve([request], self._vectors[request.text][None])
        if not isinstance(answer, Retrieved):
            raise answer
        return answer

    def list_candidates(self, query: str) -> Bool:
        """Return what is near or holds as many words as any, which was the result without a floor: bool [rows]."""
        found = self.ask(query, beyond=True)
        context = prepare_context(self.catalog, write_request(query, {}), History.empty(), self._vectors[query])
        words = find_words(self.catalog, self._queries, context)
        held = words.held
        candidates = np.zeros(self.catalog.base, np.bool_)
        candidates[words.rows[held >= min(require_words(words.size), held.max(initial=0.0))]] = True
        candidates[found.rows] = candidates[found.tail] = True
        return candidates


def write_request(query: str, options: Mapping[str, Any]) -> RetrievalRequest:
    """Write a search for everything that there is."""
    page = parse_search({"QUERY": query.encode(), "OPTIONS": orjson.dumps(options)})
    return replace(page.retrieval, depth=DEPTH)


def read_table(path: Path) -> list[tuple[str, str]]:
    """Read a table of two columns."""
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [(left, right) for left, right in cells]


def name_kinds(catalog: LiveCatalog) -> list[str]:
    """Name the kind of each product by the patterns of the table, its title before its description; empty for none."""
    patterns = [(kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in read_table(KINDS)]
    kinds = []
    for row in range(catalog.base):
        product = orjson.loads(catalog.document(row))
        texts = (product["title"], product.get("description", ""))
        kinds.append(next((kind for text in texts for kind, pattern in patterns if pattern.search(text)), ""))
    return kinds


def measure_ratings(asker: Asker, ratings: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Count which of the rated products that were a result before stay in it, and which real queries match nothing."""
    stayed: Counter[int] = Counter()
    known: Counter[int] = Counter()
    nothing, totals = [], []
    for query, rated in ratings.items():
        candidates = asker.list_candidates(query)
        answer = asker.ask(query)
        found = {*answer.rows.tolist(), *answer.tail.tolist()}
        totals.append(answer.total)
        if answer.match is Match.NONE:
            nothing.append(query)
        for product, rating in rated.items():
            row = asker.catalog.row_of(product)
            if row >= 0 and candidates[row]:
                known[rating] += 1
                stayed[rating] += row in found
    good = [rating for rating in known if rating >= RELEVANT]
    return {
        "relevant_kept": round(sum(stayed[rating] for rating in good) / sum(known[rating] for rating in good), 4),
        "irrelevant_gone": round(1 - stayed[0] / known[0], 4),
        "by_rating": {rating: [stayed[rating], known[rating]] for rating in sorted(known)},
        "real_queries": len(ratings),
        "real_queries_none": nothing,
        "total_percentiles_5_50_95": np.percentile(totals, [5, 50, 95]).tolist(),
    }


def measure_foreign(asker: Asker, queries: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Count which queries of other trades match nothing."""
    answers = [(query, asker.ask(query).match) for _, query in queries]
    matched = [(query, match.value) for query, match in answers if match is not None and match is not Match.NONE]
    return {"queries": len(queries), "none": round(1 - len(matched) / len(queries), 4), "matched": matched}


def measure_kinds(asker: Asker, kinds: Sequence[str]) -> dict[str, Any]:
    """Count for which queries the commonest kind of the result is the one asked for, as a facet would list it."""
    wrong = []
    asked = read_table(KINDS_OF_QUERIES)
    for query, kind in asked:
        answer = asker.ask(query)
        counts = Counter(kinds[row] for row in [*answer.rows.tolist(), *answer.tail.tolist()] if kinds[row])
        first = counts.most_common(1)[0][0] if counts else ""
        if first != kind:
            wrong.append([query, kind, first])
    return {"queries": len(asked), "right": round(1 - len(wrong) / len(asked), 4), "wrong": wrong}


def measure_order(
    asker: Asker, ratings: Mapping[str, Mapping[str, int]], plan: MeasurePlan, **options: Any
) -> dict[str, Any]:
    """Measure the order of retrieval."""
    answers = [asker.ask(query, **options) for query in ratings]
    orders = [
        [asker.catalog.id_of(row) for row in [*answer.rows.tolist(), *answer.tail.tolist()]] for answer in answers
    ]
    values = describe_values(measure_orders(list(ratings.values()), orders, plan))
    return {part: {name: numbers[name] for name in KEY_METRICS} for part, numbers in values.items()}


def measure_cost(asker: Asker, queries: Sequence[str]) -> dict[str, float]:
    """Measure the CPU milliseconds of a search's retrieval with the floor and, beside it, without."""
    snapshot = asker.catalog.snapshot
    floor = snapshot.floor
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(COST_ROUNDS + 1):
        for query in queries:
            request = replace(write_request(query, {}), depth=20)
            for has_floor in (True, False):
                snapshot.floor = floor if has_floor else None
                start = time.thread_time()
                asker.retrieve(request)
                if number:
                    times[has_floor].append((time.thread_time() - start) * 1e3)
    snapshot.floor = floor
    given, without = np.array(times[True]), np.array(times[False])
    return {
        "with_floor_cpu_ms_p50": round(float(np.median(given)), 3),
        "without_cpu_ms_p50": round(float(np.median(without)), 3),
        "more_cpu_ms_mean": round(float(np.mean(given - without)), 3),
    }


def main(
    data: Annotated[Path, typer.Option(help="folder with products.parquet and judgements.parquet")] = DATA,
    work: Annotated[Path, typer.Option(help="folder for the snapshot")] = WORK,
    encoder: Annotated[Path, typer.Option(help="folder of the exported encoder")] = ENCODER,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="index the products again")] = False,
) -> None:
    """Measure what matches over icecat."""
    console = Console()
    settings = Settings(catalog=build_catalog(data, work, encoder, rebuild=rebuild), encoder=encoder)
    catalog = open_catalog(settings, None)
    if catalog.snapshot.floor is None:
        raise BenchmarkError("the snapshot was built before there was a floor; give --rebuild")
    judgements = read_judgements(data / "judgements.parquet")
    ratings = judgements.ratings
    foreign = read_table(FOREIGN)
    others = [query for _, query in foreign] + [query for query, _ in read_table(KINDS_OF_QUERIES)]
    texts = dict.fromkeys([*ratings, *others])
    stage = open_encoder(settings)
    asker = Asker(catalog, {text: stage.encode([text])[0] for text in texts})
    plan = plan_measures(judgements.levels)
    figures = {
        "floor": asdict(catalog.snapshot.floor),
        "ratings": measure_ratings(asker, ratings),
        "foreign": measure_foreign(asker, foreign),
        "kinds": measure_kinds(asker, name_kinds(catalog)),
        "order": measure_order(asker, ratings, plan),
        "order_with_beyond": measure_order(asker, ratings, plan, beyond=True),
        "cost": measure_cost(asker, list(ratings)),
    }
    for name, part in figures.items():
        console.print(f"{name}: {part}")
    console.print(f"written: {write_record('match_floor', figures).name}")


if __name__ == "__main__":
    run_command(main)
