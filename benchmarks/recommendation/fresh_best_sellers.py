"""What best sellers of yesterday are worth beside those of the last index: online retail, day by day, for strangers.

.venv/bin/python -m benchmarks fresh_best_sellers

What a stranger's home page is made of (popular, trending, arrival, with their default weights) is learned as of the
first day of every four weeks, and as of each day, which is what going on between two indexings comes to: a test holds
it. The baskets of the day's customers who had bought before are to be found. Signals alone: `between_indexings` asks
for pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from benchmarks.harness.command import run_command
from benchmarks.harness.record import write_record
from benchmarks.recommendation.baselines_recommend import Purchases
from benchmarks.recommendation.online_retail_data import CUTOFF, DATA, KEY_METRICS, read_sales, to_seconds
from mercato.arrays import Float64
from mercato.evaluation.intervals import compare_values
from mercato.evaluation.measures import MeasurePlan, measure_orders
from mercato.evaluation.result import describe_comparison, describe_values
from mercato.requests.retrieval import Placement
from mercato.retrieval.fusion import RankedList, fuse_reciprocal_ranks, rank_in_order
from mercato.retrieval.source_weights import WEIGHTS
from mercato.signals.events import NO_ORDER, EventColumns
from mercato.signals.momentum import compute_momentum
from mercato.signals.popularity import compute_popularity

NEEDS = "the evaluation data"
END = "2011-12-10"
DAY = 86_400.0
WEEKS = 8
DAYS_A_MONTH = 28
CANDIDATES = 100
MONTHLY, DAILY = "as of the month", "as of the day"


def list_best(purchases: Purchases, moment: float) -> list[str]:
    """List what a stranger is shown of what is known before a moment, by the codes of products."""
    past = purchases.before(moment)
    events = EventColumns(
        actor=past.user.astype(np.int32),
        product=past.product.astype(np.int32),
        order=np.full(len(past.user), NO_ORDER, np.int32),
        time=past.time,
        weight=np.ones(len(past.user), np.float32),
    )
    weights = WEIGHTS[Placement.HOME_PAGE]
    popularity = compute_popularity(events, purchases.products, until=moment).count
    popular = np.argsort(-popularity, kind="stable")[:CANDIDATES].astype(np.int32)
    momentum = compute_momentum(events, purchases.products, until=moment)
    rows, scores = momentum.rank_trending(CANDIDATES)
    lists = [
        rank_in_order(popular, weights["popular"]),
        RankedList(rows=rows, scores=scores, weight=weights["trending"]),
        rank_in_order(momentum.rank_arrivals(CANDIDATES)[0], weights["arrival"]),
    ]
    return [str(row) for row in fuse_reciprocal_ranks([one for one in lists if len(one.rows)]).rows[:CUTOFF].tolist()]


def main(data: Annotated[Path, typer.Option(help="folder with transactions.parquet")] = DATA) -> None:
    """Measure what a stranger is shown, as of the month and as of the day."""
    console = Console()
    purchases = read_sales(data).purchases
    begin = to_seconds(END) - 7 * WEEKS * DAY
    lists: dict[str, list[list[str]]] = {MONTHLY: [], DAILY: []}
    right: list[dict[str, int]] = []
    for number in range(7 * WEEKS):
        moment = begin + number * DAY
        if number % DAYS_A_MONTH == 0:
            month = list_best(purchases, moment)
        known = np.unique(purchases.before(moment).user)
        today = purchases.between(moment, moment + DAY)
        users = np.intersect1d(np.unique(today.user), known)
        if not len(users):
            continue
        right += [dict.fromkeys(map(str, today.product[today.user == user].tolist()), 1) for user in users.tolist()]
        lists[MONTHLY] += [month] * len(users)
        lists[DAILY] += [list_best(purchases, moment)] * len(users)
    values: dict[str, dict[str, Float64]] = {}
    for name, found in lists.items():
        measured = measure_orders(right, found, MeasurePlan(cutoffs=(CUTOFF,)))
        values[name] = {metric: measured[metric] for metric in KEY_METRICS}
    figures: dict[str, Any] = {
        "until": END,
        "weeks": WEEKS,
        "visits": len(right),
        "learned": {name: describe_values(one) for name, one in values.items()},
        "day_less_month": {
            metric: describe_comparison(compare_values(values[DAILY][metric], values[MONTHLY][metric]))
            for metric in KEY_METRICS
        },
    }
    for name, described in figures["learned"].items():
        console.print(f"{name}: {described['metrics']}", highlight=False)
    for metric, gain in figures["day_less_month"].items():
        console.print(f"{metric}: {gain['difference']} {gain['interval']}", highlight=False)
    console.print(f"written: {write_record('fresh_best_sellers', figures).name}")


if __name__ == "__main__":
    run_command(main)
