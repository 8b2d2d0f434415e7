import numpy as np
import pytest

from mercato.signals.cooccurrence import BLOCK_PAIRS, Cooccurrence, compute_together
from mercato.signals.events import EventColumns

DAY = 86_400.0


def make_orders(*orders: list[int], actors: list[int] | None = None, with_codes: bool = True) -> EventColumns:
    """Make one order a day, by a new actor each day unless given."""
    product = [p for order in orders for p in order]
    index = [number for number, order in enumerate(orders) for _ in order]
    return EventColumns(
        actor=np.array([(actors or range(len(orders)))[number] for number in index], np.int32),
        product=np.array(product, np.int32),
        order=np.array(index if with_codes else [-1] * len(index), np.int32),
        time=np.array(index, np.float64) * DAY,
        weight=np.ones(len(index), np.float32),
    )


def compute_dense(orders: list[list[int]], count: int, shrinkage: float) -> np.ndarray:
    """Score all pairs with a dense matrix, the plain way."""
    presence = np.zeros((len(orders), count))
    for number, order in enumerate(orders):
        presence[number, order] = 1.0
    together = presence.T @ presence
    size = np.sqrt(np.outer(np.diag(together), np.diag(together)))
    score = np.where(together >= 2, together / np.maximum(size, 1) * together / (together + shrinkage), 0.0)
    np.fill_diagonal(score, 0.0)
    return score


def to_dense(found: Cooccurrence) -> np.ndarray:
    count = len(found.indptr) - 1
    dense = np.zeros((count, count))
    dense[np.repeat(np.arange(count), np.diff(found.indptr)), found.neighbours] = found.scores
    return dense


def test_score_is_a_shrunk_cosine_of_orders() -> None:
    events = make_orders([0, 1], [0, 1], [0, 1, 2], [0], [1, 2])
    found = compute_together(events, 3, until=9 * DAY, min_buyers=1, shrinkage=2.0).neighbours
    # 0 is in 4 orders, 1 in 4, 2 in 2; 0 and 1 share 3, 1 and 2 share 2, 0 and 2 one, which is chance.
    first = 3 / np.sqrt(4 * 4) * 3 / (3 + 2)
    second = 2 / np.sqrt(4 * 2) * 2 / (2 + 2)
    assert to_dense(found) == pytest.approx(np.array([[0, first, 0], [first, 0, second], [0, second, 0]]))
    assert found.indptr.dtype == np.int64
    assert found.neighbours.dtype == np.int32
    assert found.scores.dtype == np.float32


def test_random_orders_equal_the_dense_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    orders = [sorted(rng.choice(20, rng.integers(1, 9), replace=False).tolist()) for _ in range(200)]
    events = make_orders(*orders)
    whole = compute_together(events, 20, until=999 * DAY, min_buyers=1, shrinkage=5.0).neighbours
    assert to_dense(whole) == pytest.approx(compute_dense(orders, 20, 5.0), abs=1e-6)
    # In many small blocks the same comes out.
    assert BLOCK_PAIRS > 300
    monkeypatch.setattr("mercato.signals.cooccurrence.BLOCK_PAIRS", 300)
    blocks = compute_together(events, 20, until=999 * DAY, min_buyers=1, shrinkage=5.0).neighbours
    np.testing.assert_array_equal(blocks.neighbours, whole.neighbours)
    np.testing.assert_array_equal(blocks.indptr, whole.indptr)


def test_best_neighbours_come_first_and_ties_by_row() -> None:
    events = make_orders(*[[0, 3]] * 4, *[[0, 2]] * 2, *[[0, 1]] * 2)
    found = compute_together(events, 4, until=99 * DAY, min_buyers=1, neighbours=2).neighbours
    assert found.neighbours[: found.indptr[1]].tolist() == [3, 1]


def test_products_with_few_buyers_are_left_out() -> None:
    events = make_orders([0, 1], [0, 1], [0, 1], actors=[5, 5, 6])
    assert len(compute_together(events, 2, until=9 * DAY, min_buyers=2).neighbours.neighbours) == 2
    assert len(compute_together(events, 2, until=9 * DAY, min_buyers=3).neighbours.neighbours) == 0


def test_without_order_codes_a_day_of_an_actor_is_an_order() -> None:
    orders = [[0, 1], [0, 1], [1, 2]]
    coded = compute_together(make_orders(*orders), 3, until=9 * DAY, min_buyers=1).neighbours
    by_day = compute_together(make_orders(*orders, with_codes=False), 3, until=9 * DAY, min_buyers=1).neighbours
    assert to_dense(coded)[0, 1] > 0
    np.testing.assert_array_equal(to_dense(by_day), to_dense(coded))


def test_order_codes_and_days_of_unknown_actors_do_not_collide() -> None:
    events = make_orders([0, 1], [0, 1], [2, 3], [2, 3], actors=[-1, -1, 0, 0])
    mixed = EventColumns(
        actor=events.actor,
        product=events.product,
        order=np.array([-1, -1, -1, -1, 0, 0, 1, 1], np.int32),
        time=events.time,
        weight=events.weight,
    )
    found = to_dense(compute_together(mixed, 4, until=9 * DAY, min_buyers=1).neighbours)
    assert (found > 0).tolist() == (
        to_dense(compute_together(events, 4, until=9 * DAY, min_buyers=1).neighbours) > 0
    ).tolist()


def test_a_large_order_counts_with_products_spread_over_its_rows() -> None:
    events = make_orders(list(range(10)), list(range(10)))
    found = compute_together(events, 10, until=9 * DAY, min_buyers=1, max_order_products=5).neighbours
    assert np.flatnonzero(np.diff(found.indptr)).tolist() == [0, 2, 4, 6, 8]


def test_the_future_and_weightless_events_are_not_read() -> None:
    orders = [[0, 1], [0, 1], [0, 1]]
    events = make_orders(*orders)
    past = compute_together(events, 2, until=2 * DAY, min_buyers=1).neighbours
    assert to_dense(past) == pytest.approx(compute_dense(orders[:2], 2, 10.0))
    weightless = EventColumns(
        actor=events.actor,
        product=events.product,
        order=events.order,
        time=events.time,
        weight=np.zeros(len(events), np.float32),
    )
    assert len(compute_together(weightless, 2, until=9 * DAY, min_buyers=1).neighbours.neighbours) == 0


def test_nothing_at_all() -> None:
    for count in (0, 3):
        found = compute_together(make_orders(), count, until=DAY).neighbours
        assert found.indptr.tolist() == [0] * (count + 1)
        rows, scores = found.add_up(np.array([0], np.int32), np.ones(1, np.float32)).find(5)
        assert len(rows) == len(scores) == 0


CHAIN = Cooccurrence(
    indptr=np.array([0, 2, 4, 5], np.int64),
    neighbours=np.array([1, 2, 0, 2, 0], np.int32),
    scores=np.array([0.5, 0.25, 0.5, 0.125, 0.25], np.float32),
)


def test_seeds_add_up_and_are_not_found_themselves() -> None:
    seeds, weights = np.array([0, 1], np.int32), np.array([1.0, 2.0], np.float32)
    rows, scores = CHAIN.add_up(seeds, weights).find(5)
    assert rows.tolist() == [2]
    assert scores == pytest.approx([1.0 * 0.25 + 2.0 * 0.125])
    assert CHAIN.add_up(seeds, weights).score(np.array([2, 1, 0], np.int32)) == pytest.approx(
        [0.5, 1.0 * 0.5, 2.0 * 0.5]
    )


def test_unknown_seeds_and_candidates_score_zero() -> None:
    seeds, weights = np.array([-1, 99, 0], np.int32), np.ones(3, np.float32)
    assert CHAIN.add_up(seeds, weights).score(np.array([7, 1, -1], np.int32)).tolist() == [0.0, 0.5, 0.0]
    assert CHAIN.add_up(seeds[:2], weights[:2]).score(np.array([1], np.int32)).tolist() == [0.0]
    assert CHAIN.add_up(seeds, weights).score(np.zeros(0, np.int32)).shape == (0,)


def test_limit_keeps_the_best() -> None:
    rows, _ = CHAIN.add_up(np.array([0], np.int32), np.ones(1, np.float32)).find(1)
    assert rows.tolist() == [1]
    rows, _ = CHAIN.add_up(np.array([0], np.int32), np.ones(1, np.float32)).find(0)
    assert rows.tolist() == []


def test_people_count_and_not_orders() -> None:
    # One account orders 0 and 1 together 50 times; four people order 0 and 2 together once; 1 has buyers of its own.
    rows = [(9, 0, n) for n in range(50)] + [(9, 1, n) for n in range(50)]
    rows += [(person, product, 100 + person) for person in range(4) for product in (0, 2)]
    rows += [(20 + person, 1, 200 + person) for person in range(4)]
    actor, product, order = (np.array(column, np.int32) for column in zip(*rows, strict=True))
    events = EventColumns(
        actor=actor,
        product=product,
        order=order,
        time=np.zeros(len(rows)),
        weight=np.ones(len(rows), np.float32),
    )
    found = compute_together(events, 3, until=1.0).neighbours
    assert found.neighbours[found.indptr[0] : found.indptr[1]].tolist() == [2]
    # Four of the five buyers of 0 bought it with 2, which has four.
    assert found.scores[found.indptr[0]] == pytest.approx(4 / np.sqrt(5 * 4) * 4 / (4 + 10))


def test_orders_of_two_people_that_are_called_alike_are_two() -> None:
    rows = [(person, product, 1) for person, product in ((0, 0), (1, 1), (2, 0), (3, 1), (4, 0), (5, 1))]
    actor, product, order = (np.array(column, np.int32) for column in zip(*rows, strict=True))
    events = EventColumns(actor=actor, product=product, order=order, time=np.zeros(6), weight=np.ones(6, np.float32))
    assert not len(compute_together(events, 2, until=1.0).neighbours.neighbours)
