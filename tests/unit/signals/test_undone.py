from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.events.event_order import order_to_time
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.signals.undone import Standing, drop_undone, find_standing
from mercato.state.values import EventTable

VIEW, CART, OUT, BUY, BACK = (
    EVENT_TYPE_CODES[name]
    for name in ("detail-page-view", "add-to-cart", "remove-from-cart", "purchase-complete", "refund")
)
Row = tuple[int, float, int, int]
"""Type, time, pieces, order."""


def stand(*rows: Row, product: int = 4) -> Standing:
    kind, time, pieces, order = zip(*rows, strict=True)
    found = find_standing(
        np.zeros(len(rows), np.int32),
        np.full(len(rows), product, np.int32),
        np.array(order, np.int32),
        np.array(time, np.float64),
        np.array(kind, np.uint8),
        np.array(pieces, np.int32),
    )
    assert found is not None
    return found


def pieces(*rows: Row) -> list[int]:
    return stand(*rows).pieces.tolist()


def test_a_return_takes_back_the_last_purchase_before_it() -> None:
    assert pieces((BUY, 1, 2, -1), (BUY, 5, 3, -1), (BACK, 7, 3, -1), (BUY, 9, 1, -1)) == [2, 0, 0, 1]


def test_a_return_that_names_an_order_takes_back_that_one() -> None:
    assert pieces((BUY, 1, 2, 11), (BUY, 5, 2, 12), (BACK, 7, 2, 11)) == [0, 2, 0]


def test_some_pieces_may_come_back() -> None:
    assert pieces((BUY, 1, 5, -1), (BACK, 2, 2, -1)) == [3, 0]
    assert pieces((BUY, 1, 5, -1), (BUY, 2, 1, -1), (BACK, 3, 3, -1)) == [3, 0, 0]
    assert stand((BUY, 1, 5, -1), (BACK, 2, 2, -1)).counts().tolist() == [True, False]


def test_what_was_never_bought_takes_nothing_back() -> None:
    assert pieces((BACK, 1, 4, -1), (BUY, 5, 1, -1)) == [0, 1]
    assert pieces((VIEW, 0, 1, -1), (BACK, 1, 1, -1)) == [1, 0]


@pytest.mark.parametrize("moments", [(5.0, 5.0), tuple(order_to_time([1, 2]))])
def test_where_time_does_not_tell_a_return_may_stand_before_its_purchase(moments: tuple[float, float]) -> None:
    assert pieces((BACK, moments[0], 1, -1), (BUY, moments[1], 1, -1)) == [0, 0]


def test_an_order_that_a_return_names_is_taken_back_though_a_clock_was_wrong() -> None:
    assert pieces((BACK, 1, 1, 7), (BUY, 5, 1, 7)) == [0, 0]


def test_views_and_carts_go_with_what_they_led_to_and_later_ones_stay() -> None:
    found = stand((VIEW, 1, 1, -1), (CART, 2, 1, -1), (BUY, 3, 1, -1), (BACK, 4, 1, -1), (VIEW, 5, 1, -1))
    assert found.counts().tolist() == [False, False, False, False, True]
    kept_some = stand((VIEW, 1, 1, -1), (BUY, 3, 2, -1), (BACK, 4, 1, -1))
    assert kept_some.counts().tolist() == [True, True, False]


def test_what_comes_out_of_the_cart_was_not_in_it_and_was_looked_at() -> None:
    assert stand((VIEW, 1, 1, -1), (CART, 2, 1, -1), (OUT, 3, 1, -1)).counts().tolist() == [True, False, False]


def test_before_it_comes_back_a_purchase_counts() -> None:
    found = stand((BUY, 10, 1, -1), (BACK, 20, 1, -1))
    assert found.counts(until=20).tolist() == [True, False]
    assert found.counts(until=21).tolist() == [False, False]


def test_nothing_to_do_where_nothing_came_back() -> None:
    table = make_table([(BUY, 1.0, 1, 0, 0)])
    assert drop_undone(table, table.product) is table


def make_table(rows: list[tuple[int, float, int, int, int]]) -> EventTable:
    """Events of type, time, pieces, user, product (-1 for none), of order 0 where it is a purchase or a refund."""
    kind, time, quantity, user, product = (np.array(column) for column in zip(*rows, strict=True))
    count = len(rows)
    return replace(
        EventTable.empty(),
        sequence=np.arange(1, count + 1),
        time=time.astype(np.float64),
        event_type=kind.astype(np.uint8),
        user=user.astype(np.int32),
        visitor=np.full(count, -1, np.int32),
        product=product.astype(np.int32),
        order=np.zeros(count, np.int32),
        quantity=quantity.astype(np.int32),
        price=np.full(count, np.nan, np.float32),
        users=["a", "b"],
        products=["x", "y"],
        orders=["o"],
    )


def test_a_refund_of_no_product_takes_back_the_order_of_its_shopper() -> None:
    table = make_table([(BUY, 1, 1, 0, 0), (BUY, 1, 3, 0, 1), (BUY, 1, 1, 1, 0), (BACK, 2, 1, 0, -1)])
    kept = drop_undone(table, table.product)
    assert (kept.user.tolist(), kept.quantity.tolist()) == ([1], [1])
    assert len(drop_undone(table, table.product, until=2.0)) == 3


def test_variants_of_a_product_come_back_for_one_another() -> None:
    table = make_table([(BUY, 1, 2, 0, 0), (BACK, 2, 1, 0, 1)])
    assert drop_undone(table, np.array([7, 7], np.int32)).quantity.tolist() == [1]


@given(
    st.lists(
        st.tuples(st.sampled_from([BUY, BACK]), st.integers(0, 5).map(float), st.integers(1, 3), st.integers(-1, 1)),
        min_size=1,
        max_size=12,
    ).filter(lambda rows: any(row[0] == BACK for row in rows))
)
def test_no_more_comes_back_than_was_bought_and_no_more_than_was_sent(rows: list[Row]) -> None:
    left = stand(*rows).pieces
    bought = sum(row[2] for row in rows if row[0] == BUY)
    sent = sum(row[2] for row in rows if row[0] == BACK)
    assert bought - sent <= left.sum() <= bought
    assert all(0 <= now <= row[2] for now, row in zip(left.tolist(), rows, strict=True))
