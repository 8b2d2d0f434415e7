"""One evaluation against an earlier one, from the JSON that the earlier one left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from mercato.arrays import Float64
from mercato.errors import DataError
from mercato.evaluation.intervals import compare_values
from mercato.evaluation.result import SCHEMA, Evaluation, describe_comparison

_MUST_AGREE = ("relevant", "recall_relevant", "filter", "new_only", "placement", "split")


def read_run(path: Path, kind: str) -> dict[str, Any]:
    """Read the report of an earlier evaluation.

    Args:
        path: ``report.json`` of a ``--report`` folder, or the folder.
        kind: ``search`` or ``recommend``.

    Raises:
        DataError: it cannot be read, or is no such report.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        document = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as exc:
        raise DataError(f"--against {path}: cannot be read as a report ({exc}); --report DIR writes one") from exc
    if not isinstance(document, dict) or not isinstance(document.get("per_query"), list):
        raise DataError(
            f"--against {path}: holds no figures by query; give the report.json that --report DIR writes, not what"
            " --json prints"
        )
    if document.get("kind") != kind or document.get("schema") != SCHEMA:
        raise DataError(
            f"--against {path}: must be a report of `mercato eval {kind}` of version {SCHEMA}, got"
            f" {document.get('kind')!r} of version {document.get('schema')!r}; run the earlier evaluation again"
        )
    return document


def compare_runs(evaluation: Evaluation, earlier: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Compare query by query with an earlier run.

    Args:
        evaluation: this one.
        earlier: as from `read_run`.
        name: what the earlier one is called, for people.

    Returns:
        ``name``, ``queries`` (in both), ``metrics`` of the earlier run over its own queries, ``gain`` (metric ->
        difference, interval, p_value, wins, losses, ties), and ``warnings``.

    Raises:
        DataError: the runs have no query in common.
    """
    theirs = {row["query"]: row["metrics"] for row in earlier["per_query"]}
    shared = [position for position, label in enumerate(evaluation.labels) if label in theirs]
    if not shared:
        raise DataError(f"--against {name}: no query of it is among the {len(evaluation.labels):,} of this run")
    warnings = []
    apart = len(evaluation.labels) - len(shared) + len(theirs.keys() - set(evaluation.labels))
    if apart:
        warnings.append(f"{apart:,} queries are in one of the two runs only; {len(shared):,} were compared")
    settings = earlier.get("settings", {})
    for setting in _MUST_AGREE:
        here, there = evaluation.settings.get(setting), settings.get(setting)
        if here != there:
            warnings.append(f"the runs differ in {setting}: {here!r} here, {there!r} there")
    if earlier.get("counts", {}).get("ratings") != evaluation.counts.get("ratings"):
        warnings.append("the runs were measured with different ratings: part of the difference may be theirs")
    gain = {
        metric: describe_comparison(
            compare_values(
                values[shared],
                read_metric(theirs, metric, [evaluation.labels[position] for position in shared]),
                seed=evaluation.seed,
            )
        )
        for metric, values in evaluation.values.items()
        if any(metric in row for row in theirs.values())
    }
    return {
        "name": name,
        "queries": len(shared),
        "metrics": earlier.get("metrics", {}),
        "gain": gain,
        "warnings": warnings,
    }


def read_metric(rows: Mapping[str, Mapping[str, Any]], metric: str, labels: list[str]) -> Float64:
    """Read one metric of an earlier run's queries; NaN where it has none."""
    return np.array([_number(rows[label].get(metric)) for label in labels], dtype=np.float64)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
