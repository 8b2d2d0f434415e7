"""A shop where nobody buys anything twice: the pipeline as it comes beside ItemKNN, EASE, ALS and their blend, tuned.

.venv/bin/python -m benchmarks one_time_purchases
.venv/bin/python -m benchmarks one_time_purchases --ranker

The log is generated over the titles of the evaluation data (`one_time_purchases_data`); each user's last purchase is
left out. The methods are tuned on the purchase before it, and know what a user has: it is not in their lists. The
pipeline runs in this process, without a ranker unless one is asked for, over a snapshot that ``build_snapshot`` makes
of the same purchases, and gets no option: that what a user has is not wanted again, it must have learned from the log.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import REPOSITORY, write_record
from benchmarks.harness.store import ENCODER
from benchmarks.recommendation.baselines_recommend import (
    SEED,
    Method,
    Purchases,
    blend,
    scale_rows,
    score_als,
    score_ease,
    score_item_knn,
    score_popularity,
    tune_blend,
)
from benchmarks.recommendation.one_time_purchases_data import Recipe, make_purchases, split_last
from benchmarks.recommendation.one_time_purchases_shop import measure_pipeline
from benchmarks.recommendation.sequence import CUTOFF, measure_scores
from mercato.arrays import Float32, Float64, Int64
from mercato.evaluation.intervals import compare_values
from mercato.evaluation.result import describe_comparison, describe_values

NEEDS = "the evaluation data"
DATA = REPOSITORY.parent / "shared" / "data" / "icecat_chorus"
METRICS = (f"recall@{CUTOFF}", f"ndcg@{CUTOFF}")
TUNED_ON = 2_000
"""Users for whose purchase before the last the methods are tuned."""
PIPELINE = "pipeline"
BLEND = "blend"


def score_faded_ease(
    past: Purchases, asked: Int64, moment: float, *, regularisation: float = 300.0, fade: float = 1.0
) -> Float32:
    """Score by EASE (`score_ease`) where the n-th last product of a history counts n ** -fade."""
    order = np.lexsort((-np.arange(len(past.user)), -past.time, past.user))
    user = past.user[order]
    rank = np.empty(len(user))
    rank[order] = np.arange(len(user)) - np.searchsorted(user, user) + 1
    table = past.counts()
    faded = (rank**-fade).astype(np.float32)
    history = sparse.csr_matrix((faded, (past.user, past.product)), shape=table.shape)
    gram = ((table > 0).astype(np.float32).T @ (table > 0).astype(np.float32)).toarray()
    gram[np.diag_indices_from(gram)] += regularisation
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0.0
    return np.asarray(history[asked] @ weights, np.float32)


SETTINGS: Mapping[str, tuple[Method, list[dict[str, Any]]]] = {
    "popularity": (score_popularity, [{"days": days} for days in (30.0, 90.0, 3_650.0)]),
    "item_knn": (score_item_knn, [{"neighbours": count} for count in (20, 100, 300)]),
    "ease": (score_ease, [{"regularisation": penalty} for penalty in (30.0, 100.0, 300.0)]),
    "faded_ease": (
        score_faded_ease,
        [{"regularisation": penalty, "fade": fade} for penalty in (30.0, 100.0) for fade in (0.5, 1.0)],
    ),
    "als": (score_als, [{"factors": factors} for factors in (32, 64)]),
}
"""By method the settings that are tried."""


def score(method: Method, past: Purchases, asked: Int64) -> Float32:
    """Score all products for some users; what they have comes last."""
    scores = np.array(method(past, asked, float(past.time.max()) + 1.0), np.float32)
    position = np.full(past.users, -1, np.int64)
    position[asked] = np.arange(len(asked))
    own = position[past.user] >= 0
    scores[position[past.user[own]], past.product[own]] = -np.inf
    return scores


def tune(past: Purchases) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """Choose the settings of each method, and the weights of their blend, by each user's last known purchase."""
    before, asked, right = split_last(past)
    chosen = np.sort(np.random.default_rng(SEED).choice(len(asked), min(TUNED_ON, len(asked)), replace=False))
    asked, right = asked[chosen], right[chosen]
    settings, scaled = {}, {}
    for name, (method, choices) in SETTINGS.items():
        tried = [(score(partial(method, **choice), before, asked), choice) for choice in choices]
        best = max(tried, key=lambda one: _recall(one[0], right))
        settings[name], scaled[name] = best[1], _scale(best[0])
    weights = tune_blend(scaled, lambda scores: _recall(scores, right), np.random.default_rng(SEED), tries=100)
    return settings, weights


def _scale(scores: Float32) -> Float32:
    return scale_rows(np.where(np.isfinite(scores), scores, 0.0))


def _recall(scores: Float32, right: Int64) -> float:
    return float(measure_scores(scores, right)[METRICS[0]].mean())


def measure_methods(
    past: Purchases, asked: Int64, right: Int64, settings: Mapping[str, Mapping[str, Any]], weights: Mapping[str, float]
) -> dict[str, dict[str, Float64]]:
    """Measure each method and the blend: name -> metric -> float64 [users]."""
    scores = {name: score(partial(SETTINGS[name][0], **setting), past, asked) for name, setting in settings.items()}
    scores[BLEND] = blend({name: _scale(one) for name, one in scores.items()}, weights)
    return {name: measure_scores(one, right) for name, one in scores.items()}


def main(
    data: Annotated[Path, typer.Option(help="folder with products.parquet")] = DATA,
    users: Annotated[int, typer.Option(help="users of the generated log")] = 6_000,
    products: Annotated[int, typer.Option(help="products, drawn from the catalogue")] = 4_000,
    encoder: Annotated[Path, typer.Option(help="folder of the exported encoder")] = ENCODER,
    methods: Annotated[bool, typer.Option("--methods/--no-methods", help="without them nothing is written")] = True,
    ranker: Annotated[bool, typer.Option("--ranker", help="train a ranker on the same log, and ask with it")] = False,
) -> None:
    """Measure the pipeline in a shop where nobody buys twice, beside known methods."""
    console = Console()
    file = data / "products.parquet"
    if not file.is_file():
        raise BenchmarkError(f"{file.name} not found beside the checkout; name its folder with --data")
    titles = pd.read_parquet(file, columns=["title"])["title"].dropna()
    titles = titles.iloc[np.sort(np.random.default_rng(SEED).permutation(len(titles))[:products])].tolist()
    recipe = Recipe(users=users)
    purchases = make_purchases(titles, recipe)
    past, asked, right = split_last(purchases)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        pipeline, tuning = measure_pipeline(past, titles, asked, right, Path(name), encoder, ranker=ranker)
    means = {metric: round(float(values.mean()), 4) for metric, values in pipeline.items()}
    console.print(f"{PIPELINE}: {means}; {tuning.say()}", highlight=False)
    if not methods:
        return
    with threadpool_limits(limits=1):
        settings, weights = tune(past)
        values = measure_methods(past, asked, right, settings, weights)
    figures: dict[str, Any] = {
        "recipe": asdict(recipe),
        "purchases": len(purchases.user),
        "products": len(titles),
        "asked": len(asked),
        "settings": settings,
        "blend_weights": weights,
        "tuning": tuning.describe(),
        "methods": {name: describe_values(one) for name, one in values.items()},
        PIPELINE: describe_values(pipeline),
        "pipeline_less": {
            name: {metric: describe_comparison(compare_values(pipeline[metric], one[metric])) for metric in METRICS}
            for name, one in values.items()
        },
        "seconds": round(time.monotonic() - started),
    }
    for name, one in figures["methods"].items():
        less = figures["pipeline_less"][name]
        told = "; ".join(f"{metric} {less[metric]['difference']} {less[metric]['interval']}" for metric in METRICS)
        console.print(f"{name}: {one['metrics']}; the pipeline less it: {told}", highlight=False)
    record = "one_time_purchases_ranker" if ranker else "one_time_purchases"
    console.print(f"written: {write_record(record, figures).name}")


if __name__ == "__main__":
    run_command(main)
