"""Search over the icecat catalogue of the evaluation data, through the server, beside well-known libraries.

.venv/bin/python -m benchmarks icecat
.venv/bin/python -m benchmarks icecat --folds var/icecat/folds      models trained without each fold's queries
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import REPOSITORY, write_record
from benchmarks.harness.store import ENCODER, VAR
from benchmarks.search.baselines_search import fuse_orders, order_scores, score_bm25
from mercato.arrays import Float64
from mercato.evaluation.asking import open_client
from mercato.evaluation.folds import FOLDS, fold_of
from mercato.evaluation.intervals import compare_values
from mercato.evaluation.judgements import Judgements, read_judgements
from mercato.evaluation.measures import MeasurePlan, measure_orders, plan_measures
from mercato.evaluation.result import (
    Evaluation,
    describe_comparison,
    describe_evaluation,
    describe_values,
    summarize_answers,
)
from mercato.evaluation.search import SearchSettings, evaluate_search
from mercato.index.snapshot import Snapshot
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer

NEEDS = "the evaluation data"

DATA = REPOSITORY.parent / "shared" / "data" / "icecat_chorus"
WORK = VAR / "icecat"
MAPPING = (
    "brand=supplier",
    "description=short_description",
    "price=price/100",
    "available_time=date_released",
    "image_uri=img_500x500",
    "attributes.model=name",
    "ignore=ean,img_high,img_low,img_thumb",
)
"""Columns of the file: prices are in cents, ``attributes`` holds JSON objects and needs no mapping."""
KEY_METRICS = ("ndcg@10", "ndcg@10_condensed", "recall@100")
FUSION = "fusion"


@dataclass(frozen=True, kw_only=True)
class Served:
    """Models that are served together.

    Attributes:
        ranker: folder; None serves the order of retrieval.
        reranker: folder; None reads nothing again.
    """

    ranker: Path | None
    reranker: Path | None


def build_catalog(data: Path, work: Path, encoder: Path, *, rebuild: bool) -> Path:
    """Index the products with the command that a shop would use; an existing snapshot is kept.

    Raises:
        BenchmarkError: the data is not there, or the command fails.
    """
    products = data / "products.parquet"
    if not products.is_file():
        raise BenchmarkError(f"{products.name} not found beside the checkout; name its folder with --data")
    catalog = work / "catalog"
    if catalog.exists() and not rebuild:
        return catalog
    mercato = Path(sys.executable).with_name("mercato")
    command = [str(mercato), "index", str(products), "--out", str(catalog), "--encoder", str(encoder)]
    command += [part for pair in MAPPING for part in ("--map", pair)]
    if subprocess.run(command, cwd=REPOSITORY, check=False).returncode != 0:
        raise BenchmarkError("the catalogue could not be indexed; see the messages above")
    return catalog


@contextmanager
def serve(catalog: Path, encoder: Path, served: Served) -> Iterator[str]:
    """Serve the catalogue with the profile ``cpu`` on free ports; gives the address."""
    options = ServerOptions(
        catalog=catalog,
        encoder=encoder,
        ranker=served.ranker,
        reranker=served.reranker,
        profile="cpu",
        answer_cache_mb=0,
        ports=Ports(grpc=0, http=0, metrics=0),
    )
    with TritonServer(options) as server:
        yield server.grpc_address


def list_folds(folder: Path, folds: int = FOLDS) -> list[Served]:
    """Find the models that were trained without each fold: ``ranker-0``, ``reranker-0``, and so on.

    Raises:
        BenchmarkError: a fold has neither.
    """
    found = []
    for fold in range(folds):
        ranker, reranker = (folder / f"{name}-{fold}" for name in ("ranker", "reranker"))
        if not ranker.is_dir() and not reranker.is_dir():
            raise BenchmarkError(f"--folds: neither {ranker.name} nor {reranker.name} is in {folder.name}")
        found.append(
            Served(ranker=ranker if ranker.is_dir() else None, reranker=reranker if reranker.is_dir() else None)
        )
    return found


def select_fold(judgements: Judgements, fold: int, folds: int = FOLDS) -> Judgements:
    """Keep the ratings of one fold's queries."""
    kept = {query: rated for query, rated in judgements.ratings.items() if fold_of(query, folds) == fold}
    return replace(judgements, ratings=kept)


def merge_evaluations(parts: Sequence[Evaluation]) -> Evaluation:
    """Join evaluations of different queries into one, as if one server had answered all."""
    first = parts[0]
    answers = [answer for part in parts for answer in part.answers]
    stages = [name for name in first.stages if all(name in part.stages for part in parts)]
    return replace(
        first,
        labels=[label for part in parts for label in part.labels],
        answers=answers,
        ratings=[rated for part in parts for rated in part.ratings],
        values={name: np.concatenate([part.values[name] for part in parts]) for name in first.values},
        stages={
            stage: {name: np.concatenate([part.stages[stage][name] for part in parts]) for name in first.stages[stage]}
            for stage in stages
        },
        totals=summarize_answers(answers, first.cutoffs, first.catalogue),
        warnings=list(dict.fromkeys(warning for part in parts for warning in part.warnings)),
    )


def evaluate_server(
    catalog: Path, encoder: Path, served: Served, judgements: Judgements, plan: MeasurePlan, options: dict[str, Any]
) -> Evaluation:
    """Serve models and measure them, with the code of ``mercato eval search``."""
    settings = SearchSettings(options=options or None, concurrency=2)
    with serve(catalog, encoder, served) as address, open_client(address) as client:
        return evaluate_search(client, judgements, plan, settings)


def write_text(row: Mapping[str, Any]) -> str:
    """Write a product as the baselines read it: title, supplier, description, attributes.

    Of the attributes: names and values of texts, names of truths. Numbers without their units only add words that
    match by chance, and cost BM25 0.05 of nDCG@10.
    """
    parts = [row["title"], row["supplier"], row["short_description"]]
    for key, value in json.loads(row["attributes"] or "{}").items():
        name = key.partition("_")[2].replace("_", " ")
        if isinstance(value, str):
            parts.append(f"{name} {value}")
        elif value is True:
            parts.append(name)
    return " ".join(part for part in parts if part)


def measure_baselines(
    data: Path, catalog: Path, judgements: Judgements, plan: MeasurePlan, encoder: Path
) -> dict[str, dict[str, Float64]]:
    """Measure BM25, dense search and their fusion on the same queries: whole rankings over all products.

    Dense search is exact, over the snapshot's own vectors: title, supplier, description and attributes, encoded once.

    Returns:
        System -> metric -> float64 [queries], in the order of the judgements.
    """
    from mercato.models.encoder.onnx_encoder import OnnxEncoder

    rows = pq.read_table(data / "products.parquet").to_pylist()
    ids = [str(row["id"]) for row in rows]
    queries, ratings = judgements.queries, list(judgements.ratings.values())
    words = order_scores(score_bm25([write_text(row) for row in rows], queries))
    model, snapshot = OnnxEncoder(encoder), Snapshot(catalog)
    vectors = snapshot.vectors(np.array([snapshot.row_by_id[product] for product in ids]))
    dense = order_scores(np.concatenate([model.encode([query]) for query in queries]) @ vectors.T)
    orders = {"bm25": words, "dense": dense, FUSION: order_scores(fuse_orders([words, dense]))}
    return {
        name: measure_orders(
            ratings,
            [keep_measured(ids, order, rated, plan.depth) for order, rated in zip(rankings, ratings, strict=True)],
            plan,
        )
        for name, rankings in orders.items()
    }


def keep_measured(ids: Sequence[str], order: npt.NDArray[np.int64], rated: Mapping[str, int], depth: int) -> list[str]:
    """Keep of a whole ranking what a metric looks at: the first products, and every rated one (for condensed lists)."""
    return [ids[row] for position, row in enumerate(order.tolist()) if position < depth or ids[row] in rated]


def describe_gain(ours: Mapping[str, Float64], theirs: Mapping[str, Float64]) -> dict[str, Any]:
    """Give the paired gain in the figures that a target is set for."""
    return {name: describe_comparison(compare_values(ours[name], theirs[name])) for name in KEY_METRICS}


def reorder(evaluation: Evaluation, queries: Sequence[str]) -> dict[str, Float64]:
    """Give an evaluation's metrics in the order of the given queries."""
    position_of = {label: position for position, label in enumerate(evaluation.labels)}
    positions = [position_of[query] for query in queries]
    return {name: values[positions] for name, values in evaluation.values.items()}


def main(
    data: Annotated[Path, typer.Option(help="folder with products.parquet and judgements.parquet")] = DATA,
    work: Annotated[Path, typer.Option(help="folder for the snapshot")] = WORK,
    encoder: Annotated[Path, typer.Option(help="folder of the exported encoder")] = ENCODER,
    ranker: Annotated[Path | None, typer.Option(help="ranker that no rating was used for; none without")] = None,
    reranker: Annotated[Path | None, typer.Option(help="reranker that no rating was used for; none without")] = None,
    folds: Annotated[Path | None, typer.Option(help="folder with ranker-N and reranker-N for each fold")] = None,
    options: Annotated[str, typer.Option(help="OPTIONS of every search, a JSON object")] = "{}",
    rebuild: Annotated[bool, typer.Option("--rebuild", help="index the products again")] = False,
) -> None:
    """Measure search over icecat: the server, cross-validated where models were trained on ratings, and baselines."""
    console = Console()
    catalog = build_catalog(data, work, encoder, rebuild=rebuild)
    judgements = read_judgements(data / "judgements.parquet")
    plan = plan_measures(judgements.levels)
    asked: dict[str, Any] = json.loads(options)
    baselines = measure_baselines(data, catalog, judgements, plan, encoder)
    runs = {"no_ratings": evaluate_server(catalog, encoder, Served(ranker=ranker, reranker=reranker), judgements,
                                          plan, asked)}  # fmt: skip
    if folds is not None:
        parts = [
            evaluate_server(catalog, encoder, served, select_fold(judgements, fold), plan, asked)
            for fold, served in enumerate(list_folds(folds))
        ]
        runs["cross_validated"] = merge_evaluations(parts)
    figures: dict[str, Any] = {
        "queries": len(judgements.queries),
        "options": asked,
        "models": {
            "ranker": ranker.name if ranker else None,
            "reranker": reranker.name if reranker else None,
            "folds": folds.name if folds else None,
        },
        "baselines": {name: _keep_key(describe_values(values)) for name, values in baselines.items()},
        "runs": {},
    }
    for name, run in runs.items():
        document = describe_evaluation(run, per_question=False)
        gain = describe_gain(reorder(run, judgements.queries), baselines[FUSION])
        figures["runs"][name] = {
            **{key: document[key] for key in ("metrics", "intervals", "latency_ms", "warnings")},
            "gain_over_fusion": gain,
        }
    systems = {**figures["baselines"], **figures["runs"]}
    for name, system in systems.items():
        console.print(f"{name}: { {metric: system['metrics'][metric] for metric in KEY_METRICS} }")
    for name, run_figures in figures["runs"].items():
        console.print(f"{name} over fusion: {run_figures['gain_over_fusion']}")
    console.print(f"written: {write_record('icecat', figures).name}")


def _keep_key(described: Mapping[str, Any]) -> dict[str, Any]:
    return {part: {name: values[name] for name in KEY_METRICS} for part, values in described.items()}


if __name__ == "__main__":
    run_command(main)
