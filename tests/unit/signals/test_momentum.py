from dataclasses import replace

import numpy as np
import pytest

from mercato.signals.events import EventColumns
from mercato.signals.momentum import NEVER_DAYS, Momentum, compute_momentum

DAY = 86_400.0
NOW = 1000 * DAY


def make_events(lines: list[tuple[int, int, float]]) -> EventColumns:
    """Lines of actor, product and days ago."""
    actor, product, days = (np.array(column) for column in zip(*lines, strict=True))
    return EventColumns(
        actor=actor.astype(np.int32),
        product=product.astype(np.int32),
        order=np.full(len(lines), -1, np.int32),
        time=NOW - days * DAY,
        weight=np.ones(len(lines), np.float32),
    )


def test_buyers_of_the_last_days_are_counted_once() -> None:
    found = compute_momentum(
        make_events([(0, 0, 1), (0, 0, 2), (1, 0, 6), (2, 0, 20), (3, 0, 40), (0, 1, 3)]), 3, until=NOW
    )
    assert found.fresh_buyers.tolist() == [2, 1, 0]
    assert found.recent_buyers.tolist() == [3, 1, 0]
    assert found.age_days.tolist() == [40, 3, NEVER_DAYS]
    assert found.silent_days.tolist() == [1, 3, NEVER_DAYS]


def test_pieces_are_those_of_a_usual_event() -> None:
    events = make_events([(0, 0, 1), (1, 0, 2), (2, 1, 3), (0, 1, -1)])
    found = compute_momentum(replace(events, quantity=np.array([1, 11, 5, 99], np.int32)), 3, until=NOW)
    # log(1 + 1) and log(1 + 11) make a mean of log sqrt(24).
    np.testing.assert_allclose(found.log_quantity, [np.log(24) / 2, np.log(6), 0], rtol=1e-6)
    np.testing.assert_allclose(
        compute_momentum(events, 3, until=NOW).log_quantity, [np.log(2), np.log(2), 0], rtol=1e-6
    )


def test_the_future_does_not_count() -> None:
    lines = [(0, 0, 5.0), (1, 1, 30.0)]
    alone = compute_momentum(make_events(lines), 2, until=NOW)
    with_future = compute_momentum(make_events([*lines, (2, 0, -1.0), (3, 1, 0.0)]), 2, until=NOW)
    for name in ("fresh_buyers", "recent_buyers", "age_days", "silent_days", "log_quantity"):
        np.testing.assert_array_equal(getattr(with_future, name), getattr(alone, name), err_msg=name)


def test_trending_products_sell_above_their_share() -> None:
    momentum = Momentum(
        fresh_buyers=np.array([9, 10, 0, 5], np.float32),
        recent_buyers=np.array([13, 37, 9, 5], np.float32),
        age_days=np.full(4, 100, np.float32),
        silent_days=np.ones(4, np.float32),
        log_quantity=np.zeros(4, np.float32),
    )
    rows, scores = momentum.rank_trending(10)
    # Expected: (13 + 3) / 4 = 4, (37 + 3) / 4 = 10, 3, (5 + 3) / 4 = 2; product 1 sells as always, 2 falls.
    assert rows.tolist() == [0, 3]
    assert scores.tolist() == pytest.approx([(9 - 4) / 2, (5 - 2) / np.sqrt(2)])
    assert momentum.rank_trending(1)[0].tolist() == [0]


def test_arrivals_are_what_was_first_sold_lately() -> None:
    momentum = compute_momentum(
        make_events(
            [(0, 0, 100), (1, 0, 2), *((a, 1, 10) for a in range(3)), *((a, 2, 5) for a in range(4)), (0, 3, 2)]
        ),
        4,
        until=NOW,
    )
    rows, scores = momentum.rank_arrivals(10)
    assert rows.tolist() == [2, 1]
    assert scores.tolist() == [4, 3]  # product 3 has one buyer only


def test_a_shop_that_has_just_opened_has_no_arrivals() -> None:
    momentum = compute_momentum(make_events([(0, 0, 10), (0, 1, 5)]), 2, until=NOW)
    assert len(momentum.rank_arrivals(10)[0]) == 0


def test_nothing_sold_is_no_error() -> None:
    momentum = compute_momentum(make_events([(0, 9, 1.0)]), 3, until=NOW)
    assert momentum.age_days.tolist() == [NEVER_DAYS] * 3
    assert len(momentum.rank_trending(5)[0]) == 0
    assert len(momentum.rank_arrivals(5)[0]) == 0
