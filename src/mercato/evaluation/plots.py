"""Plots of an evaluation: matplotlib figures, light, without colours that only some can tell apart."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mercato.arrays import Float64

# Okabe and Ito 2008: told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#6b7280"
_PALETTE = (BLUE, ORANGE, GREEN, "#cc79a7")
_MARKERS = ("o", "s", "^", "D")
_WIDTH = 8.0
_MANY_STAGES = 6  # more of them have no room for their figures
PLURAL = {"query": "queries", "user": "users"}
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9ca3af",
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "axes.axisbelow": True,
    "svg.fonttype": "none",  # texts stay texts: small, searchable, read aloud
    "svg.hashsalt": "mercato",
}


def draw_metrics(rows: Sequence[tuple[str, float, float, float]], others: Mapping[str, float], other: str) -> Figure:
    """Draw means with their intervals.

    Args:
        rows: metric, mean, low, high; NaN ends are not drawn.
        others: metric -> mean of an earlier run.
        other: what the earlier run is called.
    """
    figure, axes = make_axes(0.36 * len(rows) + 1.0)
    positions = np.arange(len(rows))[::-1]
    for position, (name, mean, low, high) in zip(positions, rows, strict=True):
        if low == low:
            axes.plot([low, high], [position, position], color=BLUE, linewidth=5, alpha=0.3, solid_capstyle="round")
        axes.plot(mean, position, "o", color=BLUE, label="this run" if position == positions[0] else None)
        if name in others:
            axes.plot(others[name], position, "s", color=ORANGE, markerfacecolor="white", label=_once(axes, other))
        axes.annotate(f"{mean:.3f}", (max(high, mean) if high == high else mean, position), (7, 0),
                      textcoords="offset points", va="center", fontsize=9, color=GREY)  # fmt: skip
    axes.set_yticks(positions, [row[0] for row in rows])
    axes.set_xlim(0, 1.06)
    axes.set_xlabel("mean and 95 % interval")
    axes.grid(axis="y", visible=False)
    if others:
        place_legend(axes)
    return figure


def draw_stages(stages: Mapping[str, Mapping[str, Any]], metrics: Sequence[str]) -> Figure:
    """Draw what each stage makes of the answers.

    Args:
        stages: stage -> ``metrics`` and ``intervals``, in the order of the way of a request.
        metrics: which to draw.
    """
    names = list(stages)
    many = len(names) > _MANY_STAGES
    figure, axes = make_axes(4.4 if many else 3.6)
    for number, metric in enumerate(metrics):
        shift = (number - (len(metrics) - 1) / 2) * 0.16
        colour, marker = _PALETTE[number % 4], _MARKERS[number % 4]
        label = metric
        for position, name in enumerate(names):
            mean = stages[name]["metrics"].get(metric)
            if mean is None:
                continue
            low, high = stages[name]["intervals"].get(metric, (None, None))
            if low is not None and high is not None:
                axes.plot([position + shift] * 2, [low, high], color=colour, linewidth=4, alpha=0.25)
            axes.plot(position + shift, mean, marker, color=colour, label=label)
            if not many:
                axes.annotate(f"{mean:.3f}", (position + shift, mean), (6, 0), textcoords="offset points",
                              va="center", fontsize=8.5, color=colour)  # fmt: skip
            label = "_"
    axes.set_xticks(range(len(names)), names, rotation=30 if many else 0, ha="right" if many else "center")
    axes.set_xlim(-0.5, len(names) - 0.3)
    if not many:
        axes.set_ylim(top=1.02)
    axes.set_ylabel("mean and 95 % interval")
    axes.grid(axis="x", visible=False)
    place_legend(axes)
    return figure


def draw_gains(gains: Float64, metric: str, ours: str, theirs: str, asked: str = "query") -> Figure:
    """Draw the difference between two runs, a bar for each query, the best first.

    Args:
        gains: float64 [queries], NaN left out.
        metric: of the gains.
        ours: what counts when it is better.
        theirs: what it is compared with.
        asked: what a bar stands for: ``query`` or ``user``.
    """
    figure, axes = make_axes(3.2)
    ordered = np.sort(gains[~np.isnan(gains)])[::-1]
    positions = np.arange(1, len(ordered) + 1)
    axes.bar(positions, np.where(ordered > 0, ordered, 0), width=1.0, color=BLUE,
             label=f"{ours} better: {int((ordered > 1e-9).sum())}")  # fmt: skip
    axes.bar(positions, np.where(ordered < 0, ordered, 0), width=1.0, color=ORANGE, hatch="///", edgecolor="white",
             linewidth=0, label=f"{theirs} better: {int((ordered < -1e-9).sum())}")  # fmt: skip
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel(f"{PLURAL[asked]}, sorted by gain")
    axes.set_ylabel(f"difference in {metric}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    place_legend(axes)
    return figure


def draw_distribution(values: Mapping[str, Float64], asked: str = "query") -> Figure:
    """Draw how metrics spread over the queries.

    Args:
        values: metric -> float64 [queries], 0 to 1; NaN left out.
        asked: what each value is of: ``query`` or ``user``.
    """
    figure, axes = make_axes(3.2)
    kept = [one[~np.isnan(one)] for one in values.values()]
    labels = [
        f"{name}: median {np.median(one):.2f}" if len(one) else name for name, one in zip(values, kept, strict=True)
    ]
    axes.hist(kept, bins=list(np.linspace(0, 1, 11)), color=list(_PALETTE[: len(kept)]), label=labels)
    axes.set_xlabel(f"value of one {asked}")
    axes.set_ylabel(PLURAL[asked])
    axes.set_xlim(0, 1)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    place_legend(axes)
    return figure


def draw_latency(latency: Mapping[str, Any]) -> Figure:
    """Draw percentiles of the time of a first page, as the client and the server's stages see it.

    Args:
        latency: as `time_all` gives it.
    """
    parts = {"client": latency, **{f"server: {name}": taken for name, taken in latency["server"].items()}}
    shown = {name: taken for name, taken in parts.items() if taken.get("p50") is not None}
    figure, axes = make_axes(0.42 * len(shown) + 1.1)
    positions = np.arange(len(shown))[::-1]
    for number, percentile in enumerate(("p50", "p90", "p99")):
        axes.plot([taken[percentile] for taken in shown.values()], positions, _MARKERS[number], color=_PALETTE[number],
                  label=percentile)  # fmt: skip
    for position, taken in zip(positions, shown.values(), strict=True):
        axes.plot([taken["p50"], taken["p99"]], [position, position], color="#d1d5db", zorder=0)
    axes.set_yticks(positions, list(shown))
    axes.set_xlim(left=0)
    axes.set_xlabel("milliseconds")
    axes.grid(axis="y", visible=False)
    place_legend(axes)
    return figure


def draw_groups(groups: Mapping[str, Mapping[str, Any]], metric: str, overall: float | None) -> Figure:
    """Draw one metric for groups of users.

    Args:
        groups: group -> ``metrics``, ``intervals``, ``queries``.
        metric: which.
        overall: mean over all; None is not drawn.
    """
    figure, axes = make_axes(0.36 * len(groups) + 1.1)
    positions = np.arange(len(groups))[::-1]
    for position, group in zip(positions, groups.values(), strict=True):
        mean = group["metrics"].get(metric)
        if mean is None:
            continue
        low, high = group["intervals"].get(metric, (None, None))
        if low is not None and high is not None:
            axes.plot([low, high], [position, position], color=BLUE, linewidth=5, alpha=0.3, solid_capstyle="round")
        axes.plot(mean, position, "o", color=BLUE)
    if overall is not None:
        axes.axvline(overall, color=GREY, linestyle="--", linewidth=1, label="all")
        place_legend(axes)
    axes.set_yticks(positions, [f"{name} ({group['queries']:,})" for name, group in groups.items()])
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{metric}, mean and 95 % interval")
    axes.grid(axis="y", visible=False)
    return figure


def draw_reliability(predicted: Float64, observed: Float64) -> Figure:
    """Draw probabilities beside what happened, on logarithmic axes; what is on the diagonal was said rightly.

    Args:
        predicted: float64 [bins], mean probability of each bin.
        observed: float64 [bins], share of each bin that happened; bins in which nothing did are not drawn.
    """
    figure, axes = make_axes(4.5)
    drawn = (predicted > 0) & (observed > 0)
    ends = [values[drawn].min(initial=1.0) for values in (predicted, observed)]
    low = 0.5 * min(ends)
    axes.plot([low, 1.0], [low, 1.0], color=GREY, linewidth=1, linestyle="--", label="as said")
    axes.plot(predicted[drawn], observed[drawn], "o", color=BLUE, label="candidates, in bins of equal mass")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("mean probability")
    axes.set_ylabel("share that happened")
    place_legend(axes)
    return figure


def write_svg(figure: Figure) -> str:
    """Give a figure as an SVG element that can stand in a page."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context(_STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def write_png(figure: Figure) -> bytes:
    """Give a figure as a PNG picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, facecolor="white")
    return buffer.getvalue()


def make_axes(height: float) -> tuple[Figure, Axes]:
    """Make an empty figure in the style of all plots, and its axes.

    Args:
        height: of the figure in inches.
    """
    from matplotlib import rc_context

    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, max(1.8, height)), layout="constrained")
        return figure, figure.add_subplot()


def _once(axes: Axes, label: str) -> str:
    """Give a label the first time it is used, and nothing afterwards."""
    return "_" if label in [line.get_label() for line in axes.lines] else label


def place_legend(axes: Axes) -> None:
    """Place the legend above the axes, where it covers nothing."""
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, fontsize=9.5)
