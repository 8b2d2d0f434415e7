"""Intervals of numbers: given ones counted, or ones made from the numbers themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mercato.arrays import Float64, Int64
from mercato.requests.facets import Interval

AUTOMATIC = 5
"""Intervals that are made where none are given: a shopper reads five at a glance."""

_SAMPLE = 4096  # numbers, evenly picked, are enough for bounds that are rounded anyway
_ROUND = np.array([1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.5, 10.0])

_DECIMALS = 12
_LEAST = 10.0**-_DECIMALS
"""What is less is 0, as its bound would be: a power of ten cannot be told of the least numbers that there are."""


def make_intervals(numbers: Float64, most: int = AUTOMATIC) -> tuple[Interval, ...]:
    """Make intervals that hold about as many numbers each, with round bounds.

    The bounds are the quantiles 1/k .. (k-1)/k, each moved to the nearest of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5 and 10
    times a power of ten; equal bounds and bounds that part nothing are dropped. The first and the last are open.

    Args:
        numbers: float64 [n], finite.
        most: k, from 1.

    Returns:
        Ascending intervals that cover every number once; none for no numbers.
    """
    if not len(numbers):
        return ()
    sample = numbers[:: max(1, len(numbers) // _SAMPLE)]
    quantiles = np.sort(sample)[len(sample) * np.arange(1, most) // most]
    low, high = numbers.min(), numbers.max()
    bounds = [bound for bound in np.unique(_round_off(quantiles)).tolist() if low < bound <= high]
    edges = [-np.inf, *bounds, np.inf]
    return tuple(Interval(lower=lower, upper=upper) for lower, upper in zip(edges, edges[1:], strict=False))


def _round_off(numbers: Float64) -> Float64:
    size = np.where(np.abs(numbers) < _LEAST, 0.0, np.abs(numbers))
    scale = 10.0 ** np.floor(np.log10(np.where(size > 0, size, 1.0)))
    nearest = np.abs((size / scale)[:, None] - _ROUND).argmin(axis=1)
    return np.where(size > 0, np.sign(numbers) * np.round(_ROUND[nearest] * scale, _DECIMALS), 0.0)


def count_intervals(intervals: Sequence[Interval], numbers: Float64, owners: Int64 | None) -> list[dict[str, Any]]:
    """Count the products that have a number in each interval.

    Args:
        intervals: may overlap.
        numbers: float64 [n].
        owners: int64 [n], whose each is; a product counts once in an interval, however many of its numbers are there.
            None where no product has several.

    Returns:
        For each interval, in order: the interval, the count, and the lowest and highest number in it.
    """
    counted = []
    for interval in intervals:
        above = numbers >= interval.lower if interval.lower_inclusive else numbers > interval.lower
        below = numbers <= interval.upper if interval.upper_inclusive else numbers < interval.upper
        inside = above & below
        held = numbers[inside]
        count = len(held) if owners is None else len(np.unique(owners[inside]))
        item: dict[str, Any] = {"interval": interval.as_json(), "count": count}
        if count:
            item |= {"minimum": float(held.min()), "maximum": float(held.max())}
        counted.append(item)
    return counted
