"""What goes into the state store and what comes out of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mercato.errors import InvalidInputError

PRODUCT_OPERATIONS: tuple[str, ...] = ("upsert", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Actor:
    """Whose events are asked for.

    Attributes:
        user_id: who is signed in; "" where nobody is.
        visitor_id: the device or session; "" where not known.
    """

    user_id: str = ""
    visitor_id: str = ""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A query that a shopper sent, from an event of the type ``search``.

    Attributes:
        text: as it was sent.
        shopper: names who sent it, and nothing else: equal for equal users, and for equal visitors.
        sequence: the event's position in the log.
        time: seconds since 1970; below 0 where only the order is known.
    """

    text: str
    shopper: str
    sequence: int
    time: float


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What became of events that were written.

    Attributes:
        accepted: events that are now durable and were not there before.
        duplicates: events that were there already, or twice in this call.
        sequence: the store's last event sequence number afterwards.
    """

    accepted: int
    duplicates: int
    sequence: int


@dataclass(frozen=True, eq=False)  # without slots it can be referred to weakly, by what is made of it
class EventColumns:
    """One actor's events, newest first; equal times: last written first. Shared with a cache: read only.

    Attributes:
        product_id: list of length n; "" for an event about no product.
        event_type: uint8 [n], position in ``mercato.events.EVENT_TYPES``.
        time: float64 [n], seconds since 1970, not increasing.
        quantity: int32 [n].
        price: float32 [n], NaN where not given.
        sequence: int64 [n], the event's position in the log.
        order: int32 [n], a code of its order, below 0 for none; None where nobody asks for orders.
    """

    product_id: list[str]
    event_type: npt.NDArray[np.uint8]
    time: npt.NDArray[np.float64]
    quantity: npt.NDArray[np.int32]
    price: npt.NDArray[np.float32]
    sequence: npt.NDArray[np.int64]
    order: npt.NDArray[np.int32] | None = None

    def __len__(self) -> int:
        """Count the events."""
        return len(self.product_id)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EventTable:
    """The history of all users by sequence number (not by time), ids as codes into dictionaries.

    A dictionary may hold ids that no event of the table has. -1 is "not given" in every code.

    Attributes:
        sequence: int64 [n], rising.
        time: float64 [n], seconds since 1970.
        event_type: uint8 [n], position in ``mercato.events.EVENT_TYPES``.
        user: int32 [n], position in ``users``: who was signed in, or who signed in as that visitor at another time.
        visitor: int32 [n], position in ``visitors``.
        product: int32 [n], position in ``products``.
        order: int32 [n], position in ``orders``.
        quantity: int32 [n].
        price: float32 [n], NaN where not given.
        users: user ids.
        visitors: visitor ids.
        products: product ids.
        orders: order ids.
        device_region: int32 [n], position in ``device_regions``; None where no event says.
        device_regions: device and region that events' contexts name, each empty where not given.
        query: int32 [n], position in ``queries``; None where no event says.
        rank: int32 [n], from 1, where the product stood in the answer that the event follows; 0 where not given. None
            as ``query``.
        queries: the queries that events' contexts name, as they were typed.
    """

    sequence: npt.NDArray[np.int64]
    time: npt.NDArray[np.float64]
    event_type: npt.NDArray[np.uint8]
    user: npt.NDArray[np.int32]
    visitor: npt.NDArray[np.int32]
    product: npt.NDArray[np.int32]
    order: npt.NDArray[np.int32]
    quantity: npt.NDArray[np.int32]
    price: npt.NDArray[np.float32]
    users: list[str]
    visitors: list[str]
    products: list[str]
    orders: list[str]
    device_region: npt.NDArray[np.int32] | None = None
    device_regions: list[tuple[str, str]] = field(default_factory=list)
    query: npt.NDArray[np.int32] | None = None
    rank: npt.NDArray[np.int32] | None = None
    queries: list[str] = field(default_factory=list)

    @classmethod
    def empty(cls) -> "EventTable":
        """Return the history of a shop that has just opened."""
        codes, ids = np.zeros(0, np.int32), list[str]()
        return cls(
            sequence=np.zeros(0, np.int64),
            time=np.zeros(0, np.float64),
            event_type=np.zeros(0, np.uint8),
            user=codes,
            visitor=codes,
            product=codes,
            order=codes,
            quantity=codes,
            price=np.zeros(0, np.float32),
            users=ids,
            visitors=ids,
            products=ids,
            orders=ids,
        )

    def __len__(self) -> int:
        """Count the events."""
        return len(self.sequence)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PeopleLog:
    """All that some people ever did, those who did something of late.

    Attributes:
        records: records [n] as ``mercato.state.schema.RECORD`` has them, by sequence number; who was signed in, not
            whose the events are (``mercato.state.visitors.join_visitors`` says that).
        product_ids: by code at least all that the records name; read only, shared.
        erasures: how often events were taken out of the log.
        sequence: of the last event that was looked at.
    """

    records: npt.NDArray[np.void]
    product_ids: Sequence[str]
    erasures: int
    sequence: int


@dataclass(frozen=True, slots=True, eq=False)
class ProductChange:
    """One change of the catalogue.

    Attributes:
        operation: one of ``PRODUCT_OPERATIONS``.
        product_id: which product.
        document: the product as JSON in UTF-8; of a patch the fields that it changes, null for those it removes; None
            for a deletion.
        vector: float32 [D], the embedding of the product's text; None where there is none, and for a patch that leaves
            the text as it is.
        sequence: position in the log, from 1 without gaps; 0 before it is written.
        time: when it was written, seconds since 1970; None before, the store then takes the clock.
    """

    operation: str
    product_id: str
    document: bytes | None = None
    vector: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    sequence: int = 0
    time: float | None = None

    def __post_init__(self) -> None:
        """Check.

        Raises:
            InvalidInputError: the operation is unknown, or the id, a document or a vector breaks its rule.
        """
        if self.operation not in PRODUCT_OPERATIONS:
            raise InvalidInputError(
                "operation", f"must be one of {', '.join(PRODUCT_OPERATIONS)}, got {self.operation[:64]!r}"
            )
        if not self.product_id:
            raise InvalidInputError("product_id", "must not be empty", "name the product")
        if (self.document is None) != (self.operation == "delete"):
            given = "none" if self.document is None else "one"
            raise InvalidInputError("document", f"must be given, except to delete; {self.operation} got {given}")
        if self.vector is not None and (self.vector.dtype != np.float32 or self.vector.ndim != 1):
            raise InvalidInputError("vector", f"must be float32 [D], got {self.vector.dtype} {list(self.vector.shape)}")
