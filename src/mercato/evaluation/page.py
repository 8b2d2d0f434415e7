"""The page of a report: what is filled into its template."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from mercato.errors import MercatoError
from mercato.evaluation.result import Evaluation

if TYPE_CHECKING:
    from jinja2 import Template

WORST = 20
_TOP = 10
_MISSED = 5
_GROUP_METRICS = (
    *("ndcg@10", "ndcg@20", "recall@10", "recall@20", "success@10", "hit_rate@10", "precision@10", "mrr", "map", "auc"),
    *("mae", "coverage@20", "novelty@20", "popularity@20", "popularity_lift@20", "diversity@20", "title_diversity@20"),
)


def write_page(evaluation: Evaluation, document: Mapping[str, Any], pictures: Sequence[Mapping[str, str]]) -> str:
    """Write the page: HTML that needs no other file.

    Args:
        evaluation: what was found.
        document: the same as JSON values.
        pictures: ``title``, ``caption`` and ``svg`` of each plot.

    Raises:
        MercatoError: jinja2 is not installed.
    """
    metrics, intervals = document["metrics"], document["intervals"]
    unit = "queries" if evaluation.kind == "search" else "users"
    against = document.get("against")
    return _load_template().render(
        title=f"Evaluation of {evaluation.kind}",
        lead=_write_lead(document, unit),
        warnings=[*document["warnings"], *(against or {}).get("warnings", [])],
        tiles=_make_tiles(evaluation, document),
        figures=[{**picture, "svg": embed_svg(picture["svg"], picture["title"])} for picture in pictures],
        gains=_describe_gains(against) if against else None,
        rows=[
            {
                "name": name,
                "cells": [
                    show(value),
                    show_range(intervals.get(name)),
                    f"{document['queries_of_metric'].get(name, document['queries']):,}",
                ],
            }
            for name, value in metrics.items()
        ],
        groups=[_describe_group(name, groups) for name, groups in document["groups"].items()],
        tables=_make_tables(document),
        samples=document["reasons"].get("samples", []),
        worst=[_describe_worst(evaluation, position) for position in find_worst(evaluation)],
        unit=unit,
        missed="the best rated products" if evaluation.kind == "search" else "products that were bought",
        shown=evaluation.shown,
        definitions=document["definitions"],
        settings=document["settings"],
    )


def embed_svg(svg: str, title: str) -> str:
    """Make a drawing fit to stand beside others in a page: one picture to a screen reader, no id twice.

    Args:
        svg: as `write_svg` gives it; ids that it refers to itself are hashes and stay.
        title: what it is, for those who cannot see it.
    """
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="[a-zA-Z0-9.]+_\d+"', "", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(title)}" ', 1)


def find_worst(evaluation: Evaluation, count: int = WORST) -> list[int]:
    """Find the questions with the lowest shown metric, lowest first; equal ones in their order.

    Questions that it is not defined for are left out.
    """
    values = evaluation.values.get(evaluation.shown, np.zeros(0))
    order = np.argsort(values, kind="stable")  # NaN comes last
    return [int(position) for position in order[:count] if not np.isnan(values[position])]


def show(value: float | None, *, sign: bool = False) -> str:
    """Write a figure with four digits; a dash where there is none."""
    return "–" if value is None else f"{value:+.4f}" if sign else f"{value:.4f}"


def show_range(ends: Sequence[float | None] | None, *, sign: bool = False) -> str:
    """Write the ends of an interval; a dash where there is none."""
    if not ends or any(end is None for end in ends):
        return "–"
    return " to ".join(show(end, sign=sign) for end in ends)


@cache
def _load_template() -> Template:
    try:
        from jinja2 import Environment
    except ImportError as exc:
        raise MercatoError("--report needs jinja2, which is not installed; pip install 'mercato[evaluation]'") from exc
    text = resources.files("mercato.evaluation").joinpath("report.html.jinja").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True).from_string(text)


def _write_lead(document: Mapping[str, Any], unit: str) -> str:
    counts = document["counts"]
    parts = [f"{document['queries']:,} {unit}", f"{counts['catalogue']:,} products in the catalogue"]
    if "ratings" in counts:
        parts.append(f"{counts['ratings']:,} ratings")
    return ", ".join(parts) + "."


def _make_tiles(evaluation: Evaluation, document: Mapping[str, Any]) -> list[dict[str, str]]:
    metrics, shown = document["metrics"], evaluation.shown
    deepest = max(evaluation.cutoffs, default=10)
    tiles = [
        {"name": name, "value": show(metrics[name])[:6], "note": show_range(document["intervals"].get(name))}
        for name in (shown, f"{shown}_condensed", f"recall@{deepest}", "mrr")
        if metrics.get(name) is not None
    ]
    if metrics.get("zero_result_share") is not None:
        tiles.append({"name": "found nothing", "value": f"{100 * metrics['zero_result_share']:.1f} %", "note": ""})
    if document["latency_ms"].get("p50") is not None:
        latency = document["latency_ms"]
        note = f"p90 {latency['p90']:.1f} ms, p99 {latency['p99']:.1f} ms"
        tiles.append({"name": "latency, p50", "value": f"{latency['p50']:.1f} ms", "note": note})
    return tiles


def _describe_gains(against: Mapping[str, Any]) -> dict[str, Any]:
    rows = []
    for name, gain in against["gain"].items():
        counts = [f"{gain[key]:,}" for key in ("wins", "losses", "ties")]
        interval = show_range(gain["interval"], sign=True)
        rows.append({"name": name, "cells": [show(gain["difference"], sign=True), interval, show(gain["p_value"]),
                                             *counts]})  # fmt: skip
    caption = (
        f"Mean difference over {against['queries']:,} shared questions, paired bootstrap interval, and the two-sided p"
        " of a paired randomisation test. Many metrics are tested at once: believe the one you chose beforehand."
    )
    return {"name": against["name"], "rows": rows, "caption": caption}


def _describe_group(name: str, groups: Mapping[str, Any]) -> dict[str, Any]:
    metrics = [
        metric
        for metric in _GROUP_METRICS
        if any(group["metrics"].get(metric) is not None for group in groups.values())
    ]
    rows = [
        {"name": label, "cells": [f"{group['queries']:,}", *(show(group["metrics"].get(metric)) for metric in metrics)]}
        for label, group in groups.items()
    ]
    return {"name": name, "metrics": ["count", *metrics], "rows": rows}


def _make_tables(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give what a recommendation's report has besides: what each source found, and what was said of it."""
    tables = []
    if document["sources"]:
        columns = ("shown_share", "right_share", "precision")
        rows = [
            {"name": name, "cells": [show(one[column]) for column in columns]}
            for name, one in document["sources"].items()
        ]
        caption = (
            "Share of the products shown that a source found, share of the right ones, and how many of its products"
            " were right; what several sources found counts for each."
        )
        columns = ("of shown", "of right", "precision")
        tables.append({"title": "What each source found", "head": "source", "caption": caption, "columns": columns,
                       "rows": rows})  # fmt: skip
    reasons = document["reasons"]
    if reasons:
        caption = (
            f"Of {reasons['results']:,} products explained to {reasons['users']:,} users; an explanation that names a"
            " purchase is true where that purchase is among those known."
        )
        names = {"sentence_share": "with a sentence", "event_share": "naming an event", "true_share": "true of those"}
        rows = [{"name": label, "cells": [show(reasons[name])]} for name, label in names.items()]
        rows += [{"name": f"because of {name}", "cells": [show(share)]} for name, share in reasons["by_source"].items()]
        tables.append({"title": "Explanations", "head": "of the products", "caption": caption, "columns": ("share",),
                       "rows": rows})  # fmt: skip
    return tables


def _describe_worst(evaluation: Evaluation, position: int) -> dict[str, Any]:
    answer, ratings = evaluation.answers[position], evaluation.ratings[position]
    rank_of = {product: rank for rank, product in enumerate(answer.ids, 1)}
    missed = sorted(
        (product for product, rating in ratings.items() if rating > 0 and rank_of.get(product, _TOP + 1) > _TOP),
        key=lambda product: (-ratings[product], product),
    )
    figures = [f"{evaluation.shown} {show(float(evaluation.values[evaluation.shown][position]))}"]
    figures += [
        f"{stage} {values[evaluation.shown][position]:.3f}"
        for stage, values in evaluation.stages.items()
        if evaluation.shown in values and stage != "shown" and not np.isnan(values[evaluation.shown][position])
    ]
    return {
        "label": evaluation.labels[position],
        "figures": ", ".join(figures),
        "error": f": {answer.error}" if answer.error else "",
        "results": [
            {
                "rank": rank,
                "id": found.id,
                "title": found.title,
                "rating": _describe_rating(evaluation.kind, ratings.get(found.id)),
                "sources": ", ".join(found.sources),
            }
            for rank, found in enumerate(answer.results[:_TOP], 1)
        ],
        "missed": [
            {
                "id": product,
                "rating": ratings[product],
                "where": f"rank {rank_of[product]:,}" if product in rank_of else f"not among {len(answer.ids):,}",
            }
            for product in missed[:_MISSED]
        ],
    }


def _describe_rating(kind: str, rating: int | None) -> str:
    if kind == "search":
        return "not rated" if rating is None else str(rating)
    return "" if rating is None else "yes"
