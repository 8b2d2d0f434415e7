"""What a request led to besides purchases: found in the log, kept in the examples, learned by heads of their own."""

import numpy as np
import pytest

from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.state.values import EventTable
from mercato_training.ranker.examples import ExampleSet, Task
from mercato_training.ranker.prediction_window import ask_shoppers, join_examples, renumber
from mercato_training.ranker.tasks import draw_recommendations
from mercato_training.ranker.timeline import SESSION_GAP_S, Timeline

VIEW, CART, BUY = (EVENT_TYPE_CODES[name] for name in ("detail-page-view", "add-to-cart", "purchase-complete"))
ROWS = {"w": 0, "x": 1, "y": 2, "z": 3}
MINUTE = 60.0


def make_timeline(*events: tuple[int, float, int, int]) -> Timeline:
    """Make one shopper's events of (product, minute, type, order)."""
    product, minute, event_type, order = (np.array(column) for column in zip(*events, strict=True))
    count = len(events)
    table = EventTable(
        sequence=np.arange(1, count + 1),
        time=minute * MINUTE,
        event_type=event_type.astype(np.uint8),
        user=np.zeros(count, np.int32),
        visitor=np.full(count, -1, np.int32),
        product=product.astype(np.int32),
        order=order.astype(np.int32),
        quantity=np.ones(count, np.int32),
        price=np.ones(count, np.float32),
        users=["a"],
        visitors=[],
        products=list(ROWS),
        orders=["o0", "o1"],
    )
    return Timeline(table, ROWS)


SESSIONS = make_timeline(
    (0, 0.0, VIEW, -1),  # an earlier visit, more than a pause before
    (1, 100.0, VIEW, -1),
    (2, 105.0, VIEW, -1),
    (2, 110.0, CART, -1),
    (2, 120.0, BUY, 0),
    (3, 125.0, VIEW, -1),  # after an order another session begins
    (3, 130.0, BUY, 1),
)


def test_a_session_begins_after_a_pause_or_an_order() -> None:
    assert SESSION_GAP_S == 30 * MINUTE
    orders = SESSIONS.orders(since=0.0, until=999 * MINUTE)
    assert (SESSIONS.time[orders.opened] / MINUTE).tolist() == [100.0, 125.0]
    assert (SESSIONS.time[orders.closed] / MINUTE).tolist() == [120.0, 130.0]
    assert (orders.time / MINUTE).tolist() == [120.0, 130.0]


def test_a_session_that_began_before_the_stretch_is_no_part_of_it() -> None:
    orders = SESSIONS.orders(since=101 * MINUTE, until=999 * MINUTE)
    assert (orders.time / MINUTE).tolist() == [130.0]


def test_what_follows_the_moment_counts_until_the_order() -> None:
    orders = SESSIONS.orders(since=0.0, until=999 * MINUTE)
    seen = {}
    rng = np.random.default_rng(0)
    for _ in range(200):
        moment = orders.draw_moment(0, rng)
        found = {kind: rows.tolist() for kind, rows in orders.find_further(0, moment).items()}
        seen[moment / MINUTE] = (found["cart"], found["click"])
    assert seen == {100.0: ([2], [1, 2]), 105.0: ([2], [2]), 110.0: ([2], []), 120.0: ([], [])}


def test_a_task_knows_nothing_of_what_it_is_asked_for() -> None:
    orders = SESSIONS.orders(since=0.0, until=999 * MINUTE)
    tasks = draw_recommendations(orders, 9, np.random.default_rng(1))
    for task in tasks:
        history = SESSIONS.history_before(task.actor, task.time, limit=99)
        assert (history.time < task.time).all()
        end = {(2,): 120.0, (3,): 130.0}[tuple(task.bought.tolist())]
        later = (SESSIONS.time >= task.time) & (SESSIONS.time <= end * MINUTE)
        assert task.further["click"].tolist() == sorted(set(SESSIONS.rows[later & (SESSIONS.type == VIEW)].tolist()))


def test_purchases_alone_leave_all_as_it_was() -> None:
    timeline = make_timeline((0, 0.0, BUY, 0), (1, 10.0, BUY, 1))
    assert timeline.further == ()
    orders = timeline.orders(since=0.0, until=99 * MINUTE)
    rng = np.random.default_rng(0)
    assert [orders.draw_moment(order, rng) for order in range(2)] == [0.0, 10 * MINUTE]
    assert rng.random() == np.random.default_rng(0).random()  # nothing was drawn
    assert [task.further for task in draw_recommendations(orders, 9, rng)] == [{}, {}]


def test_at_a_moment_what_the_weeks_after_it_brought_counts() -> None:
    rng = np.random.default_rng(0)
    asked = ask_shoppers(SESSIONS, np.array([0], np.int32), 104 * MINUTE, 126 * MINUTE, rng)
    assert asked[0].bought.tolist() == [2]
    assert {kind: rows.tolist() for kind, rows in asked[0].further.items()} == {"cart": [2], "click": [2, 3]}


def test_who_buys_nothing_is_asked_too_and_has_nothing() -> None:
    rng = np.random.default_rng(0)
    asked = ask_shoppers(SESSIONS, np.array([0], np.int32), 200 * MINUTE, 300 * MINUTE, rng)
    assert [task.bought.tolist() for task in asked] in ([[]], [[], []])


def test_requests_for_new_products_are_left_out_where_nothing_answers_them_and_they_are_to_teach() -> None:
    timeline = make_timeline((0, 0.0, BUY, 0), (0, 10.0, BUY, 1))
    actors, rng = np.zeros(200, np.int32), np.random.default_rng(0)
    teaching = ask_shoppers(timeline, actors, 5 * MINUTE, 20 * MINUTE, rng, teaching=True)
    fitting = ask_shoppers(timeline, actors, 5 * MINUTE, 20 * MINUTE, rng)
    assert not any(task.only_new for task in teaching)
    # Half of 200, within four standard deviations of 7.
    assert sum(task.only_new for task in fitting) == pytest.approx(100, abs=28)
    assert all(len(task.bought) == 0 for task in fitting if task.only_new)


def make_set(further: dict[str, list[list[bool]]]) -> ExampleSet:
    task = Task(actor=0, time=0.0, query=-1, bought=np.array([1], np.int32), further={"cart": np.array([0], np.int32)})
    return ExampleSet(
        rows=np.array([[0, 1]], np.int32),
        features=np.zeros((1, 2, 3), np.float32),
        bought=np.array([[False, True]]),
        query=np.array([-1], np.int32),
        history=np.zeros((1, 4), np.float32),
        tasks=[task],
        further={kind: np.array(hits) for kind, hits in further.items()},
    )


def test_sets_are_joined_selected_and_renumbered_with_their_outcomes() -> None:
    joined = join_examples([make_set({"cart": [[True, False]]}), make_set({})])
    assert joined.further["cart"].tolist() == [[True, False], [False, False]]
    assert joined.select(np.array([False, True])).further["cart"].tolist() == [[False, False]]
    moved = renumber(joined, np.array([5, 7]))
    assert moved.rows.tolist() == [[5, 7]] * 2
    assert moved.tasks[0].further["cart"].tolist() == [5]
    assert moved.tasks[0].bought.tolist() == [7]


@pytest.mark.parametrize("kind", ["cart", "click"])
def test_tasks_of_one_log_have_the_kinds_that_it_has(kind: str) -> None:
    code = {"cart": CART, "click": VIEW}[kind]
    timeline = make_timeline((0, 0.0, code, -1), (1, 10.0, BUY, 0))
    assert timeline.further == (kind,)
    assert set(timeline.find_further(0, since=0.0, until=1.0)) == {kind}
