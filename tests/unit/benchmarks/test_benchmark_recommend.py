"""Baselines of recommendation on a shop of four customers, and windows that see nothing of what comes after them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.recommendation.baselines_recommend import (
    DAY,
    Purchases,
    blend,
    scale_rows,
    score_ease,
    score_habit,
    score_popularity,
    tune_blend,
)
from benchmarks.recommendation.online_retail import TEST
from benchmarks.recommendation.online_retail_data import (
    compute_mean_ndcg,
    measure_lists,
    measure_scores,
    open_window,
    read_sales,
)

START = float(np.datetime64("2011-10-01", "s").astype(np.int64))
# customer, product, day since START
ROWS = [
    (0, 0, 1),
    (0, 0, 2),
    (0, 1, 3),
    (1, 0, 4),
    (1, 2, 5),
    (2, 3, 28),
    (0, 2, 40),
    (2, 3, 41),
    (2, 0, 42),
    (3, 1, 43),
]


def make_purchases() -> Purchases:
    user, product, day = (np.array(column, np.int64) for column in zip(*ROWS, strict=True))
    return Purchases(user=user, product=product, time=START + day * DAY, users=4, products=4)


def test_popularity_counts_the_buyers_of_the_last_days() -> None:
    past, moment = make_purchases().before(START + 30 * DAY), START + 30 * DAY
    assert score_popularity(past, np.array([0]), moment, days=27).tolist() == [[1, 1, 1, 1]]
    assert score_popularity(past, np.array([0]), moment, days=14).tolist() == [[0, 0, 0, 1]]


def test_habit_counts_and_breaks_ties_by_popularity() -> None:
    scores = score_habit(make_purchases().before(START + 30 * DAY), np.array([0]), START + 30 * DAY)
    # bought twice, once, never, never but popular: 1 / (1 + 1)
    assert scores.tolist() == [[2.0, 1.0, 0.0, 0.5]]


def test_ease_is_the_closed_form() -> None:
    past = make_purchases().before(START + 30 * DAY)
    table = (past.counts().toarray() > 0).astype(np.float64)
    inverse = np.linalg.inv(table.T @ table + 2.0 * np.eye(4))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    expected = table[[0, 1]] @ weights
    assert score_ease(past, np.array([0, 1]), 0.0, regularisation=2.0) == pytest.approx(expected, abs=1e-5)


def test_a_window_asks_for_those_who_came_before_and_knows_nothing_later() -> None:
    window = open_window(make_purchases(), "2011-11-01", "2011-12-10")
    assert window.asked.tolist() == [0, 2]  # 1 bought nothing then, 3 nothing before
    assert window.bought == [{"2": 1}, {"0": 1, "3": 1}]
    assert window.past.time.max() < window.moment
    assert window.known.tolist() == [[True, True, False, False], [False, False, False, True]]


def test_new_products_only_are_found_among_new_products() -> None:
    window = open_window(make_purchases(), "2011-11-01", "2011-12-10")
    scores = np.array([[9, 8, 1, 0], [1, 0, 0, 9]], np.float32)
    everything = measure_scores(window, scores, "all")
    assert everything["recall@20"].tolist() == [1.0, 1.0]
    # customer 0: the one right product is third; customer 2: both are first
    assert everything["ndcg@20"] == pytest.approx([1 / np.log2(4), 1.0])
    assert measure_scores(window, scores, "new")["ndcg@20"] == pytest.approx([1.0, 1.0])


def test_a_blend_takes_what_is_best() -> None:
    good, bad = np.array([[0.0, 1.0]], np.float32), np.array([[1.0, 0.0]], np.float32)
    weights = tune_blend({"bad": bad, "good": good}, lambda s: float(s[0, 1] - s[0, 0]), np.random.default_rng(1), 20)
    assert weights == {"bad": 0.0, "good": 1.0}
    assert blend({"bad": bad, "good": good}, {"bad": 0.25, "good": 0.75}).tolist() == [[0.25, 0.75]]


def test_rows_are_scaled_apart_and_equal_scores_are_nothing() -> None:
    scores = np.array([[2, 4, 3], [7, 7, 7]], np.float32)
    assert scale_rows(scores).tolist() == [[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]


def test_a_list_is_measured_without_what_the_scope_leaves_out() -> None:
    window = open_window(make_purchases(), "2011-11-01", "2011-12-10")
    lists = [[0, 2], [3, 1, 0]]
    # customer 0 bought 0 before: in scope new its 2 comes first; customer 2 bought 3 before: its 0 is second after 1
    assert measure_lists(window, lists, "all")["ndcg@20"] == pytest.approx(
        [1 / np.log2(3), (1 + 1 / np.log2(4)) / (1 + 1 / np.log2(3))]
    )
    assert measure_lists(window, lists, "new")["ndcg@20"] == pytest.approx([1.0, 1 / np.log2(3)])
    assert measure_lists(window, [[], []], "all")["recall@20"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("scope", ["all", "new"])
def test_the_fast_figure_for_tuning_is_the_measured_one(scope: str) -> None:
    rng = np.random.default_rng(5)
    user, product = rng.integers(0, 40, 2_000), rng.integers(0, 150, 2_000)
    purchases = Purchases(user=user, product=product, time=START + rng.uniform(0, 60, 2_000) * DAY, users=40,
                          products=150)  # fmt: skip
    window = open_window(purchases, "2011-11-01", "2011-12-10")
    scores = rng.normal(size=(len(window.asked), 150)).astype(np.float32)
    assert compute_mean_ndcg(window, scores, scope) == pytest.approx(
        float(np.nanmean(measure_scores(window, scores, scope)["ndcg@20"]))
    )


@pytest.mark.shared_data
def test_the_definitions_of_the_evaluation_data_are_met(shared_data: Path) -> None:
    sales = read_sales(shared_data / "online_retail")
    assert (len(sales.lines), len(sales.users), len(sales.products)) == (396_337, 4_334, 3_659)
    window = open_window(sales.purchases, TEST.split, TEST.stop)
    assert len(window.asked) == 1_540
    assert sum(map(bool, window.right("new"))) == 1_449
