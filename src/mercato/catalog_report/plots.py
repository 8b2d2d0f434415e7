"""Plots of a report: what hurts most, which fields are filled, how prices lie, how long titles are.

They look like those of an evaluation, from which style and colours are taken.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mercato.evaluation.plots import BLUE, GREY, ORANGE, make_axes, place_legend

MOST_BARS = 15
_LABEL_CHARS = 36
_LEVEL_COLOURS = {"severe": ORANGE, "moderate": BLUE, "slight": "#56b4e9", "harmless": GREY}


def draw_findings(findings: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the first findings as bars: the share of the products that have each.

    Args:
        findings: as the report's document has them, what hurts most first.
    """
    shown = findings[:MOST_BARS]
    figure, axes = make_axes(0.42 * len(shown) + 1.0)
    positions = np.arange(len(shown))[::-1]
    for level, colour in _LEVEL_COLOURS.items():
        of_level = [one["level"] == level for one in shown]
        if any(of_level):
            shares = [100 * one["share"] for one in shown if one["level"] == level]
            axes.barh(positions[of_level], shares, color=colour, height=0.62, label=level)
    for position, finding in zip(positions, shown, strict=True):
        axes.annotate(f"{finding['products']:,}", (100 * finding["share"], position), (5, 0),
                      textcoords="offset points", va="center", fontsize=9, color=GREY)  # fmt: skip
    axes.set_yticks(positions, [textwrap.fill(one["title"], _LABEL_CHARS) for one in shown])
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("% of the products")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False, fontsize=9.5)
    return figure


def draw_fields(fields: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw how many products have each field.

    Args:
        fields: ``field`` and the ``share`` that is missing.
    """
    figure, axes = make_axes(0.36 * len(fields) + 1.0)
    positions = np.arange(len(fields))[::-1]
    filled = [100 * (1 - one["share"]) for one in fields]
    axes.barh(positions, [100] * len(fields), color="#e5e7eb", height=0.62)
    axes.barh(positions, filled, color=BLUE, height=0.62)
    for position, share in zip(positions, filled, strict=True):
        # An all but whole bar is not whole: 99.96 is not written as 100.
        text = f"{share:.0f} %" if share in (0, 100) else f"{min(max(share, 0.1), 99.9):.1f} %"
        axes.annotate(text, (100, position), (5, 0), textcoords="offset points", va="center", fontsize=9, color=GREY)
    axes.set_yticks(positions, [one["field"] for one in fields])
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("% of the products that have it")
    axes.grid(axis="y", visible=False)
    return figure


def draw_prices(powers: Mapping[str, Sequence[float]]) -> Figure:
    """Draw how far prices are from what is usual in their category, those that are called far in another colour.

    Args:
        powers: ``middles`` of the bins as powers of ten, how many ``usual`` and how many ``far`` prices fall into each.
    """
    figure, axes = make_axes(3.4)
    middles = np.array(powers["middles"])
    width = float(middles[1] - middles[0]) * 0.9
    usual, far = np.array(powers["usual"]), np.array(powers["far"])
    axes.bar(middles, usual, width, color=BLUE, label="usual")
    axes.bar(middles, far, width, bottom=usual, color=ORANGE, label="called far")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=0)
    ticks = range(-4, 5)
    axes.set_xticks(
        list(ticks), [f"÷{10**-one:,}" if one < 0 else "as usual" if one == 0 else f"×{10**one:,}" for one in ticks]
    )
    axes.set_xlabel("price against the median of the category")
    axes.set_ylabel("products")
    place_legend(axes)
    return figure


def draw_title_lengths(counts: Sequence[int], limit: int) -> Figure:
    """Draw how long titles are.

    Args:
        counts: titles of 0 to 9 characters, of 10 to 19, and so on; the last one of all that are longer.
        limit: characters from which on a title is too long.
    """
    figure, axes = make_axes(2.8)
    axes.bar(10 * np.arange(len(counts)) + 5, counts, 9, color=BLUE)
    axes.axvline(limit, color=ORANGE, linestyle="--", linewidth=1.5, label=f"{limit} characters")
    axes.set_xlabel("characters of the title (the last bar: and more)")
    axes.set_ylabel("products")
    place_legend(axes)
    return figure
