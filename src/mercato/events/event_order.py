"""Events without times: their order alone, kept in the place of a time.

An order is a whole number, and is kept as a moment long before 1970, a thousandth of a second for each: before every
event that has a time, one after the other. All that sorts by time then keeps the order, and all that counts days asks
``has_time`` or ``count_days`` first (decision 23).
"""

import numpy as np
import numpy.typing as npt

from mercato.arrays import Bool, Float64

FIRST_ORDER_S = -1e10
"""The moment of order 0, seconds since 1970: in the year 1653."""
MAX_ORDER = 10**13 - 1
"""The last order before 1970."""

ORDER_COLUMN = "order_without_time"
"""Where a file that was exported has the orders of its events without times, beside the times of the others."""

_STEP_S = 1e-3
_DAY_S = 86_400.0


def order_to_time(order: npt.ArrayLike) -> Float64:
    """Return the moments that orders, 0 to ``MAX_ORDER``, are kept as: float64, below 0."""
    moments: Float64 = FIRST_ORDER_S + np.asarray(order, dtype=np.float64) * _STEP_S
    return moments


def time_to_order(time: float) -> int:
    """Return the order that is kept as a moment below 0."""
    return round((time - FIRST_ORDER_S) / _STEP_S)


def has_time(time: Float64) -> Bool:
    """Tell which moments are times and not orders: bool, of the shape of ``time``."""
    timed: Bool = np.asarray(time) >= 0
    return timed


def count_days(time: Float64, now: float | Float64, *, without_time: float) -> Float64:
    """Count the days from events to a moment.

    Args:
        time: float64 [n], seconds since 1970, or orders.
        now: seconds since 1970, one moment or float64 [n].
        without_time: what an event without a time counts as: infinity where a stretch of days is looked at, the half-
            life where weights halve with age (it then counts half).

    Returns:
        float64 [n]; below 0 for events after the moment.
    """
    days: Float64 = np.where(has_time(time), (now - time) / _DAY_S, without_time)
    return days
