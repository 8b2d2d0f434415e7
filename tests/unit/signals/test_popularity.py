import numpy as np
import pytest

from mercato.signals.events import EventColumns
from mercato.signals.popularity import compute_popularity

DAY = 86_400.0


def make_events(*events: tuple[int, int, float], weight: float = 1.0) -> EventColumns:
    """Make events of (actor, product, day)."""
    actor, product, day = zip(*events, strict=True) if events else ((), (), ())
    return EventColumns(
        actor=np.array(actor, np.int32),
        product=np.array(product, np.int32),
        order=np.full(len(events), -1, np.int32),
        time=np.array(day, np.float64) * DAY,
        weight=np.full(len(events), weight, np.float32),
    )


def test_count_halves_with_each_half_life() -> None:
    events = make_events((0, 0, 100.0), (1, 0, 90.0), (0, 1, 80.0))
    popularity = compute_popularity(events, 3, until=100.0 * DAY + 1e-3, half_life_days=10.0)
    assert popularity.count == pytest.approx([1.0 + 0.5, 0.25, 0.0], rel=1e-4)
    assert popularity.count.dtype == np.float32


def test_weights_scale_the_count() -> None:
    popularity = compute_popularity(make_events((0, 0, 10.0), weight=0.3), 1, until=20.0 * DAY, half_life_days=10.0)
    assert popularity.count == pytest.approx([0.3 * 0.5])


def test_buyers_are_distinct_actors() -> None:
    popularity = compute_popularity(make_events((7, 0, 1.0), (7, 0, 2.0), (8, 0, 3.0), (8, 1, 3.0)), 2, until=9 * DAY)
    assert popularity.buyers.tolist() == [2, 1]


def test_events_at_or_after_until_change_nothing() -> None:
    past = make_events((0, 0, 1.0), (1, 1, 2.0))
    with_future = make_events((0, 0, 1.0), (1, 1, 2.0), (2, 0, 5.0), (3, 1, 6.0))
    expected = compute_popularity(past, 2, until=5.0 * DAY)
    given = compute_popularity(with_future, 2, until=5.0 * DAY)
    for name in ("count", "buyers", "trend"):
        np.testing.assert_array_equal(getattr(given, name), getattr(expected, name))


def test_trend_is_the_log_of_recent_over_long_run_rate() -> None:
    # Ten people each: product 0 all within 28 days, product 1 all before them, product 2 none at all.
    events = make_events(*[(n, 0, 190.0) for n in range(10)], *[(n, 1, 100.0) for n in range(10)])
    popularity = compute_popularity(events, 3, until=200.0 * DAY)
    share = 28.0 / 182.0
    rising = np.log((10 + 5 * share) / ((10 + 5) * share))
    falling = np.log((0 + 5 * share) / ((10 + 5) * share))
    assert popularity.trend == pytest.approx([rising, falling, 0.0], abs=1e-6)


def test_no_events_and_no_products() -> None:
    assert compute_popularity(make_events(), 2, until=DAY).count.tolist() == [0.0, 0.0]
    assert compute_popularity(make_events(), 0, until=DAY).buyers.shape == (0,)


def test_events_of_unknown_products_are_ignored() -> None:
    popularity = compute_popularity(make_events((0, -1, 1.0), (0, 5, 1.0), (0, 1, 1.0)), 2, until=2 * DAY)
    assert popularity.buyers.tolist() == [0, 1]


@pytest.mark.parametrize("half_life", [0.0, -1.0, float("nan")])
def test_half_life_must_be_positive(half_life: float) -> None:
    with pytest.raises(ValueError, match="half_life_days must be positive"):
        compute_popularity(make_events(), 1, until=1.0, half_life_days=half_life)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one length.*'weight': 2"):
        EventColumns(
            actor=np.zeros(1, np.int32),
            product=np.zeros(1, np.int32),
            order=np.zeros(1, np.int32),
            time=np.zeros(1, np.float64),
            weight=np.zeros(2, np.float32),
        )


def test_people_count_and_not_rows() -> None:
    # One account buys product 0 on 100 days, three people buy product 1 once.
    events = make_events(*[(9, 0, 100.0 + n) for n in range(100)], *[(n, 1, 150.0) for n in range(3)])
    popularity = compute_popularity(events, 2, until=200.0 * DAY, half_life_days=50.0)
    assert popularity.count == pytest.approx([0.5 ** (1 / 50), 3 * 0.5], rel=1e-4)
    assert popularity.buyers.tolist() == [1, 3]
