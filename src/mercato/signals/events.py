"""The columns of user events that signals are learned from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_ORDER = -1
"""Order code of an event that belongs to no order."""

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class EventColumns:
    """User events as columns of equal length, in any order.

    Attributes:
        actor: int32 [events], code of the user or visitor.
        product: int32 [events], product row in the snapshot, 0..products-1.
        order: int32 [events], code of the order (basket), :data:`NO_ORDER` where there is none.
        time: float64 [events], seconds since 1970 UTC.
        weight: float32 [events], how much the event counts, >= 0 (a purchase 1, a view less).
        region: int32 [events], code of the region, -1 where the event does not say; None where none does.
        quantity: int32 [events], pieces, at least 1; None where no event says: one each.
        type: uint8 [events], a code of :data:`mercato.events.event_type.EVENT_TYPE_CODES`; None where nobody knows.
    """

    actor: NDArray[np.int32]
    product: NDArray[np.int32]
    order: NDArray[np.int32]
    time: NDArray[np.float64]
    weight: NDArray[np.float32]
    region: NDArray[np.int32] | None = None
    quantity: NDArray[np.int32] | None = None
    type: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        """Check that the columns have one length.

        Raises:
            ValueError: the lengths differ; the message names each.
        """
        lengths = {name: len(getattr(self, name)) for name in ("actor", "product", "order", "time", "weight")}
        for name, column in (("region", self.region), ("quantity", self.quantity), ("type", self.type)):
            if column is not None:
                lengths[name] = len(column)
        if len(set(lengths.values())) > 1:
            raise ValueError(f"event columns must have one length, given {lengths}")

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.time)

    def before(self, until: float) -> "EventColumns":
        """Return the events strictly earlier than a moment.

        Args:
            until: seconds since 1970 UTC; an event at exactly this time is left out.
        """
        return self.select(self.time < until)

    def select(self, keep: NDArray[np.bool_]) -> "EventColumns":
        """Return the events of a mask (bool [events]), in their order."""
        return EventColumns(
            actor=self.actor[keep],
            product=self.product[keep],
            order=self.order[keep],
            time=self.time[keep],
            weight=self.weight[keep],
            region=None if self.region is None else self.region[keep],
            quantity=None if self.quantity is None else self.quantity[keep],
            type=None if self.type is None else self.type[keep],
        )
