"""Many checked events as columns: what files become, and what the state store takes in bulk.

The boundary between files of events and the state store: neither knows the other.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True, kw_only=True, eq=False)
class EventBatch:
    """Checked events, one array per field, all of length n.

    Attributes:
        event_type: uint8 [n], position in ``EVENT_TYPES``.
        user_id: Arrow string [n], null where not given.
        visitor_id: Arrow string [n], null where not given.
        product_id: Arrow string [n], null where not given.
        time: float64 [n], seconds since 1970; below 0 where only the order is known (``mercato.events.event_order``).
        quantity: int32 [n], at least 1.
        price: float32 [n], NaN where not given.
        order_id: Arrow string [n], null where not given.
        event_id: Arrow string [n], null where not given.
        key: uint8 [n, 16], by which an event is known again (``mercato.events.event_key``).
        context: Arrow string [n], JSON objects, null where not given.
        lines: int64 [n], where in a file each came from; None where from none.
    """

    event_type: npt.NDArray[np.uint8]
    user_id: pa.Array
    visitor_id: pa.Array
    product_id: pa.Array
    time: npt.NDArray[np.float64]
    quantity: npt.NDArray[np.int32]
    price: npt.NDArray[np.float32]
    order_id: pa.Array
    event_id: pa.Array
    key: npt.NDArray[np.uint8]
    context: pa.Array
    lines: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Count the events."""
        return len(self.time)
