"""Queries in other languages than the shop's: those of icecat in Chinese, German and Spanish, beside the English ones.

.venv/bin/python -m benchmarks languages
.venv/bin/python -m benchmarks languages --catalog var/icecat-e5/catalog --encoder var/models/encoder-e5

The snapshot is one of ``mercato index ... --glosses zh,de,es``, or one without, whose encoder reads all languages. All
is computed in this process by the server's own pipeline, without a ranker; ``CONTEXT.language`` names the language.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import ENCODER
from benchmarks.search.icecat import DATA, WORK
from mercato.arrays import Float64
from mercato.errors import MercatoError
from mercato.evaluation.judgements import Judgements, read_judgements
from mercato.evaluation.measures import MeasurePlan, measure_orders, plan_measures
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.models.encoder import OnnxEncoder, read_manifest
from mercato.pipeline.pipeline import Pipeline
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.page import parse_search
from mercato.retrieval.retriever import Retriever

NEEDS = "the evaluation data"

QUERIES = Path(__file__).with_name("data") / "icecat_queries.csv"
ENGLISH = "en"
LANGUAGES = ("zh", "de", "es")
DEPTH = 500
METRICS = ("ndcg@10", "ndcg@10_condensed", "recall@100")


def read_queries(file: Path = QUERIES) -> dict[str, dict[str, str]]:
    """Read the translated queries: English query -> language -> what its shopper types."""
    with file.open(encoding="utf-8", newline="") as lines:
        return {row[ENGLISH]: row for row in csv.DictReader(lines)}


@contextmanager
def _without_glosses(snapshot: Snapshot, *, wanted: bool) -> Iterator[None]:
    """Leave the snapshot's glosses out, to see what they are worth."""
    kept = snapshot.glosses
    if not wanted:
        snapshot.__dict__["glosses"] = {}
    yield
    snapshot.__dict__["glosses"] = kept


def measure(
    pipeline: Pipeline,
    judgements: Judgements,
    plan: MeasurePlan,
    queries: Mapping[str, Mapping[str, str]],
    language: str,
) -> dict[str, Float64]:
    """Ask every query in one language and measure the answers: metric -> float64 [queries].

    Raises:
        BenchmarkError: a query has no translation, or is refused.
    """
    orders = []
    for english in judgements.queries:
        if english not in queries:
            raise BenchmarkError(f"{QUERIES.name}: lacks {english!r}; add it in every language")
        fields: dict[str, Any] = {
            "QUERY": queries[english][language].encode(),
            "CONTEXT": orjson.dumps({"language": language}),
            "PAGE_SIZE": DEPTH,
        }
        [answer] = pipeline.answer([parse_search(fields)])
        if isinstance(answer, MercatoError):
            raise BenchmarkError(f"{queries[english][language]!r}: {answer}")
        orders.append(answer.product_ids)
    return measure_orders(list(judgements.ratings.values()), orders, plan)


def main(
    data: Annotated[Path, typer.Option(help="folder with judgements.parquet")] = DATA,
    catalog: Annotated[Path, typer.Option(help="snapshot of icecat")] = WORK / "catalog",
    encoder: Annotated[Path, typer.Option(help="folder of its encoder")] = ENCODER,
    glosses: Annotated[bool, typer.Option(help="use the snapshot's glosses")] = True,
    record: Annotated[str, typer.Option(help="name of the result; none is written without")] = "",
) -> None:
    """Measure icecat's queries in four languages, as shares of the English figures."""
    console = Console()
    judgements = read_judgements(data / "judgements.parquet")
    plan = plan_measures(judgements.levels)
    queries = read_queries()
    snapshot, model = Snapshot(catalog), OnnxEncoder(encoder)
    serving = read_manifest(encoder).serving
    figures: dict[str, dict[str, float]] = {}
    with _without_glosses(snapshot, wanted=glosses):
        live = LiveCatalog(snapshot, None)
        reader = QueryAnalyzer(live)
        pipeline = Pipeline(
            live,
            model,
            Retriever(live, None, queries=reader),
            None,
            queries=reader,
            knows_languages=serving.multilingual,
        )
        for language in (ENGLISH, *LANGUAGES):
            values = measure(pipeline, judgements, plan, queries, language)
            figures[language] = {name: float(np.nanmean(values[name])) for name in METRICS}
            figures[language]["share"] = figures[language][METRICS[0]] / figures[ENGLISH][METRICS[0]]
    table = Table("language", *METRICS, "share of English nDCG@10")
    for language, row in figures.items():
        table.add_row(language, *(f"{row[name]:.4f}" for name in METRICS), f"{row['share']:.1%}")
    console.print(table)
    if record:
        document = {
            "queries": len(judgements.queries),
            "glosses": sorted(snapshot.glosses) if glosses else [],
            "multilingual_encoder": serving.multilingual,
            "languages": figures,
        }
        console.print(f"written: {write_record(record, document).name}")


if __name__ == "__main__":
    run_command(main)
