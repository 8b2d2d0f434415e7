"""Plots over the size of a catalogue: what grows with it, and what does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from mercato.evaluation.plots import BLUE, GREEN, ORANGE, make_axes, place_legend, write_svg

Point = Mapping[str, Any]
Line = tuple[str, str, Callable[[Point], float | None]]

_PLOTS: Mapping[str, tuple[str, tuple[Line, ...]]] = {
    "latency": (
        "milliseconds, one caller",
        (
            ("p50", BLUE, lambda point: point["served"]["callers_1"]["latency_ms"]["p50"]),
            ("p99", ORANGE, lambda point: point["served"]["callers_1"]["latency_ms"]["p99"]),
        ),
    ),
    "cpu": (
        "milliseconds of CPU a query",
        (
            ("1 caller", BLUE, lambda point: point["served"]["callers_1"]["cpu_ms_per_query"]),
            ("32 callers", ORANGE, lambda point: point["served"]["callers_32"]["cpu_ms_per_query"]),
        ),
    ),
    "bytes": (
        "bytes a product",
        (
            ("on disk", BLUE, lambda point: point["disk_bytes_per_product"]["all"]),
            (
                "in memory, all processes",
                ORANGE,
                lambda point: point["served"]["memory"]["pss_bytes_per_product"],
            ),
        ),
    ),
    "seconds": (
        "seconds",
        (
            ("CPU to build", BLUE, lambda point: point["build"]["cpu_s"]),
            ("until ready", ORANGE, lambda point: point["served"]["ready_s"]),
        ),
    ),
    "recall": ("recall@100 of dense", (("recall", GREEN, lambda point: point["dense"]["recall_at_100"]),)),
}


def draw_sizes(points: Sequence[Point]) -> dict[str, str]:
    """Return all plots, as SVG by file name.

    Args:
        points: one for each size, ascending.
    """
    return {f"{name}-over-size.svg": write_svg(_draw(points, label, lines)) for name, (label, lines) in _PLOTS.items()}


def _draw(points: Sequence[Point], label: str, lines: Sequence[Line]) -> Figure:
    figure, axes = make_axes(3.2)
    for name, colour, read in lines:
        shown = [(point["products"], value) for point in points if (value := read(point)) is not None]
        if shown:
            axes.plot(*zip(*shown, strict=True), "-o", color=colour, linewidth=1.2, label=name)
    axes.set_xscale("log")
    if label != "recall@100 of dense":
        axes.set_yscale("log")
    axes.set_xlabel("products")
    axes.set_ylabel(label)
    place_legend(axes)
    return figure
