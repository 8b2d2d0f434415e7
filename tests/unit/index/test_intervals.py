"""Intervals made from numbers: round bounds, shares alike, and the hard cases."""

import numpy as np

from mercato.index.facet_intervals import make_intervals
from mercato.requests.facets import Interval


def bounds(numbers: list[float], most: int = 5) -> list[float]:
    intervals = make_intervals(np.array(numbers, np.float64), most)
    assert [one.upper for one in intervals[:-1]] == [other.lower for other in intervals[1:]]
    return [one.upper for one in intervals[:-1]]


def test_bounds_are_rounded_quantiles() -> None:
    # Quantiles of 0 .. 99 are 20, 40, 60 and 80; 80 is as near to 75 as 100 is not.
    assert bounds([float(number) for number in range(100)]) == [20.0, 40.0, 60.0, 75.0]


def test_skewed_numbers_are_parted_where_they_are() -> None:
    cheap = [0.5 + 0.01 * number for number in range(99)]
    assert max(bounds([*cheap, 10_000.0])) < 2.0


def test_equal_numbers_are_one_interval() -> None:
    assert make_intervals(np.full(7, 3.0)) == (Interval(),)


def test_no_numbers_are_no_intervals() -> None:
    assert make_intervals(np.zeros(0)) == ()


def test_one_interval_is_open_on_both_sides() -> None:
    assert make_intervals(np.arange(5.0), 1) == (Interval(),)


def test_negative_numbers_and_zero() -> None:
    assert bounds([-10.0, -10.0, 0.0, 0.0, 10.0, 10.0], 3) == [0.0, 10.0]
