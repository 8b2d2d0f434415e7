from dataclasses import replace

import numpy as np

from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.signals.history import PURCHASE
from mercato.state.values import EventTable
from mercato_training.ranker.timeline import Timeline


def make_table(*events: tuple[int, int, float, int], event_type: int = PURCHASE) -> EventTable:
    """Make events of (user, product, time, order)."""
    user, product, time, order = (np.array(column) for column in zip(*events, strict=True))
    count = len(events)
    return EventTable(
        sequence=np.arange(1, count + 1),
        time=time.astype(np.float64),
        event_type=np.full(count, event_type, np.uint8),
        user=user.astype(np.int32),
        visitor=np.full(count, -1, np.int32),
        product=product.astype(np.int32),
        order=order.astype(np.int32),
        quantity=np.ones(count, np.int32),
        price=np.arange(count, dtype=np.float32),
        users=["a", "b"],
        visitors=[],
        products=["x", "y", "z", "gone"],
        orders=["o0", "o1", "o2"],
    )


ROWS = {"x": 10, "y": 11, "z": 12}


def test_history_is_strictly_earlier_and_newest_first() -> None:
    timeline = Timeline(make_table((0, 0, 1.0, 0), (1, 1, 2.0, 1), (0, 2, 3.0, 2), (0, 1, 5.0, 2)), ROWS)
    history = timeline.history_before(0, 5.0, limit=9)
    assert history.rows.tolist() == [12, 10]
    assert history.time.tolist() == [3.0, 1.0]
    assert history.price.tolist() == [2.0, 0.0]
    assert timeline.history_before(0, 5.1, limit=9).rows.tolist() == [11, 12, 10]
    assert timeline.history_before(0, 1.0, limit=9).rows.tolist() == []
    assert timeline.history_before(1, 9.0, limit=9).rows.tolist() == [11]
    assert timeline.history_before(1, float("-inf"), limit=9).rows.tolist() == []


def test_limit_keeps_the_newest() -> None:
    timeline = Timeline(make_table((0, 0, 1.0, 0), (0, 1, 2.0, 0), (0, 2, 3.0, 0)), ROWS)
    assert timeline.history_before(0, 9.0, limit=2).rows.tolist() == [12, 11]
    assert timeline.history_before(0, 9.0, limit=0).rows.tolist() == []


def test_unknown_products_and_visitors_are_left_out() -> None:
    timeline = Timeline(make_table((0, 3, 1.0, 0), (-1, 0, 1.0, 0), (0, 0, 2.0, 0)), ROWS)
    assert timeline.history_before(0, 9.0, limit=9).rows.tolist() == [10]


def test_orders_hold_distinct_products_and_start_with_the_first() -> None:
    timeline = Timeline(
        make_table((1, 1, 4.0, 1), (1, 0, 6.0, 1), (1, 1, 6.0, 1), (0, 2, 5.0, 0), (0, 0, 9.0, 2), (0, 0, 9.0, -1)),
        ROWS,
    )
    orders = timeline.orders(since=4.0, until=9.0)
    assert orders.actor.tolist() == [0, 1]
    assert orders.time.tolist() == [5.0, 4.0]
    assert [orders.products(order).tolist() for order in range(len(orders))] == [[12], [10, 11]]
    assert len(timeline.orders(since=4.5, until=5.0)) == 0
    assert len(timeline.orders(since=0.0, until=99.0)) == 3


def test_no_events_of_known_products() -> None:
    timeline = Timeline(make_table((0, 3, 1.0, 0)), ROWS)
    assert len(timeline.orders(since=0.0, until=9.0)) == 0
    assert len(timeline.history_before(1, 9.0, limit=9)) == 0


def test_an_order_has_the_device_and_region_of_its_first_purchase() -> None:
    table = replace(
        make_table((0, 0, 1.0, 0), (0, 1, 2.0, 0), (1, 2, 3.0, 1), (1, 3, 0.5, 2)),
        device_region=np.array([1, 0, -1, 0], np.int32),
        device_regions=[("phone", "north"), ("desktop", "")],
    )
    orders = Timeline(table, ROWS).orders(since=0.0, until=9.0)
    assert [orders.device_region_of(order) for order in range(len(orders))] == [("desktop", ""), ("", "")]
    nobody = Timeline(make_table((0, 0, 1.0, 0)), ROWS).orders(since=0.0, until=9.0)
    assert nobody.device_region_of(0) == ("", "")


def test_what_is_popular_is_what_was_bought_before() -> None:
    day = 86_400.0
    # y twice; x once, 61 days later; z twice the day after.
    table = make_table((0, 1, 0.0, 0), (1, 1, 0.0, 1), (0, 0, 61 * day, 2), (0, 2, 62 * day, 2), (1, 2, 62 * day, 1))
    timeline = Timeline(table, ROWS)
    assert timeline.list_popular(0.0, 9).tolist() == []
    assert timeline.list_popular(61 * day, 9).tolist() == [11]  # x was bought at that moment, not before it
    # Of two purchases of 62 days ago less than one is left: 2 * 0.5 ** (62 / 60) < 0.5 ** (1 / 60).
    assert timeline.list_popular(62 * day, 9).tolist() == [10, 11]
    assert timeline.list_popular(62 * day + 1, 9).tolist() == [12, 10, 11]
    assert timeline.list_popular(62 * day + 1, 2).tolist() == [12, 10]
    views = Timeline(make_table((0, 1, 0.0, -1), event_type=EVENT_TYPE_CODES["detail-page-view"]), ROWS)
    assert views.list_popular(day, 9).tolist() == []
