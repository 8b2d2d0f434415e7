"""What an evaluation found, and the JSON document that it becomes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mercato.arrays import Float64
from mercato.evaluation.asking import Answer
from mercato.evaluation.intervals import SEED, Comparison, Estimate, estimate_mean

SCHEMA = 1
"""Version of the document; an evaluation is compared with earlier ones of its own version only."""
_DIGITS = 6


@dataclass(kw_only=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        kind: ``search`` or ``recommend``.
        labels: what names each question: the query, the user; distinct.
        answers: the server's, one for each question.
        ratings: for each question product id -> rating, without products that the catalogue does not hold.
        values: metric -> float64 [questions], NaN where it is not defined.
        stages: stage -> metric -> float64 [questions]; empty without explanations.
        depth: products asked for.
        cutoffs: depths k of the metrics.
        catalogue: products that the server can show.
        latency: as `time_all`.
        totals: metrics of the run as a whole, such as the coverage of the catalogue.
        groups: column or way of grouping -> group -> what is known of it.
        sources: source -> what of the answers it found; empty for searches.
        reasons: what was checked of the explanations; empty without them.
        curves: what dials cost and bring, as `mercato.evaluation.dials.measure_curves`; empty where none was turned.
        counts: what was read, and what of it could not be used.
        settings: what the server was asked for, and how it was measured.
        definitions: what the figures mean, for people.
        warnings: what a reader must know before believing the figures.
        shown: metric that questions are sorted by, best known first.
        seed: of the bootstrap and the randomisation tests.
    """

    kind: str
    labels: list[str]
    answers: list[Answer]
    ratings: Sequence[Mapping[str, int]]
    values: dict[str, Float64]
    stages: dict[str, dict[str, Float64]] = field(default_factory=dict)
    depth: int = 0
    cutoffs: tuple[int, ...] = ()
    catalogue: int = 0
    latency: dict[str, Any] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    reasons: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    shown: str = "ndcg@10"
    seed: int = SEED


def describe_evaluation(evaluation: Evaluation, *, per_question: bool = True) -> dict[str, Any]:
    """Give an evaluation as JSON values.

    Args:
        evaluation: what was found.
        per_question: whether to add ``per_query``, with each question's metrics and what was returned.

    Returns:
        The document; numbers that are not defined are null.
    """
    seed = evaluation.seed
    estimates = {name: estimate_mean(values, seed=seed) for name, values in evaluation.values.items()}
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": evaluation.kind,
        "queries": len(evaluation.labels),
        "metrics": {**describe_means(estimates), **{name: tidy(value) for name, value in evaluation.totals.items()}},
        "intervals": describe_intervals(estimates),
        "queries_of_metric": {name: estimate.count for name, estimate in estimates.items()},
        "stages": {name: describe_values(values, seed=seed) for name, values in evaluation.stages.items()},
        "groups": evaluation.groups,
        "sources": evaluation.sources,
        "reasons": evaluation.reasons,
        **({"curves": evaluation.curves} if evaluation.curves else {}),
        "latency_ms": evaluation.latency,
        "counts": {**evaluation.counts, "catalogue": evaluation.catalogue},
        "settings": {**evaluation.settings, "seed": seed},
        "definitions": evaluation.definitions,
        "warnings": evaluation.warnings,
    }
    if per_question:
        document["per_query"] = [_describe_question(evaluation, position) for position in range(len(evaluation.labels))]
    return document


def describe_values(values: Mapping[str, Float64], *, seed: int = SEED) -> dict[str, Any]:
    """Give metrics of questions as means and intervals."""
    estimates = {name: estimate_mean(one, seed=seed) for name, one in values.items()}
    return {"metrics": describe_means(estimates), "intervals": describe_intervals(estimates)}


def describe_means(estimates: Mapping[str, Estimate]) -> dict[str, float | None]:
    """Give metric -> mean."""
    return {name: tidy(estimate.mean) for name, estimate in estimates.items()}


def describe_intervals(estimates: Mapping[str, Estimate]) -> dict[str, list[float | None]]:
    """Give metric -> ends of its interval."""
    return {name: [tidy(estimate.low), tidy(estimate.high)] for name, estimate in estimates.items()}


def describe_comparison(comparison: Comparison) -> dict[str, Any]:
    """Give one metric's comparison with another run."""
    return {
        "difference": tidy(comparison.difference.mean),
        "interval": [tidy(comparison.difference.low), tidy(comparison.difference.high)],
        "p_value": tidy(comparison.p_value),
        "queries": comparison.difference.count,
        "wins": comparison.wins,
        "losses": comparison.losses,
        "ties": comparison.ties,
    }


def tidy(value: float) -> float | None:
    """Give a number with the digits that mean something; None where it is not finite."""
    return round(float(value), _DIGITS) if math.isfinite(value) else None


def summarize_answers(answers: Sequence[Answer], cutoffs: Sequence[int], catalogue: int) -> dict[str, float]:
    """Measure a run as a whole.

    Args:
        answers: what was returned.
        cutoffs: depths k.
        catalogue: products there are.

    Returns:
        ``coverage@k``: share of the catalogue that is among the first k matches of any answer. ``zero_result_share``:
        share of the questions that nothing matches. ``degraded_share``: share answered without some stage.
    """
    count = max(1, len(answers))
    totals = {
        f"coverage@{k}": len({product for answer in answers for product in answer.matches[:k]}) / max(1, catalogue)
        for k in cutoffs
    }
    totals["zero_result_share"] = sum(not answer.matches for answer in answers) / count
    totals["degraded_share"] = sum(bool(answer.degraded) for answer in answers) / count
    return totals


def warn_of_answers(answers: Sequence[Answer]) -> list[str]:
    """Say what went wrong while asking."""
    warnings = []
    refused = [answer.error for answer in answers if answer.error]
    if refused:
        warnings.append(f"{len(refused):,} questions were refused and count as found nothing; the first: {refused[0]}")
    left_out = Counter(stage for answer in answers for stage in answer.degraded)
    for stage, count in left_out.most_common():
        warnings.append(f"{count:,} of {len(answers):,} answers were made without the {stage}")
    return warnings


def _describe_question(evaluation: Evaluation, position: int) -> dict[str, Any]:
    answer, ratings = evaluation.answers[position], evaluation.ratings[position]
    kept = max(evaluation.cutoffs, default=0)
    described: dict[str, Any] = {
        "query": evaluation.labels[position],
        "metrics": {name: tidy(values[position]) for name, values in evaluation.values.items()},
        "total": answer.total,
        "results": answer.ids[:kept],
        "top": [
            {"id": found.id, "title": found.title, "rating": ratings.get(found.id), "sources": list(found.sources)}
            for found in answer.results[:10]
        ],
    }
    if evaluation.stages:
        described["stages"] = {
            stage: {name: tidy(values[position]) for name, values in measured.items() if name == evaluation.shown}
            for stage, measured in evaluation.stages.items()
        }
    if answer.error:
        described["error"] = answer.error
    return described
