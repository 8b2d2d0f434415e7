"""What the online retail benchmark says of a server: gains over the blend and the best method, goals, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmarks.recommendation.baselines_recommend import Purchases
from benchmarks.recommendation.online_retail import (
    BLEND,
    FUSED,
    MEAN,
    TEST,
    average,
    describe_run,
    describe_server,
    find_best,
    judge,
    measure_baselines,
)
from benchmarks.recommendation.online_retail_data import SCOPES
from benchmarks.recommendation.online_retail_server import Measured, describe_latency
from mercato.arrays import Float64

CUSTOMERS = 40


def figures(recall: float, ndcg: float, seed: int = 0) -> dict[str, Float64]:
    """Figures of customers around two means, the last one without any."""
    noise = np.random.default_rng(seed).normal(scale=0.01, size=CUSTOMERS)
    noise -= noise[:-1].mean()
    noise[-1] = np.nan
    return {"recall@20": recall + noise, "ndcg@20": ndcg + noise}


BASELINES = {"habit": figures(0.25, 0.30, 1), "ease": figures(0.20, 0.35, 2), BLEND: figures(0.26, 0.36, 3)}


def test_the_blend_is_chosen_without_the_weeks_that_are_measured() -> None:
    rng = np.random.default_rng(3)
    start = np.datetime64(TEST.tune, "s").astype(float) - 90 * 86_400.0
    time = np.sort(start + rng.uniform(0, 160 * 86_400.0, 3_000))
    user, product = rng.integers(0, 50, 3_000), (30 * rng.random(3_000) ** 2).astype(np.int64)
    later = time >= np.datetime64(TEST.split, "s").astype(float)
    found = []
    for bought in (product, np.where(later, 29 - product, product)):
        purchases = Purchases(user=user, product=bought, time=time, users=50, products=30)
        with threadpool_limits(limits=1):
            found.append(measure_baselines(purchases, TEST, tries=4))
    (values, weights), (other_values, other_weights) = found
    assert weights == other_weights
    # What is measured is what was bought then, by another taste in the second run.
    for scope in SCOPES:
        assert not np.array_equal(values[scope][BLEND]["ndcg@20"], other_values[scope][BLEND]["ndcg@20"])


def test_the_best_single_method_is_found_by_metric_and_is_not_the_blend() -> None:
    assert find_best(BASELINES, "recall@20") == "habit"
    assert find_best(BASELINES, "ndcg@20") == "ease"


def test_gains_are_paired_over_the_customers_that_have_something_to_find() -> None:
    described = describe_server(figures(0.28, 0.38, 4), BASELINES)
    gain = described["gain"]["recall@20"]
    assert gain["over_blend"]["difference"] == pytest.approx(0.28 - 0.26, abs=1e-6)
    assert gain["over_best_single"]["name"] == "habit"
    assert gain["over_best_single"]["difference"] == pytest.approx(0.28 - 0.25, abs=1e-6)
    assert gain["over_blend"]["queries"] == CUSTOMERS - 1


@pytest.mark.parametrize(
    ("recall", "certain", "met"),
    [(0.28, True, True), (0.265, True, False), (0.28, False, False)],
)
def test_a_goal_needs_the_figure_and_a_certain_gain(recall: float, certain: bool, met: bool) -> None:
    interval = [0.01, 0.03] if certain else [-0.001, 0.03]
    one: dict[str, Any] = {f"over_{BLEND}": {"interval": interval}}
    described = {"metrics": {"recall@20": recall, "ndcg@20": 0.4}, "gain": {"recall@20": one, "ndcg@20": one}}
    verdict = judge(described, "all")["recall@20"]
    assert verdict == {"goal": 0.27, "reached": recall, "gain_excludes_zero": certain, "met": met}


def test_seeds_are_averaged_for_each_customer() -> None:
    runs = [{"recall@20": np.array([0.2, 0.4, np.nan])}, {"recall@20": np.array([0.4, 0.4, np.nan])}]
    np.testing.assert_allclose(average(runs)["recall@20"], [0.3, 0.4, np.nan])


def measured(recall: float) -> Measured:
    values = {"all": figures(recall, recall + 0.1), "new": figures(recall - 0.1, recall - 0.1)}
    return Measured(values=values, milliseconds={"all": [1.0, 3.0], "new": [2.0]}, short={"all": 0, "new": 1})


def test_a_run_describes_each_server_and_judges_the_mean_of_seeds() -> None:
    servers = {FUSED: measured(0.2), "seed 17": measured(0.28), "seed 18": measured(0.30)}
    baselines = {"all": BASELINES, "new": BASELINES}
    run = describe_run(servers, baselines, ["seed 17", "seed 18"], concurrency=2, goals=True)
    assert list(run["servers"]) == [FUSED, "seed 17", "seed 18", MEAN]
    assert run["servers"][MEAN]["all"]["metrics"]["recall@20"] == pytest.approx((0.28 + 0.30) / 2, abs=1e-6)
    assert run["goals"]["all"]["recall@20"]["met"]
    assert run["servers"]["seed 17"]["new"]["shorter_than_20"] == 1
    assert run["servers"]["seed 17"]["all"]["latency_ms"]["p50"] == 2.0
    assert "goals" not in describe_run(servers, baselines, ["seed 17"], concurrency=2, goals=False)


def test_latency_is_described_with_how_it_was_asked() -> None:
    described = describe_latency([1.0, 2.0, 3.0], 2)
    assert (described["p50"], described["p95"]) == (2.0, 2.9)  # 95 % of the way from the first to the last
    assert (described["requests"], described["at_a_time"]) == (3, 2)
