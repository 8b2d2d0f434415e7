import numpy as np
import pytest

from mercato.signals.history import PURCHASE
from mercato.state.values import EventTable
from mercato_training.common.synthetic_queries import make_queries
from mercato_training.ranker.tasks import draw_recommendations, draw_searches, forget_histories, split_by_time
from mercato_training.ranker.timeline import Orders, Timeline

DAY = 86_400.0


def make_orders() -> Orders:
    """Make the order of products 0, 1 and 2 by shopper 3 at 10 s, and that of product 1 by shopper 4 at 20 s."""
    table = EventTable(
        sequence=np.arange(1, 5),
        time=np.array([10.0, 10.0, 10.0, 20.0]),
        event_type=np.full(4, PURCHASE, np.uint8),
        user=np.array([3, 3, 3, 4], np.int32),
        visitor=np.full(4, -1, np.int32),
        product=np.array([0, 1, 2, 1], np.int32),
        order=np.array([0, 0, 0, 1], np.int32),
        quantity=np.ones(4, np.int32),
        price=np.ones(4, np.float32),
        device_region=np.array([0, 0, 0, -1], np.int32),
        users=list("abcde"),
        visitors=[],
        products=["x", "y", "z"],
        orders=["o0", "o1"],
        device_regions=[("phone", "north")],
    )
    return Timeline(table, {"x": 0, "y": 1, "z": 2}).orders(since=0.0, until=99.0)


ORDERS = make_orders()


@pytest.mark.parametrize(
    ("categories", "queries"),
    [
        (("GROCERY", "FRZN ICE", "ICE - CRUSHED"), ("ice - crushed", "frzn ice - crushed")),
        (("Bread", "Bread"), ("bread",)),
        (("Tea",), ("tea",)),
        (("  ",), ()),
        ((), ()),
    ],
)
def test_queries_of_categories(categories: tuple[str, ...], queries: tuple[str, ...]) -> None:
    assert make_queries(categories) == queries


def test_stretches_follow_each_other() -> None:
    split = split_by_time(100 * DAY, train_days=28, validation_days=14, test_days=21)
    assert split.end > 100 * DAY
    assert (split.end - split.test) / DAY == pytest.approx(21)
    assert (split.test - split.validation) / DAY == pytest.approx(14)
    assert (split.validation - split.train) / DAY == pytest.approx(28)


def test_a_search_is_answered_by_what_its_query_stands_for() -> None:
    tasks = draw_searches(ORDERS, {0: (7,), 1: (7, 8), 2: ()}, 99, np.random.default_rng(0))
    found = {(task.actor, task.time, task.query): task.bought.tolist() for task in tasks}
    assert found == {(3, 10.0, 7): [0, 1], (3, 10.0, 8): [1], (4, 20.0, 7): [1], (4, 20.0, 8): [1]}


def test_draws_repeat_and_are_bounded() -> None:
    queries = {0: (7,), 1: (7, 8)}
    first, again = (draw_searches(ORDERS, queries, 2, np.random.default_rng(1)) for _ in range(2))
    assert len(first) == 2
    assert [(t.actor, t.query) for t in first] == [(t.actor, t.query) for t in again]


def test_a_recommendation_is_answered_by_the_whole_order() -> None:
    tasks = draw_recommendations(ORDERS, 99, np.random.default_rng(0))
    assert {task.actor: task.bought.tolist() for task in tasks} == {3: [0, 1, 2], 4: [1]}
    assert {task.query for task in tasks} == {-1}


def test_some_shoppers_are_unknown_and_some_new() -> None:
    (task,) = draw_recommendations(ORDERS, 1, np.random.default_rng(0))
    tasks = forget_histories([task] * 2000, np.random.default_rng(0))
    limits = np.array([task.history_limit for task in tasks])
    # Three standard errors of a share of 0.2 over 2,000 are 0.027.
    assert (limits == 0).mean() == pytest.approx(0.2, abs=0.027)
    assert ((limits > 0) & (limits <= 20)).mean() == pytest.approx(0.1, abs=0.021)
    assert (limits == task.history_limit).mean() == pytest.approx(0.7, abs=0.031)
    assert all(one.bought is task.bought for one in tasks)


def test_requests_know_device_and_region_of_their_order() -> None:
    rng = np.random.default_rng(0)
    searches = draw_searches(ORDERS, {0: (7,), 1: (8,)}, 99, rng)
    assert {(task.actor, task.query): task.device_region for task in searches} == {
        (3, 7): ("phone", "north"),
        (3, 8): ("phone", "north"),
        (4, 8): ("", ""),
    }
    recommended = draw_recommendations(ORDERS, 99, rng)
    assert {task.actor: task.device_region for task in recommended} == {3: ("phone", "north"), 4: ("", "")}
