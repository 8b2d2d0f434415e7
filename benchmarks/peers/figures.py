"""From loads to what is compared: figures of a load, medians over rounds, ratios within each round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.harness.record import summarize
from mercato.bench import figures
from mercato.bench.driver import Load
from mercato.bench.figures import ANSWERED, Outcome

Point = Mapping[str, Any]
"""Figures of one load of one round."""

COMPARED = {
    "queries_per_s_at_1": ("1", "queries_per_s"),
    "queries_per_s_at_16": ("16", "queries_per_s"),
    "queries_per_s_at_32": ("32", "queries_per_s"),
    "p50_ms_at_1": ("1", "p50_ms"),
    "p99_ms_at_32": ("32", "p99_ms"),
    "cpu_ms_per_query_at_1": ("1", "cpu_ms_per_query"),
    "cpu_ms_per_query_at_32": ("32", "cpu_ms_per_query"),
    "hot_queries_per_s_at_32": ("32 hot", "queries_per_s"),
    "hot_cpu_ms_per_query_at_32": ("32 hot", "cpu_ms_per_query"),
}
"""What is compared: its name -> the load and the figure of it."""


def describe_load(
    outcome: Outcome, load: Load, cpu_s: float, count_products: Callable[[bytes], int] | None = None
) -> dict[str, Any]:
    """Return the figures of one load.

    Args:
        outcome: what became of its requests.
        load: what was asked.
        cpu_s: what all processes of the system computed meanwhile, warm-up included.
        count_products: tells how many products an answer has; None where there are none to look at.

    Returns:
        ``queries_per_s``, ``p50_ms``, ``p99_ms`` of the window behind the warm-up (a percentile is None where too few
        were answered to tell it); ``cpu_ms_per_query`` and the driver's over all answers; ``products_per_answer``, the
        mean of a sample (None without one); ``errors`` by kind.
    """
    reached = figures.summarize(outcome, begin_s=load.warm_up_s, seconds=load.seconds, within_s=load.timeout_s)
    answered = sum(error == ANSWERED for error in outcome.errors)
    latency = reached["latency_ms"]
    counts = [count_products(answer) for answer in outcome.answers] if count_products else []
    return {
        "queries_per_s": reached["queries_per_s"],
        "p50_ms": latency["p50"],
        "p99_ms": latency["p99"],
        "cpu_ms_per_query": round(1000 * cpu_s / answered, 3) if answered else None,
        "driver_cpu_ms_per_query": round(1000 * outcome.cpu_s / answered, 3) if answered else None,
        "products_per_answer": round(statistics.fmean(counts), 2) if counts else None,
        "errors": reached["errors"],
    }


def merge_rounds(points: Sequence[Point]) -> dict[str, Any]:
    """Return each figure's median, range and rounds, those that no round could tell left out; errors added up."""
    merged: dict[str, Any] = {}
    for name in points[0]:
        if name == "errors":
            continue
        values = [point[name] for point in points if point[name] is not None]
        if values:
            merged[name] = summarize(values, digits=3)
    errors: dict[str, int] = {}
    for point in points:
        for kind, count in point["errors"].items():
            errors[kind] = errors.get(kind, 0) + count
    return {**merged, "errors": errors}


def compare_rounds(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, Any]:
    """Return the ratio of each round, theirs over ours, with its median and quartiles (interpolated between rounds).

    Args:
        theirs: one figure a round.
        ours: of the same rounds, above zero.
    """
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    low, median, high = (
        statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else (ratios[0], ratios[0], ratios[0])
    )
    return {
        "median": round(median, 3),
        "quartiles": [round(low, 3), round(high, 3)],
        "rounds": [round(ratio, 3) for ratio in ratios],
    }


def compare_systems(
    rounds: Mapping[str, Mapping[str, Sequence[Point]]], reference: str
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what each system reached over what the reference did in the same round.

    Args:
        rounds: system -> load -> its points, one a round.
        reference: the system that others are divided by.

    Returns:
        system -> name of `COMPARED` -> ratio; without what either could not tell in some round. Empty where the
        reference was not measured.
    """
    if reference not in rounds:
        return {}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for system in rounds:
        if system == reference:
            continue
        found[system] = {}
        for name, (load, figure) in COMPARED.items():
            theirs = [point[figure] for point in rounds[system].get(load, ())]
            ours = [point[figure] for point in rounds[reference].get(load, ())]
            if theirs and len(theirs) == len(ours) and all(theirs) and all(ours):
                found[system][name] = compare_rounds(theirs, ours)
    return found
