"""Figures of a load: percentiles that were seen, latency from when a request was due, parts that sum to the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.bench.figures import ANSWERED, Outcome, find_percentile, join_outcomes, stack_stages, summarize

PERCENT = st.sampled_from([50.0, 90.0, 99.0, 99.9])
SECONDS = st.floats(0, 100, allow_nan=False)


def make_outcome(rows: list[tuple[float, float, float, str]], **more: object) -> Outcome:
    due, sent, done, errors = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Outcome(
        due_s=np.array(due, float), sent_s=np.array(sent, float), done_s=np.array(done, float), errors=errors, **more
    )


@given(st.lists(SECONDS, min_size=1, max_size=3000), PERCENT)
def test_a_percentile_was_seen_and_at_least_its_share_is_not_above_it(values: list[float], percentile: float) -> None:
    ordered = np.sort(np.array(values))
    found = find_percentile(ordered, percentile)
    if found is None:
        assert len(values) * (100 - percentile) / 100 < 1 + 1e-9
        return
    assert found in values
    share = 1 - percentile / 100
    assert (ordered > found).sum() <= len(values) * share + 1e-6
    assert (ordered >= found).sum() >= len(values) * share - 1e-6


def test_percentiles_of_a_thousand() -> None:
    ordered = np.arange(1, 1001, dtype=float)
    assert [find_percentile(ordered, one) for one in (50.0, 90.0, 99.0, 99.9)] == [500, 900, 990, 999]
    assert find_percentile(ordered[:999], 99.9) is None  # the greatest of too few is no percentile
    assert find_percentile(np.empty(0), 50.0) is None


def test_latency_counts_from_when_a_request_was_due() -> None:
    # The driver was 2 s behind: the server took 0.5 s, the shopper waited for 2.5 s.
    figures = summarize(make_outcome([(1.0, 3.0, 3.5, ANSWERED)]), begin_s=0, seconds=4, within_s=1)
    assert figures["latency_ms"]["max"] == 2500
    assert figures["late_ms"]["max"] == 2000
    assert (figures["good_share"], figures["goodput_per_s"]) == (0.0, 0.0)


def test_throughput_is_of_what_was_answered_in_the_window() -> None:
    rows = [
        (0.5, 0.5, 0.9, ANSWERED),  # the warm-up
        (0.9, 0.9, 1.5, ANSWERED),  # due in it, answered in the window
        (1.0, 1.0, 1.2, ANSWERED),
        (2.0, 2.0, 2.5, "deadline exceeded"),
        (2.9, 2.9, 3.5, ANSWERED),  # due in the window, answered behind it
    ]
    figures = summarize(make_outcome(rows), begin_s=1, seconds=2, within_s=0.5)
    assert figures["requests"] == 3
    assert figures["queries_per_s"] == 2 / 2
    assert figures["goodput_per_s"] == 1 / 2  # the other took 0.6 s
    assert figures["good_share"] == round(1 / 3, 4)
    assert figures["errors"] == {"deadline exceeded": 1}


def test_nothing_due_is_no_figure() -> None:
    figures = summarize(make_outcome([]), begin_s=0, seconds=1, within_s=1)
    assert (figures["requests"], figures["queries_per_s"], figures["good_share"]) == (0, 0.0, None)
    assert set(figures["latency_ms"].values()) == {None}


@given(
    st.lists(
        st.tuples(SECONDS, SECONDS, SECONDS, st.sampled_from([ANSWERED, "unavailable"])).map(
            lambda row: (*np.cumsum(row[:3]).tolist(), row[3])
        ),
        max_size=60,
    ),
    st.integers(1, 4),
)
def test_drivers_of_one_load_are_counted_as_one(rows: list[tuple[float, float, float, str]], parts: int) -> None:
    whole = summarize(make_outcome(rows), begin_s=1, seconds=50, within_s=10)
    joined = join_outcomes([make_outcome(rows[number::parts]) for number in range(parts)])
    assert summarize(joined, begin_s=1, seconds=50, within_s=10) == whole
    assert whole["goodput_per_s"] <= whole["queries_per_s"]
    assert sum(whole["errors"].values()) <= whole["requests"]


def test_stages_sum_to_the_latency() -> None:
    outcome = make_outcome([(0.0, 0.001, 0.011, ANSWERED), (1.0, 1.003, 1.013, ANSWERED), (2.0, 2.0, 9.0, "cancelled")])
    triton = {"queue": 1.0, "input": 0.5, "infer": 6.0, "output": 0.5}
    details = [{"timings": {"encode_us": 1000, "retrieve_us": 3000, "total_us": 4000}}]
    stages = stack_stages(outcome, triton, details)
    assert stages == {
        "driver late": 2.0,  # (1 + 3) / 2
        "network and client": 2.0,  # 10 - (1 + 0.5 + 6 + 0.5)
        "queue": 1.0,
        "encode": 1.0,
        "retrieve": 3.0,
        "rest of the model": 2.0,  # 6 - (1 + 3)
        "Triton": 1.0,
    }
    assert sum(stages.values()) == pytest.approx(2 + 10)


def test_stages_of_a_server_elsewhere_and_of_none() -> None:
    answered = make_outcome([(0.0, 0.0, 0.004, ANSWERED)])
    assert stack_stages(answered, {}, []) == {"driver late": 0.0, "server and network": 4.0}
    assert stack_stages(make_outcome([(0.0, 0.0, 1.0, "unavailable")]), {}, []) == {}
