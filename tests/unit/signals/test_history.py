import numpy as np
import pytest

from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.signals.history import PURCHASE, compute_event_weights, history_vector

DAY = 86_400.0
VIEW = EVENT_TYPE_CODES["detail-page-view"]
REMOVE = EVENT_TYPE_CODES["remove-from-cart"]


def test_weight_halves_in_thirty_days() -> None:
    weight = compute_event_weights(np.array([0.0, 30.0 * DAY]), np.full(2, PURCHASE, np.uint8), now=60.0 * DAY)
    assert weight == pytest.approx([0.25, 0.5])
    assert weight.dtype == np.float32


def test_the_session_counts_more() -> None:
    weight = compute_event_weights(np.array([0.0]), np.array([PURCHASE], np.uint8), now=3600.0)
    assert weight == pytest.approx([0.5 ** (1 / 24 / 30) + 3.0 * 0.5])


def test_types_count_differently_and_unknown_ones_not() -> None:
    types = np.array([PURCHASE, VIEW, REMOVE, 200], np.uint8)
    weight = compute_event_weights(np.zeros(4), types, now=30 * DAY)
    assert weight == pytest.approx([0.5, 0.5 * 0.3, 0.0, 0.0])


def test_events_of_the_future_count_as_now() -> None:
    weight = compute_event_weights(np.array([9 * DAY]), np.array([PURCHASE], np.uint8), now=0.0)
    assert weight == pytest.approx([1.0 + 3.0])


def test_vector_is_the_direction_of_the_weighted_mean() -> None:
    vectors = np.eye(3, dtype=np.float32)[:2]
    vector = history_vector(
        vectors, np.array([60 * DAY, 30 * DAY]), np.full(2, PURCHASE, np.uint8), now=60 * DAY + 30 * DAY
    )
    assert vector == pytest.approx(np.array([0.5, 0.25, 0.0]) / np.sqrt(0.5**2 + 0.25**2))
    assert vector.dtype == np.float32


@pytest.mark.parametrize("count", [0, 2])
def test_vector_is_zero_where_nothing_counts(count: int) -> None:
    vectors = np.ones((count, 4), np.float32)
    vector = history_vector(vectors, np.zeros(count), np.full(count, REMOVE, np.uint8), now=DAY)
    assert vector.tolist() == [0.0] * 4


def test_opposite_vectors_cancel_out_to_zero() -> None:
    vectors = np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)
    assert history_vector(vectors, np.zeros(2), np.full(2, PURCHASE, np.uint8), now=DAY).tolist() == [0.0, 0.0]


def test_vectors_of_distinct_products_give_the_vector_of_all_events() -> None:
    rng = np.random.default_rng(4)
    products = rng.normal(size=(5, 8)).astype(np.float32)
    index = np.array([3, 0, 3, 4, 0, 3, 1])
    time, types = np.sort(rng.uniform(0, 90 * DAY, 7))[::-1], np.array([PURCHASE] * 6 + [REMOVE], np.uint8)
    each = history_vector(products[index], time, types, now=91 * DAY)
    distinct = history_vector(products, time, types, now=91 * DAY, index=index)
    assert distinct == pytest.approx(each, abs=1e-6)  # the same sum in another order
    assert not np.allclose(distinct, history_vector(products[:2], time[:2], types[:2], now=91 * DAY), atol=1e-3)
