"""Plots of a benchmark: bars whose parts sum to what was measured, points named by what they are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.bench.plots import OTHERS, draw_bench, draw_latency, draw_parts, fold_parts, name_point

LATENCY = {"mean": 2.0, "max": 9.0, "p50": 1.5, "p90": 3.0, "p99": 8.0, "p99.9": None}


def make_point(**changes: Any) -> dict[str, Any]:
    return {
        "workload": "search",
        "draw": "unique",
        "callers": 4,
        "rate_per_s": None,
        "load_percent": None,
        "queries_per_s": 100.0,
        "latency_ms": LATENCY,
        "stages_ms": {"queue": 0.5, "retrieve": 1.5},
        "cpu_ms_by_process": {"tritonserver": 1.0},
        **changes,
    }


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["queue", "encode", "retrieve", "rank", "Triton"]), st.floats(0, 1000)),
        max_size=6,
    )
)
def test_folded_bars_are_as_long_as_before(bars: list[dict[str, float]]) -> None:
    folded = fold_parts(bars)
    assert [sum(bar.values()) for bar in folded] == pytest.approx([sum(bar.values()) for bar in bars])
    assert all(OTHERS not in list(bar)[:-1] for bar in folded)


def test_what_is_not_seen_is_drawn_with_the_others() -> None:
    bars = [{"a": 98.0, "b": 1.0, "c": 1.0}, {"a": 10.0, "b": 30.0}]
    assert fold_parts(bars) == [{"a": 98.0, "b": 1.0, OTHERS: 1.0}, {"a": 10.0, "b": 30.0}]


def test_points_are_named() -> None:
    assert name_point(make_point()) == "unique, 4 at once"
    assert name_point(make_point(callers=None, rate_per_s=80.0, load_percent=95.0)) == "unique, 95 % of capacity"
    assert name_point(make_point(callers=None, rate_per_s=80.0, draw="zipf")) == "zipf, 80/s"


def test_what_was_not_measured_is_not_drawn() -> None:
    nothing = dict.fromkeys(LATENCY)
    assert draw_latency([make_point(latency_ms=nothing)], "search") is None
    assert draw_parts([make_point(cpu_ms_by_process={})], "cpu_ms_by_process", "CPU") is None
    drawn = draw_bench({"points": [make_point(cpu_ms_by_process={}), make_point(workload="similar")]})
    assert set(drawn) == {
        *("latency-search.svg", "stages-search.svg"),
        *("latency-similar.svg", "stages-similar.svg", "cpu-similar.svg"),
    }


def test_plots_repeat_byte_by_byte() -> None:
    points = [make_point(), make_point(callers=None, rate_per_s=50.0, load_percent=50.0)]
    assert draw_bench({"points": points}) == draw_bench({"points": points})
