"""How much each event of a history counts, and the history as one vector."""

import numpy as np
from numpy.typing import NDArray

from mercato.events.event_order import count_days
from mercato.events.event_type import EVENT_TYPE_CODES, EVENT_TYPES

PURCHASE = EVENT_TYPE_CODES["purchase-complete"]

_WEIGHT_BY_TYPE = {
    "detail-page-view": 0.3,
    "wishlist-add": 0.5,
    "add-to-cart": 0.7,
    "rating": 0.8,
    "like": 0.8,
    "purchase-complete": 1.0,
}
TYPE_WEIGHTS = np.array([_WEIGHT_BY_TYPE.get(name, 0.0) for name in EVENT_TYPES], dtype=np.float32)
"""float32 [types]: how much an event says about what its user wants; a purchase counts 1. A rating stands for a good
one: the others never count (`mercato.signals.said`). Whoever likes a thing says more than who puts it into a cart, and
less than who pays for it; a wishlist is nearer to a cart than to a view."""

HALF_LIFE_DAYS = 30.0
"""Age at which an event of a history counts half."""

SESSION_HALF_LIFE_DAYS = 1.0 / 24.0
SESSION_LIMIT_DAYS = 1.0
SESSION_BOOST = 3.0
"""What the user does now says more than last week's shopping: a fresh event counts 1 + SESSION_BOOST times."""


def compute_event_weights(
    time: NDArray[np.float64], event_type: NDArray[np.uint8], *, now: float | NDArray[np.float64]
) -> NDArray[np.float32]:
    """Weigh events by type and age.

    With age ``a`` in days (future events have age 0):
    ``type_weight * (0.5 ** (a / HALF_LIFE_DAYS) + SESSION_BOOST * 0.5 ** (a / SESSION_HALF_LIFE_DAYS))``; the second
    term is left out from SESSION_LIMIT_DAYS on, where it is below 2e-7. An event without a time counts half.

    Args:
        time: float64 [h], seconds since 1970 UTC.
        event_type: uint8 [h], code in :data:`mercato.events.event_type.EVENT_TYPE_CODES`; unknown codes weigh 0.
        now: seconds since 1970 UTC, one moment or float64 [h].

    Returns:
        float32 [h], >= 0.
    """
    age = np.maximum(count_days(time, now, without_time=HALF_LIFE_DAYS), 0.0).astype(np.float32)
    # exp of float32 is vectorised in numpy, exp2 is not.
    decay = np.exp(age * np.float32(-np.log(2.0) / HALF_LIFE_DAYS))
    session = np.flatnonzero(age < SESSION_LIMIT_DAYS)
    decay[session] += SESSION_BOOST * np.exp(age[session] * np.float32(-np.log(2.0) / SESSION_HALF_LIFE_DAYS))
    known = np.minimum(event_type, len(TYPE_WEIGHTS) - 1)
    weight: NDArray[np.float32] = decay * TYPE_WEIGHTS[known] * (event_type < len(TYPE_WEIGHTS))
    return weight


def history_vector(
    vectors: NDArray[np.float32],
    time: NDArray[np.float64],
    event_type: NDArray[np.uint8],
    *,
    now: float,
    index: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Summarise a history as the direction of its weighted mean.

    Args:
        vectors: float32 [h, D], the products' vectors; those of the distinct products where ``index`` is given.
        time: float64 [h], seconds since 1970 UTC.
        event_type: uint8 [h], code in :data:`mercato.events.event_type.EVENT_TYPE_CODES`.
        now: seconds since 1970 UTC.
        index: int64 [h], where in ``vectors`` each event's product stands; None for the event's own index. Who buys
            the same again and again has half as many vectors to read.

    Returns:
        float32 [D] of unit length; zeros where nothing counts (no events, or only types of weight 0).
    """
    if not len(time):
        return np.zeros(vectors.shape[1], dtype=np.float32)
    weight = compute_event_weights(time, event_type, now=now)
    if index is not None:
        weight = np.bincount(index, weights=weight, minlength=len(vectors)).astype(np.float32)
    # Not `weight @ vectors`: BLAS takes twice as long for it, and many times that where its threads wait for cores.
    total = np.einsum("h,hd->d", weight, vectors)
    norm = float(np.sqrt(np.einsum("d,d->", total, total)))
    if not norm > 0.0:
        return np.zeros(vectors.shape[1], dtype=np.float32)
    unit: NDArray[np.float32] = (total / norm).astype(np.float32)
    return unit
