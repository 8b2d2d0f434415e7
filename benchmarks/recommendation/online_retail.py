"""Recommendation over the online retail purchases of the evaluation data: the running server beside known methods.

.venv/bin/python -m benchmarks online_retail
.venv/bin/python -m benchmarks online_retail --seeds 3
.venv/bin/python -m benchmarks online_retail --october          for tuning: nothing after October is read

The shop knows what was bought before 2011-11-01; the project's own commands index it and train its ranker, and the
server (profile ``cpu``) is asked for every customer who came back by 2011-12-09, as of 2011-11-01. The methods know the
same; their blend is tuned on the month before.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from threadpoolctl import threadpool_limits

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import ENCODER, VAR
from benchmarks.recommendation.baselines_recommend import METHODS, SEED, Purchases, blend, scale_rows, tune_blend
from benchmarks.recommendation.online_retail_data import (
    DATA,
    KEY_METRICS,
    SCOPES,
    Sales,
    Window,
    compute_mean_ndcg,
    measure_scores,
    open_window,
    read_sales,
)
from benchmarks.recommendation.online_retail_server import Customers, Measured, describe_latency, measure_server, serve
from benchmarks.recommendation.online_retail_shop import TRAINING, last_countries, open_shop, train_ranker
from mercato.arrays import Float32, Float64
from mercato.evaluation.intervals import compare_values
from mercato.evaluation.result import describe_comparison, describe_values, tidy

NEEDS = "the evaluation data"
WORK = VAR / "online_retail"
FIRST_SEED = 17
BLEND = "blend"
BLEND_TRIES = 500  # fewer find a worse blend
FUSED = "server, fused order"
MEAN = "server, mean of seeds"
GOALS: Mapping[str, Mapping[str, float]] = {
    "all": {"recall@20": 0.27, "ndcg@20": 0.375},
    "new": {"recall@20": 0.13, "ndcg@20": 0.135},
}
"""For the test weeks; a goal is met where the paired 95 % interval of the gain over the blend excludes zero too."""

Systems = dict[str, dict[str, Float64]]


@dataclass(frozen=True, kw_only=True)
class Weeks:
    """The days of a run: ``tune`` to ``split`` for the blend, ``split`` to ``stop`` is measured."""

    tune: str
    split: str
    stop: str


TEST = Weeks(tune="2011-10-01", split="2011-11-01", stop="2011-12-10")
OCTOBER = Weeks(tune="2011-09-01", split="2011-10-01", stop="2011-11-01")


def score_all(window: Window) -> dict[str, Float32]:
    """Score a window's customers with every method."""
    return {name: score(window.past, window.asked, window.moment) for name, score in METHODS.items()}


def measure_baselines(
    purchases: Purchases, weeks: Weeks, tries: int = BLEND_TRIES
) -> tuple[dict[str, Systems], dict[str, dict[str, float]]]:
    """Measure every method, and the blend that was best in the weeks before.

    Returns:
        Scope -> system -> metric -> float64 [customers], and scope -> method -> weight in the blend.
    """
    tuning, test = open_window(purchases, weeks.tune, weeks.split), open_window(purchases, weeks.split, weeks.stop)
    before = {name: scale_rows(scores) for name, scores in score_all(tuning).items()}
    weights: dict[str, dict[str, float]] = {}
    for scope in SCOPES:

        def quality(scores: Float32, scope: str = scope) -> float:
            return compute_mean_ndcg(tuning, scores, scope)

        weights[scope] = tune_blend(before, quality, np.random.default_rng(SEED), tries=tries)
    scores = score_all(test)
    scaled = {name: scale_rows(one) for name, one in scores.items()}
    values: dict[str, Systems] = {}
    for scope in SCOPES:
        values[scope] = {name: measure_scores(test, one, scope) for name, one in scores.items()}
        values[scope][BLEND] = measure_scores(test, blend(scaled, weights[scope]), scope)
    return values, weights


def find_best(systems: Systems, metric: str) -> str:
    """Find the single method that is best on the weeks that are measured: the hardest one to gain over."""
    single = [name for name in systems if name != BLEND]
    return max(single, key=lambda name: float(np.nanmean(systems[name][metric])))


def describe_server(values: Mapping[str, Float64], baselines: Systems) -> dict[str, Any]:
    """Give a server's figures in one scope, with the paired gains over the blend and over the best single method."""
    gains: dict[str, dict[str, Any]] = {}
    for metric in KEY_METRICS:
        best = find_best(baselines, metric)
        gains[metric] = {
            f"over_{BLEND}": describe_comparison(compare_values(values[metric], baselines[BLEND][metric])),
            "over_best_single": {
                "name": best,
                **describe_comparison(compare_values(values[metric], baselines[best][metric])),
            },
        }
    return {**describe_values(values), "gain": gains}


def average(runs: Sequence[Mapping[str, Float64]]) -> dict[str, Float64]:
    """Average the figures of several seeds for each customer."""
    return {metric: np.mean([run[metric] for run in runs], axis=0) for metric in runs[0]}


def judge(described: Mapping[str, Any], scope: str) -> dict[str, Any]:
    """Say of each goal of a scope what was reached, and whether it is met."""
    verdicts = {}
    for metric, goal in GOALS[scope].items():
        reached, gain = described["metrics"][metric], described["gain"][metric][f"over_{BLEND}"]
        low = gain["interval"][0]
        certain = low is not None and low > 0
        verdicts[metric] = {
            "goal": goal,
            "reached": reached,
            "gain_excludes_zero": certain,
            "met": bool(reached >= goal and certain),
        }
    return verdicts


def describe_run(
    measured: Mapping[str, Measured],
    baselines: Mapping[str, Systems],
    seeds: Sequence[str],
    *,
    concurrency: int,
    goals: bool,
) -> dict[str, Any]:
    """Give the figures of all servers.

    Args:
        measured: name -> what that server reached.
        baselines: scope -> system -> metric -> float64 [customers].
        seeds: those of the names that differ by the ranker's seed alone.
        concurrency: requests that were made at a time.
        goals: whether the goals are those of these weeks.
    """
    values = {name: one.values for name, one in measured.items()}
    if seeds:
        values[MEAN] = {scope: average([values[name][scope] for name in seeds]) for scope in SCOPES}
    servers: dict[str, Any] = {
        name: {scope: describe_server(by_scope[scope], baselines[scope]) for scope in SCOPES}
        for name, by_scope in values.items()
    }
    for name, one in measured.items():
        for scope in SCOPES:
            servers[name][scope]["latency_ms"] = describe_latency(one.milliseconds[scope], concurrency)
            servers[name][scope]["shorter_than_20"] = one.short[scope]
    figures: dict[str, Any] = {"servers": servers}
    if goals and seeds:
        figures["goals"] = {scope: judge(servers[MEAN][scope], scope) for scope in SCOPES}
    return figures


def measure_servers(
    sales: Sales, weeks: Weeks, work: Path, encoder: Path, rankers: Sequence[Path], seeds: int,
    training: Sequence[str], sequence: Path | None, concurrency: int,
) -> tuple[dict[str, Measured], list[str]]:  # fmt: skip
    """Open the shop, train its rankers unless some are given, and measure a server with each, and one without.

    Returns:
        What each server reached by its name, and the names that have a ranker.
    """
    window = open_window(sales.purchases, weeks.split, weeks.stop)
    countries = last_countries(sales.lines, weeks.split)
    ids = [sales.users[code] for code in window.asked.tolist()]
    customers = Customers(
        ids=ids,
        regions=[countries[user] for user in ids],
        moment=window.moment,
        code_of={product: code for code, product in enumerate(sales.products)},
    )
    shop = open_shop(sales.lines, weeks.split, work, encoder)
    served: dict[str, Path | None] = {FUSED: None}
    for index, folder in enumerate(rankers):
        served[f"server, ranker {index + 1} ({folder.name})"] = folder
    for seed in range(FIRST_SEED, FIRST_SEED + (0 if rankers else seeds)):
        served[f"server, ranker of seed {seed}"] = train_ranker(shop, encoder, seed=seed, training=training)
    measured = {}
    for name, ranker in served.items():
        with serve(shop, encoder, ranker, sequence) as address:
            measured[name] = measure_server(address, window, customers, concurrency=concurrency)
    return measured, [name for name, ranker in served.items() if ranker is not None]


def main(
    data: Annotated[Path, typer.Option(help="folder with transactions.parquet")] = DATA,
    work: Annotated[Path, typer.Option(help="folder of the shop's files; one for each run at a time")] = WORK,
    encoder: Annotated[Path, typer.Option(help="folder of the exported encoder")] = ENCODER,
    ranker: Annotated[
        list[Path] | None, typer.Option(help="exported ranker to measure instead of training some; repeatable")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="rankers to train, of different seeds")] = 1,
    training: Annotated[str, typer.Option(help="options of mercato train ranker")] = shlex.join(TRAINING),
    sequence: Annotated[Path | None, typer.Option(help="exported sequence model; none without")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=16, help="requests at a time")] = 2,
    october: Annotated[bool, typer.Option("--october", help="measure October: what tuning may look at")] = False,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="without them nothing is compared nor written")
    ] = True,
) -> None:
    """Measure the whole product on online retail, through the running server, beside well-known methods."""
    console = Console()
    weeks = OCTOBER if october else TEST
    for folder in ranker or []:
        if not folder.is_dir():
            raise BenchmarkError(f"--ranker {folder.name}: no such folder; mercato export ranker --out DIR makes one")
    sales = read_sales(data)
    started = time.monotonic()
    values: dict[str, Systems] = {}
    weights: dict[str, dict[str, float]] = {}
    if baselines:
        with threadpool_limits(limits=1):  # ALS brings its own threads, and others use the machine
            values, weights = measure_baselines(sales.purchases, weeks)
        console.print("the methods are measured; the shop is opened", highlight=False)
    known = time.monotonic()
    options = shlex.split(training)
    measured, seeded = measure_servers(sales, weeks, work, encoder, ranker or [], seeds, options, sequence, concurrency)
    if not baselines:
        for name, one in measured.items():
            for scope in SCOPES:
                means = {metric: tidy(float(np.nanmean(one.values[scope][metric]))) for metric in KEY_METRICS}
                console.print(f"{scope}, {name}: {means}", highlight=False)
        return
    window = open_window(sales.purchases, weeks.split, weeks.stop)
    figures: dict[str, Any] = {
        "split": weeks.split,
        "until": weeks.stop,
        "rows": len(sales.lines),
        "customers": len(sales.users),
        "products": len(sales.products),
        "test_customers": {scope: sum(map(bool, window.right(scope))) for scope in SCOPES},
        "training": training if not ranker else None,
        "sequence": sequence is not None,
        **describe_run(measured, values, seeded, concurrency=concurrency, goals=not october),
        "baselines": {
            scope: {name: describe_values(one) for name, one in systems.items()} for scope, systems in values.items()
        },
        "blend_weights": weights,
        "seconds": {"baselines": round(known - started), "shop_and_servers": round(time.monotonic() - known)},
    }
    for line in write_lines(figures):
        console.print(line, highlight=False)
    name = "online_retail_october" if october else "online_retail"
    console.print(f"written: {write_record(name, figures).name}")


def write_lines(figures: Mapping[str, Any]) -> list[str]:
    """Write what a person wants to see of the figures."""
    lines = []
    for scope in SCOPES:
        for name, described in figures["baselines"][scope].items():
            lines.append(f"{scope}, {name}: {described['metrics']}")
        for name, by_scope in figures["servers"].items():
            described = by_scope[scope]
            lines.append(f"{scope}, {name}: {described['metrics']}")
            for metric, gain in described["gain"].items():
                over = gain[f"over_{BLEND}"]
                lines.append(f"    {metric} over the blend: {over['difference']} {over['interval']}")
        for metric, verdict in figures.get("goals", {}).get(scope, {}).items():
            lines.append(f"{scope}, {metric}: goal {verdict['goal']}, {'met' if verdict['met'] else 'not met'}")
    return lines


if __name__ == "__main__":
    run_command(main)
