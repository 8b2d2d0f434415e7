"""Facets of a result that lies in several shards: each counts its own, and the counts add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mercato.index.facet_counts import FacetCounter
from mercato.index.facet_intervals import AUTOMATIC, make_intervals
from mercato.index.field_codes import Matches
from mercato.index.part import CatalogPart
from mercato.requests.facets import FacetSpec, Interval
from mercato.retrieval.whole import Figures, Steps

SAMPLE = 4096
"""Numbers that a shard sends at most, for the bounds of intervals that nobody gave."""
_EVERYTHING = 1 << 31


def count_shard(
    counter: FacetCounter, specs: Sequence[FacetSpec], matches: Matches, part: CatalogPart
) -> Steps[list[dict[str, Any]]]:
    """Count facets over the products of one shard.

    Args:
        counter: of the shard.
        specs: the facets, checked.
        matches: the products of the result that the shard has.
        part: names the shard's rows.

    Yields:
        The numbers of a field whose intervals are made of all that the result holds.
    """
    counted = []
    for spec in specs:
        wanted = replace(spec, limit=_EVERYTHING)
        if counter.counts_numbers(spec) and not spec.intervals:
            numbers, rows = counter.select_numbers(spec, matches)
            step = max(1, len(numbers) // SAMPLE)
            told = yield Figures(numbers=numbers[::step], owners=part.name_rows(rows[::step]).astype(np.int64))
            made = make_intervals(told.numbers, min(AUTOMATIC, spec.limit))
            wanted = replace(wanted, intervals=made or (Interval(),))
        counted.append(counter.count(wanted, matches))
    return counted


def join_facets(specs: Sequence[FacetSpec], parts: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Add up what shards counted.

    Args:
        specs: the facets.
        parts: of each shard what `count_shard` returned.
    """
    return [
        _join_numbers(spec, found) if "distinct" not in found[0] else _join_texts(spec, found)
        for spec, found in zip(specs, zip(*parts, strict=True), strict=True)
    ]


def _join_texts(spec: FacetSpec, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for part in parts:
        for one in part["values"]:
            counts[one["value"]] = counts.get(one["value"], 0) + one["count"]
    ordered = sorted(counts, key=lambda value: value.encode("utf-8", "surrogatepass"))
    if spec.order_by == "count":
        ordered.sort(key=lambda value: -counts[value])
    shown = [{"value": value, "count": counts[value]} for value in ordered[: spec.limit]]
    return {"key": spec.key, "values": shown, "distinct": len(counts)}


def _join_numbers(spec: FacetSpec, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    values = []
    for intervals in zip(*(part["values"] for part in parts), strict=True):
        joined = {"interval": intervals[0]["interval"], "count": sum(one["count"] for one in intervals)}
        values.append(joined | _join_ends(intervals))
    if not spec.intervals:
        values = [one for one in values if one["count"] or len(values) > 1]
    return {"key": spec.key, "values": values[: spec.limit], **_join_ends(parts)}


def _join_ends(parts: Sequence[dict[str, Any]]) -> dict[str, float]:
    known = [part for part in parts if "minimum" in part]
    if not known:
        return {}
    return {"minimum": min(one["minimum"] for one in known), "maximum": max(one["maximum"] for one in known)}
