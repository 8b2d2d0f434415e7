import numpy as np
import pytest

from mercato.signals.events import EventColumns
from mercato.signals.repeat import compute_repeat

DAY = 86_400.0


def make_purchases(*purchases: tuple[int, int, float]) -> EventColumns:
    """Make purchases of (actor, product, day)."""
    actor, product, day = zip(*purchases, strict=True) if purchases else ((), (), ())
    return EventColumns(
        actor=np.array(actor, np.int32),
        product=np.array(product, np.int32),
        order=np.full(len(purchases), -1, np.int32),
        time=np.array(day, np.float64) * DAY,
        weight=np.ones(len(purchases), np.float32),
    )


def test_rate_and_interval_are_smoothed_towards_the_average() -> None:
    # Product 0: actor 1 on days 0, 4 and 20, actor 2 once. Product 1: actor 1 once. Two pairs and one pair.
    repeat = compute_repeat(
        make_purchases((1, 0, 0.0), (1, 0, 4.0), (2, 0, 4.0), (1, 0, 20.0), (1, 1, 3.0)), 3, until=99 * DAY
    )
    mean_rate = 1 / 3
    assert repeat.rate == pytest.approx([(1 + 5 * mean_rate) / (2 + 5), 5 * mean_rate / (1 + 5), mean_rate])
    mean_log_gap = (np.log(4) + np.log(16)) / 2
    from_gaps = np.exp((np.log(4) + np.log(16) + 5 * mean_log_gap) / (2 + 5))
    assert repeat.interval_days == pytest.approx([from_gaps, np.exp(mean_log_gap), np.exp(mean_log_gap)])


def test_two_purchases_of_one_day_are_one() -> None:
    repeat = compute_repeat(make_purchases((1, 0, 5.1), (1, 0, 5.9)), 1, until=9 * DAY)
    assert repeat.rate.tolist() == [0.0]


def test_the_future_is_not_read() -> None:
    repeat = compute_repeat(make_purchases((1, 0, 0.0), (1, 0, 4.0)), 1, until=4 * DAY)
    assert repeat.rate.tolist() == [0.0]


def test_without_purchases_the_rate_is_zero_and_the_interval_a_month() -> None:
    repeat = compute_repeat(make_purchases(), 2, until=DAY)
    assert repeat.rate.tolist() == [0.0, 0.0]
    assert repeat.interval_days == pytest.approx([30.0, 30.0])
    assert repeat.interval_days.dtype == repeat.rate.dtype == np.float32


def test_an_account_that_buys_daily_does_not_speak_for_all() -> None:
    # One actor buys 100 times, a day apart: 99 gaps that count as 10; ten others buy twice, 32 days apart.
    days = [(0, float(day)) for day in range(100)] + [(n, day) for n in range(1, 11) for day in (0.0, 32.0)]
    actor, day = (np.array(column) for column in zip(*days, strict=True))
    events = EventColumns(
        actor=actor.astype(np.int32),
        product=np.zeros(len(days), np.int32),
        order=np.full(len(days), -1, np.int32),
        time=day * 86_400.0,
        weight=np.ones(len(days), np.float32),
    )
    repeat = compute_repeat(events, 1, until=1e9)
    assert repeat.interval_days == pytest.approx([np.exp((10 * np.log(1) + 10 * np.log(32)) / 20)])
