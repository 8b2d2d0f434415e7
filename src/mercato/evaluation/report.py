"""The report of an evaluation: report.json, one page that holds all it shows, and its plots as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from mercato.errors import DataError, MercatoError
from mercato.evaluation.compare import read_metric
from mercato.evaluation.page import write_page
from mercato.evaluation.result import Evaluation
from mercato.evaluation.stages import SHOWN

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_MAX_GROUPS = 30  # drawn


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One plot of a report.

    Attributes:
        name: of its files.
        title: for people.
        caption: what it shows, in a sentence that says it to those who cannot see it too.
        figure: the plot.
    """

    name: str
    title: str
    caption: str
    figure: Figure


def write_report(
    folder: Path, evaluation: Evaluation, document: Mapping[str, Any], earlier: Mapping[str, Any] | None = None
) -> Path:
    """Write ``report.json``, ``report.html``, and each plot as ``.svg`` and ``.png``.

    Args:
        folder: where to; it is made, files of an earlier report are replaced.
        evaluation: what was found.
        document: the same as JSON values.
        earlier: the run it was compared with.

    Returns:
        The page.

    Raises:
        DataError: the folder cannot be written.
        MercatoError: matplotlib or jinja2 is not installed.
    """
    try:
        from mercato.evaluation.plots import write_png, write_svg
    except ImportError as exc:
        raise MercatoError(
            "--report needs matplotlib, which is not installed; pip install 'mercato[evaluation]'"
        ) from exc
    plots = draw_plots(evaluation, document, earlier)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        pictures = []
        for plot in plots:
            svg = write_svg(plot.figure)
            (folder / f"{plot.name}.svg").write_text(svg, encoding="utf-8")
            (folder / f"{plot.name}.png").write_bytes(write_png(plot.figure))
            pictures.append({"title": plot.title, "caption": plot.caption, "svg": svg})
        page = folder / "report.html"
        page.write_text(write_page(evaluation, document, pictures), encoding="utf-8")
    except OSError as exc:
        raise DataError(f"--report {folder}: cannot be written ({exc}); choose a folder that can") from exc
    return page


def draw_plots(
    evaluation: Evaluation, document: Mapping[str, Any], earlier: Mapping[str, Any] | None = None
) -> list[Plot]:
    """Draw what a report shows; what there are no figures for is left out.

    Args:
        evaluation: what was found.
        document: the same as JSON values.
        earlier: the run it was compared with.
    """
    from mercato.evaluation import plots

    shown = evaluation.shown
    asked = "query" if evaluation.kind == "search" else "user"
    several = plots.PLURAL[asked]
    intervals = document["intervals"]
    rows = [
        (name, mean, *(np.nan if end is None else end for end in intervals.get(name, (None, None))))
        for name, mean in document["metrics"].items()
        if mean is not None and name in evaluation.values and "_rated" not in name and "_lift" not in name
        if 0 <= mean <= 1
    ]
    other = document.get("against", {}).get("name", "")
    before = {name: value for name, value in (earlier or {}).get("metrics", {}).items() if value is not None}
    drawn = []
    if rows:
        caption = f"Means over the {several} that the metric is defined for; bands are 95 % bootstrap intervals."
        figure = plots.draw_metrics(rows, before, "earlier run")
        drawn.append(Plot(name="metrics", title="Metrics", caption=caption, figure=figure))
    if document["stages"]:
        deepest = f"recall@{max(evaluation.cutoffs)}"
        chosen = [name for name in (shown, f"{shown}_condensed", deepest) if name in evaluation.values]
        caption = "The order in which each stage had the products, measured alike; the last one is what was answered."
        if evaluation.kind == "recommend":
            caption += " Of a source only what came into the ranker's window is known."
        figure = plots.draw_stages(document["stages"], chosen)
        drawn.append(Plot(name="stages", title="What each stage adds", caption=caption, figure=figure))
    drawn += _draw_gains(evaluation, earlier, other)
    spread = {name: evaluation.values[name] for name in (shown, f"{shown}_condensed") if name in evaluation.values}
    if any((~np.isnan(one)).any() for one in spread.values()):
        caption = f"How many {several} reach which {shown}; a mean hides those on the left."
        figure = plots.draw_distribution(spread, asked)
        drawn.append(Plot(name="distribution", title=f"Spread over the {several}", caption=caption, figure=figure))
    for name, groups in document["groups"].items():
        largest = dict(sorted(groups.items(), key=lambda item: -item[1]["queries"])[:_MAX_GROUPS])
        figure = plots.draw_groups(largest, shown, document["metrics"].get(shown))
        caption = f"{shown} by {name}; a group whose band lies left of the line is served worse."
        title = f"By {name}"
        drawn.append(Plot(name=f"by-{_file_name(name)}", title=title, caption=caption, figure=figure))
    if document["latency_ms"].get("p50") is not None:
        caption = "Time of a first page, one request at a time: seen by the client, and by the clock of the server."
        figure = plots.draw_latency(document["latency_ms"])
        drawn.append(Plot(name="latency", title="Latency", caption=caption, figure=figure))
    return drawn


def _draw_gains(evaluation: Evaluation, earlier: Mapping[str, Any] | None, other: str) -> list[Plot]:
    """Draw wins and losses: against the earlier run, else of the last stage against the first."""
    from mercato.evaluation import plots

    shown = evaluation.shown
    asked = "query" if evaluation.kind == "search" else "user"
    ours = evaluation.values.get(shown)
    if ours is None:
        return []
    if earlier is not None:
        rows = {row["query"]: row["metrics"] for row in earlier["per_query"]}
        theirs = read_metric({label: rows.get(label, {}) for label in evaluation.labels}, shown, evaluation.labels)
        figure = plots.draw_gains(ours - theirs, shown, "this run", "earlier run", asked)
        caption = f"A bar for each {asked}: {shown} of this run less that of {other}."
        return [Plot(name="wins-and-losses", title=f"Wins and losses by {asked}", caption=caption, figure=figure)]
    before = [name for name in evaluation.stages if name != SHOWN]
    base = "fusion" if "fusion" in before else next(iter(before), "")
    if not base:
        return []
    figure = plots.draw_gains(ours - evaluation.stages[base][shown], shown, "answer", base, asked)
    caption = f"A bar for each {asked}: {shown} of what was answered less that of the stage {base}."
    return [Plot(name="wins-and-losses", title=f"Wins and losses over {base}", caption=caption, figure=figure)]


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())[:60]
