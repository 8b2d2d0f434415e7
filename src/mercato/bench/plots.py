"""Plots of a benchmark: latency over load, where the time of an answer went, which process computed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mercato.evaluation.plots import BLUE, GREEN, GREY, ORANGE, make_axes, place_legend, write_svg

# Okabe and Ito 2008, in an order in which neighbours differ in lightness too.
_COLOURS = (BLUE, "#e69f00", GREEN, "#cc79a7", "#56b4e9", ORANGE, "#f0e442", "#000000", GREY)
_LINES = {"unique": "-", "zipf": "--"}
_PERCENTILES = (("p50", BLUE, "o"), ("p99", ORANGE, "s"))
OTHERS = "others"
_SEEN = 0.015  # of the longest bar: what is shorter in every bar is drawn with the others

Point = Mapping[str, Any]


def draw_bench(document: Mapping[str, Any]) -> dict[str, str]:
    """Return all plots of a benchmark's document, as SVG by file name: three for each workload."""
    drawn: dict[str, str] = {}
    for workload in dict.fromkeys(point["workload"] for point in document["points"]):
        points = [point for point in document["points"] if point["workload"] == workload]
        figures = {
            "latency": draw_latency(points, workload),
            "stages": draw_parts(points, "stages_ms", "mean milliseconds of an answer"),
            "cpu": draw_parts(points, "cpu_ms_by_process", "milliseconds of CPU a query"),
        }
        drawn |= {f"{kind}-{workload}.svg": write_svg(figure) for kind, figure in figures.items() if figure}
    return drawn


def draw_latency(points: Sequence[Point], workload: str) -> Figure | None:
    """Draw latency over load, a line for each percentile and draw; None where nothing was answered.

    Filled: a closed loop, at the throughput that it reached. Hollow: an open loop, at the rate at which requests
    arrived, latency counted from when each was due.

    Args:
        points: of one workload.
        workload: its name.
    """
    figure, axes = make_axes(3.8)
    any_drawn = False
    for draw in dict.fromkeys(point["draw"] for point in points):
        for percentile, colour, marker in _PERCENTILES:
            for open_loop in (False, True):
                shown = [
                    (point["rate_per_s"] if open_loop else point["queries_per_s"], point["latency_ms"][percentile])
                    for point in points
                    if point["draw"] == draw
                    and (point["callers"] is None) == open_loop
                    and point["latency_ms"][percentile] is not None
                ]
                if not shown:
                    continue
                any_drawn = True
                xs, ys = zip(*(sorted(shown) if open_loop else shown), strict=True)
                label = f"{percentile}, {draw}, {'arrivals' if open_loop else 'callers'}"
                axes.plot(xs, ys, _LINES[draw] + marker, color=colour, linewidth=1.2, label=label,
                          markerfacecolor="white" if open_loop else colour, alpha=0.7 if open_loop else 1)  # fmt: skip
    if not any_drawn:
        return None
    for point in points:
        if point["callers"] is not None and point["latency_ms"]["p50"] is not None:
            axes.annotate(str(point["callers"]), (point["queries_per_s"], point["latency_ms"]["p50"]), (0, -13),
                          textcoords="offset points", ha="center", fontsize=8, color=GREY)  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{workload}: requests a second (beside a point: callers)")
    axes.set_ylabel("latency, milliseconds")
    place_legend(axes)
    return figure


def draw_parts(points: Sequence[Point], name: str, label: str) -> Figure | None:
    """Draw a bar for each point, stacked of its parts; None where no point has any.

    Args:
        points: of one workload.
        name: the member of a point that holds its parts: name -> milliseconds.
        label: of the axis.
    """
    shown = [point for point in points if point[name]]
    bars = fold_parts([point[name] for point in shown])
    parts = list(dict.fromkeys(part for bar in bars for part in bar))
    if not parts:
        return None
    figure, axes = make_axes(0.34 * len(shown) + 1.5)
    positions = np.arange(len(shown))[::-1]
    left = np.zeros(len(shown))
    for number, part in enumerate(parts):
        widths = np.array([bar.get(part, 0.0) for bar in bars])
        axes.barh(positions, widths, left=left, height=0.7, color=_COLOURS[number % len(_COLOURS)], label=part,
                  hatch="///" if number >= len(_COLOURS) else None, edgecolor="white", linewidth=0.5)  # fmt: skip
        left = left + widths
    axes.set_yticks(positions, [name_point(point) for point in shown])
    axes.set_xlim(left=0)
    axes.set_xlabel(label)
    axes.grid(axis="y", visible=False)
    place_legend(axes)
    return figure


def fold_parts(bars: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Return the parts of bars, those that would be seen in none of them added up as the last one, `OTHERS`.

    Args:
        bars: of each, part -> its length, 0 or more.
    """
    fewest = _SEEN * max((sum(bar.values()) for bar in bars), default=0.0)
    seen = list(dict.fromkeys(part for bar in bars for part in bar))
    seen = [part for part in seen if max(bar.get(part, 0.0) for bar in bars) >= fewest > 0]
    folded = []
    for bar in bars:
        others = sum(length for part, length in bar.items() if part not in seen)
        folded.append({part: bar.get(part, 0.0) for part in seen} | ({OTHERS: others} if others else {}))
    return folded


def name_point(point: Point) -> str:
    """Return a point in a few words: its draw, and callers or share of the capacity or rate."""
    if point["callers"] is not None:
        return f"{point['draw']}, {point['callers']} at once"
    if point["load_percent"] is not None:
        return f"{point['draw']}, {point['load_percent']:g} % of capacity"
    return f"{point['draw']}, {point['rate_per_s']:g}/s"
