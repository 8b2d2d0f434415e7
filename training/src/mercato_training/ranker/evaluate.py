"""How good an order of products is, against what was bought: metrics with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ir_measures
import numpy as np
from numpy.typing import NDArray

from mercato.features.inputs import History
from mercato.signals.history import PURCHASE
from mercato_training.common.metrics import Estimate
from mercato_training.ranker.examples import ExampleSet, Task

METRICS = {"ndcg@10": ir_measures.nDCG @ 10, "mrr": ir_measures.RR, "recall@20": ir_measures.R @ 20}
"""Computed by ir_measures with trec_eval (MacAvaney et al. 2022); gain 1 for what was bought."""

RESAMPLES = 1000
CONFIDENCE = 0.95


def measure_orders(tasks: Sequence[Task], orders: Sequence[NDArray[np.int32]]) -> dict[str, NDArray[np.float64]]:
    """Measure one order of products for each task.

    What was bought and is not in the order counts as missed.

    Args:
        tasks: requests and what was bought then.
        orders: int32 product rows for each task, best first.

    Returns:
        For each name of :data:`METRICS` float64 [tasks].
    """
    relevant = {str(index): dict.fromkeys(map(str, task.bought.tolist()), 1) for index, task in enumerate(tasks)}
    run = {
        str(index): {str(row): 1.0 / rank for rank, row in enumerate(order.tolist(), start=1)}
        for index, order in enumerate(orders)
    }
    values = {name: np.zeros(len(tasks)) for name in METRICS}
    names = {metric: name for name, metric in METRICS.items()}
    for result in ir_measures.iter_calc(list(METRICS.values()), relevant, run):
        values[names[result.measure]][int(result.query_id)] = result.value
    return values


def order_by_scores(examples: ExampleSet, scores: NDArray[np.float32]) -> list[NDArray[np.int32]]:
    """Order each list by scores, float32 [examples, width]; equal scores keep the order of retrieval."""
    by_score = np.argsort(-scores, axis=1, kind="stable")
    rows = np.take_along_axis(examples.rows, by_score, axis=1)
    return [row[row >= 0] for row in rows]


def order_by_retrieval(examples: ExampleSet) -> list[NDArray[np.int32]]:
    """Return each list as it was retrieved."""
    return [row[row >= 0] for row in examples.rows]


def order_by_habit(history: History, popular: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Order products the plain way: what was bought most often, equal ones by last purchase, then the most popular.

    Args:
        history: newest first.
        popular: int32, product rows, most popular first.
        count: how many to return.
    """
    bought = history.rows[(history.type == PURCHASE) & (history.rows >= 0)]
    rows, first, times = np.unique(bought, return_index=True, return_counts=True)
    habits = rows[np.lexsort((first, -times))][:count].astype(np.int32)
    rest = popular[: count + len(habits)]
    order: NDArray[np.int32] = np.concatenate((habits, rest[~np.isin(rest, habits)]))[:count]
    return order


def estimate_mean(values: NDArray[np.float64], actors: NDArray[np.int64], *, rng: np.random.Generator) -> Estimate:
    """Estimate a mean, its interval by resampling whole actors (cluster bootstrap, Efron and Tibshirani 1993).

    Requests of one actor are alike, so resampling requests would claim too much.

    Args:
        values: float64 [requests].
        actors: int64 [requests].
        rng: for the resampling.
    """
    if not len(values):
        return Estimate(mean=float("nan"), low=float("nan"), high=float("nan"))
    _, cluster = np.unique(actors, return_inverse=True)
    sums, counts = np.bincount(cluster, weights=values), np.bincount(cluster)
    if len(counts) < 2:
        return Estimate(mean=float(values.mean()), low=float("nan"), high=float("nan"))
    draws = rng.multinomial(len(counts), np.full(len(counts), 1.0 / len(counts)), size=RESAMPLES)
    means = draws @ sums / (draws @ counts)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(mean=float(values.mean()), low=float(low), high=float(high))


def compare_systems(
    tasks: Sequence[Task], systems: Mapping[str, Sequence[NDArray[np.int32]]], *, seed: int
) -> dict[str, dict[str, Estimate]]:
    """Measure several systems on the same tasks, and the gain of the last one over each of the others.

    Args:
        tasks: the requests.
        systems: name to orders.
        seed: of the bootstrap.

    Returns:
        System to metric to estimate. ``LAST - NAME`` holds a paired difference.
    """
    actors = np.array([task.actor for task in tasks], dtype=np.int64)
    values = {name: measure_orders(tasks, orders) for name, orders in systems.items()}
    *others, last = list(values)
    for name in others:
        values[f"{last} - {name}"] = {metric: values[last][metric] - values[name][metric] for metric in METRICS}
    return {
        name: {metric: estimate_mean(one[metric], actors, rng=np.random.default_rng(seed)) for metric in METRICS}
        for name, one in values.items()
    }
