import numpy as np
import pytest

from mercato.events.event_order import order_to_time
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.signals import sessions as module
from mercato.signals.events import EventColumns
from mercato.signals.sessions import SESSION_GAP_S, collect_clicks, find_session

NOW = 1_700_000_000.0
VIEW, CART, PURCHASE = (EVENT_TYPE_CODES[name] for name in ("detail-page-view", "add-to-cart", "purchase-complete"))


def make_events(lines: list[tuple[int, int, float]], event_type: int = VIEW) -> EventColumns:
    """Lines of actor, product and time."""
    actor, product, time = (np.array(column) for column in zip(*lines, strict=True))
    return EventColumns(
        actor=actor.astype(np.int32),
        product=product.astype(np.int32),
        order=np.full(len(lines), -1, np.int32),
        time=time.astype(np.float64),
        weight=np.full(len(lines), 0.3, np.float32),
        type=np.full(len(lines), event_type, np.uint8),
    )


def cut(events: EventColumns, products: int = 10) -> list[list[int]]:
    """The products of each session."""
    found = collect_clicks(events, products, until=NOW)
    return [found.product[found.session == number].tolist() for number in dict.fromkeys(found.session.tolist())]


def test_a_session_ends_with_its_actor_and_after_half_an_hour() -> None:
    start = NOW - 10_000
    lines = [(1, 3, start), (0, 1, start), (1, 4, start + 5), (0, 2, start + SESSION_GAP_S)]
    lines.append((0, 5, start + 2 * SESSION_GAP_S + 1))
    assert cut(make_events(lines)) == [[1, 2], [5], [3, 4]]


def test_a_product_twice_in_a_row_is_one_click_and_one_of_the_future_or_unknown_is_none() -> None:
    lines = [(0, 1, NOW - 60), (0, 1, NOW - 50), (0, 2, NOW - 40), (0, 1, NOW - 30), (0, 3, NOW), (0, 99, NOW - 20)]
    assert cut([make_events(lines)][0]) == [[1, 2, 1]]


def test_equal_times_keep_their_order() -> None:
    assert cut(make_events([(0, product, NOW - 60) for product in (7, 2, 5)])) == [[7, 2, 5]]


def test_events_without_times_are_one_session_in_their_order() -> None:
    moments = order_to_time([0, 1, 2_000_000, 5])
    lines = [(0, product, float(moment)) for product, moment in zip((1, 2, 3, 4), moments, strict=True)]
    assert cut(make_events(lines)) == [[1, 2, 4, 3]]


def test_purchases_are_no_clicks_and_carts_are() -> None:
    lines = [(0, 1, NOW - 60), (0, 2, NOW - 50)]
    assert cut(make_events(lines, CART)) == [[1, 2]]
    assert not cut(make_events(lines, PURCHASE))


def test_columns_without_types_hold_no_clicks() -> None:
    events = make_events([(0, 1, NOW - 60)])
    untyped = EventColumns(**{name: getattr(events, name) for name in ("actor", "product", "order", "time", "weight")})
    assert not len(collect_clicks(untyped, 10, until=NOW))


def test_of_a_long_session_and_of_a_long_log_the_last_clicks_count(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [(0, product % 10, NOW - 100 + product) for product in range(80)]
    assert cut(make_events(lines)) == [[product % 10 for product in range(30, 80)]]
    monkeypatch.setattr(module, "MAX_CLICKS", 3)
    assert cut(make_events(lines)) == [[7, 8, 9]]


def test_the_session_of_a_moment_is_what_was_clicked_without_a_long_pause() -> None:
    time = np.array([NOW - 10, NOW - 20, NOW - 1_000, NOW - 1_010, NOW - 4_000])
    kinds = np.array([VIEW, PURCHASE, CART, VIEW, VIEW], np.uint8)
    assert find_session(time, kinds, NOW).tolist() == [0, 2, 3]
    assert not len(find_session(time, kinds, NOW + SESSION_GAP_S))
    assert find_session(time, kinds, NOW - 5).tolist() == [0, 2, 3]
    assert not len(find_session(np.zeros(0), np.zeros(0, np.uint8), NOW))


def test_events_without_times_are_the_present_whatever_the_moment() -> None:
    time = order_to_time([9, 8, 3])
    assert find_session(time, np.full(3, VIEW, np.uint8), NOW).tolist() == [0, 1, 2]
    mixed = np.concatenate([[NOW - 10], time])
    assert find_session(mixed, np.full(4, VIEW, np.uint8), NOW).tolist() == [0]
