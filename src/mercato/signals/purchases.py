"""What a history's purchases come to, whenever they are looked at: computed once for as long as the history is kept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercato.events.event_order import has_time
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.history import PURCHASE


@dataclass(frozen=True, kw_only=True)
class Purchases:
    """The purchases of a history, those of one product on one UTC day once.

    Attributes:
        products: int32 [m], ascending, what was bought.
        product_index: int64 [n], which product each purchase is of.
        time: float64 [n], seconds since 1970 UTC.
        size_of_day: int64 [days], products of each day on which something was bought.
        times: int64 [m], days on which each product was bought.
        last: float64 [m], when it was bought last.
        log_pieces: float64 [m], log1p of all pieces of it.
        mean_log_pieces: float64 [m], mean log1p of the pieces of an event with it.
        usual_log_pieces: the same over all events.
    """

    products: NDArray[np.int32]
    product_index: NDArray[np.int64]
    time: NDArray[np.float64]
    size_of_day: NDArray[np.int64]
    times: NDArray[np.int64]
    last: NDArray[np.float64]
    log_pieces: NDArray[np.float64]
    mean_log_pieces: NDArray[np.float64]
    usual_log_pieces: float


def summarise_purchases(
    rows: NDArray[np.int32],
    time: NDArray[np.float64],
    event_type: NDArray[np.uint8],
    quantity: NDArray[np.int32] | None,
) -> Purchases | None:
    """Summarise the purchases of a history; None where it has none of a known product.

    Args:
        rows: int32 [h], product rows; negative ones are left out.
        time: float64 [h], seconds since 1970 UTC, not increasing.
        event_type: uint8 [h], a code of :data:`mercato.events.event_type.EVENT_TYPE_CODES`.
        quantity: int32 [h], pieces; None for one each.
    """
    bought = (event_type == PURCHASE) & (rows >= 0)
    if not bought.any():
        return None
    rows, time = rows[bought], time[bought]
    products, product_index = np.unique(rows, return_inverse=True)
    pieces = np.ones(len(rows)) if quantity is None else np.maximum(quantity[bought], 1)
    logs = np.log1p(pieces)
    mean = np.bincount(product_index, weights=logs) / np.bincount(product_index)
    day = np.floor(time / SECONDS_PER_DAY).astype(np.int64)
    day = np.where(has_time(time), day, -1 - np.arange(len(day)))  # without times each purchase is a day of its own
    _, first = np.unique((day - day.min()) * len(products) + product_index, return_index=True)
    last = np.full(len(products), -np.inf)
    np.maximum.at(last, product_index, time)
    return Purchases(
        products=products,
        product_index=product_index[first],
        time=time[first],
        size_of_day=np.unique(day[first], return_counts=True)[1],
        times=np.bincount(product_index[first]),
        last=last,
        log_pieces=np.log1p(np.bincount(product_index, weights=pieces)),
        mean_log_pieces=mean,
        usual_log_pieces=float(logs.mean()),
    )
