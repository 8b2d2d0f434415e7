"""Whether a product is bought again: rates by product, category and shop, and what too little tells."""

import numpy as np
import pytest

from mercato.signals.buying_again import (
    CATEGORY_PRIOR,
    LEAST_RATE,
    PRODUCT_PRIOR,
    SHOP_PRIOR,
    USUAL_RATE,
    BuyingAgain,
    compute_buying_again,
)
from mercato.signals.events import NO_ORDER, EventColumns

DAY = 86_400.0
NOW = 1_000 * DAY


def bought(rows: list[tuple[int, int, float]]) -> EventColumns:
    """Purchases as (actor, product, days ago)."""
    return EventColumns(
        actor=np.array([row[0] for row in rows], np.int32),
        product=np.array([row[1] for row in rows], np.int32),
        order=np.full(len(rows), NO_ORDER, np.int32),
        time=np.array([NOW - row[2] * DAY for row in rows]),
        weight=np.ones(len(rows), np.float32),
    )


def test_the_rate_by_hand() -> None:
    # Product 0: two buyers, one on two days. Product 1: one buyer 15 days ago, who had half of the time to come back.
    events = bought([(1, 0, 100), (1, 0, 90), (2, 0, 100), (3, 1, 15)])
    found = compute_buying_again(events, 2, None, until=NOW)
    shop = (1 + SHOP_PRIOR * USUAL_RATE) / (2.5 + SHOP_PRIOR)
    expected = [(1 + PRODUCT_PRIOR * shop) / (2 + PRODUCT_PRIOR), PRODUCT_PRIOR * shop / (0.5 + PRODUCT_PRIOR)]
    assert found.rate == pytest.approx(expected, rel=1e-6)


def test_a_product_of_few_buyers_goes_by_its_category() -> None:
    staple = [(user, 0, 300 - 7 * week) for user in range(40) for week in range(3)]
    furniture = [(user, 1, 300.0) for user in range(400)]
    rare = [(1, 2, 300.0), (1, 3, 300.0)]
    found = compute_buying_again(bought(staple + furniture + rare), 4, np.array([0, 1, 0, 1], np.int32), until=NOW)
    shop = (40 + SHOP_PRIOR * USUAL_RATE) / (442 + SHOP_PRIOR)
    category = (40 + CATEGORY_PRIOR * shop) / (41 + CATEGORY_PRIOR)
    assert found.rate[2] == pytest.approx(PRODUCT_PRIOR * category / (1 + PRODUCT_PRIOR), rel=1e-6)
    assert found.bought_once(np.array([0, 1, 2, 3, -1], np.int32)).tolist() == [False, True, False, True, False]


def test_where_nobody_buys_twice_everything_is_bought_once() -> None:
    events = bought([(user, product, 200.0 + product) for user in range(60) for product in range(5)])
    assert compute_buying_again(events, 6, None, until=NOW).bought_once(np.arange(6, dtype=np.int32)).all()


@pytest.mark.parametrize(
    "events",
    [
        bought([]),
        bought([(1, 0, 50.0)]),
        bought([(user, 0, 2.0) for user in range(300)]),  # opened the day before yesterday
    ],
)
def test_too_little_says_nothing(events: EventColumns) -> None:
    assert not compute_buying_again(events, 1, None, until=NOW).bought_once(np.zeros(1, np.int32)).any()


def test_a_day_counts_once_and_the_future_not_at_all() -> None:
    many = bought([(user, 0, 100.0) for user in range(200)] * 2 + [(user, 0, -5.0) for user in range(200)])
    assert compute_buying_again(many, 1, None, until=NOW).rate[0] < LEAST_RATE


def test_without_times_each_order_is_a_day() -> None:
    events = bought([(1, 0, 0.0), (1, 0, 0.0)])
    without = EventColumns(
        actor=events.actor,
        product=events.product,
        order=np.array([7, 8], np.int32),
        time=np.array([-2.0, -1.0]),
        weight=events.weight,
    )
    found = compute_buying_again(without, 1, None, until=NOW)
    shop = (1 + SHOP_PRIOR * USUAL_RATE) / (1 + SHOP_PRIOR)
    assert found.rate[0] == pytest.approx((1 + PRODUCT_PRIOR * shop) / (1 + PRODUCT_PRIOR), rel=1e-6)


def test_a_snapshot_from_before_knows_of_none() -> None:
    assert not BuyingAgain.empty().bought_once(np.arange(3, dtype=np.int32)).any()
