import numpy as np
import pytest

from mercato.features.inputs import History
from mercato.signals.history import PURCHASE
from mercato_training.common.metrics import Estimate
from mercato_training.ranker.card import describe_verdict
from mercato_training.ranker.evaluate import (
    compare_systems,
    estimate_mean,
    measure_orders,
    order_by_habit,
    order_by_retrieval,
    order_by_scores,
)
from mercato_training.ranker.examples import ExampleSet, Task


def make_task(*bought: int, actor: int = 0) -> Task:
    return Task(actor=actor, time=0.0, query=-1, bought=np.array(bought, np.int32))


def as_rows(*rows: int) -> np.ndarray:
    return np.array(rows, np.int32)


def test_metrics() -> None:
    tasks = [make_task(5, 6), make_task(1), make_task(2)]
    values = measure_orders(tasks, [as_rows(9, 5, 8), as_rows(3, 4), as_rows(2)])
    # Bought 5 and 6, found 5 at rank 2; 6 counts as missed.
    ideal = 1 / np.log2(2) + 1 / np.log2(3)
    assert values["ndcg@10"] == pytest.approx([(1 / np.log2(3)) / ideal, 0.0, 1.0])
    assert values["mrr"] == pytest.approx([1 / 2, 0.0, 1.0])
    assert values["recall@20"] == pytest.approx([1 / 2, 0.0, 1.0])


def test_cuts() -> None:
    order = as_rows(*range(100, 140))
    values = measure_orders([make_task(110), make_task(120), make_task(119)], [order] * 3)
    assert values["ndcg@10"].tolist() == [0.0, 0.0, 0.0]
    assert values["recall@20"].tolist() == [1.0, 0.0, 1.0]
    assert values["mrr"] == pytest.approx([1 / 11, 1 / 21, 1 / 20])


def test_an_empty_order_is_all_missed() -> None:
    assert measure_orders([make_task(1)], [as_rows()])["ndcg@10"].tolist() == [0.0]


def make_examples() -> ExampleSet:
    rows = np.array([[7, 8, 9], [4, 5, -1]], np.int32)
    return ExampleSet(
        rows=rows,
        features=np.zeros((2, 3, 1), np.float32),
        bought=np.zeros((2, 3), np.bool_),
        query=np.full(2, -1, np.int32),
        history=np.zeros((2, 4), np.float32),
        tasks=[make_task(7), make_task(5)],
    )


def test_orders_of_a_set() -> None:
    scores = np.array([[0.0, 2.0, 0.0], [1.0, 1.5, -np.inf]], np.float32)
    assert [order.tolist() for order in order_by_scores(make_examples(), scores)] == [[8, 7, 9], [5, 4]]
    assert [order.tolist() for order in order_by_retrieval(make_examples())] == [[7, 8, 9], [4, 5]]


def test_habit_is_most_bought_then_popular() -> None:
    history = History(
        rows=as_rows(30, 20, 20, 10, -1, 3, 3, 3),
        time=np.arange(8, 0, -1, dtype=np.float64),
        type=np.array([PURCHASE] * 5 + [1] * 3, np.uint8),
        price=np.zeros(8, np.float32),
    )
    popular = as_rows(0, 20, 1, 2, 3)
    assert order_by_habit(history, popular, 5).tolist() == [20, 30, 10, 0, 1]
    assert order_by_habit(history, popular, 2).tolist() == [20, 30]
    assert order_by_habit(History.empty(), popular, 3).tolist() == [0, 20, 1]


def test_interval_resamples_actors() -> None:
    rng = np.random.default_rng(0)
    # A hundred requests of two actors who differ: nearly all that is known is two numbers.
    values, actors = np.repeat([0.0, 1.0], 50), np.repeat([1, 2], 50)
    few = estimate_mean(values, actors, rng=rng)
    assert (few.mean, few.low, few.high) == (0.5, 0.0, 1.0)
    many = estimate_mean(values, np.arange(100), rng=rng)
    # The standard error of a share of one half over 100 is 0.05.
    assert many.low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.03)
    assert many.high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.03)
    assert np.isnan(estimate_mean(np.zeros(0), np.zeros(0, np.int64), rng=rng).mean)


def test_one_actor_tells_nothing_of_others() -> None:
    alone = estimate_mean(np.array([0.2, 0.4]), np.zeros(2, np.int64), rng=np.random.default_rng(0))
    assert alone.mean == pytest.approx((0.2 + 0.4) / 2)
    assert np.isnan([alone.low, alone.high]).all()
    gain = {name: {"ndcg@10": alone} for name in ("retrieval", "ranker", "ranker - retrieval")}
    said = describe_verdict("search", gain)
    assert "not told apart from retrieval (+0.300). Nothing speaks for serving it" in said


def test_systems_are_compared_pairwise() -> None:
    tasks = [make_task(1, actor=actor) for actor in range(40)]
    good, bad = [as_rows(1, 2)] * 40, [as_rows(2, 1)] * 40
    results = compare_systems(tasks, {"before": bad, "ranker": good}, seed=1)
    assert list(results) == ["before", "ranker", "ranker - before"]
    gain = results["ranker - before"]["mrr"]
    assert (gain.mean, gain.low, gain.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("low", "high", "said"), [(0.1, 0.3, "better than"), (-0.3, -0.1, "WORSE than"), (-0.1, 0.1, "not told apart from")]
)
def test_the_verdict_is_plain(low: float, high: float, said: str) -> None:
    figures = {"ranker - retrieval": {"ndcg@10": Estimate(mean=(low + high) / 2, low=low, high=high)}}
    assert said in describe_verdict("search", figures)
    assert ("Nothing speaks for serving it" in describe_verdict("search", figures)) == (low <= 0)
