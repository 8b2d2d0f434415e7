"""The events that the sequence model learns from: who did what, in order, from a file or a state store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mercato.arrays import Int64
from mercato.evaluation.holdout import read_interactions
from mercato.events.event_order import has_time
from mercato.signals.events import NO_ORDER
from mercato.signals.history import PURCHASE, TYPE_WEIGHTS
from mercato.signals.undone import drop_undone
from mercato.state.store import open_state


@dataclass(frozen=True, kw_only=True, eq=False)
class UserEvents:
    """Who did what, those of a user in order.

    Attributes:
        users: of each event.
        products: of each event.
        time: float64 [events], seconds since 1970; where the source has no times, the number of the event within its
            user's, as if all had begun at once.
        order: int32 [events], code of the basket, `NO_ORDER` where there is none.
        type: uint8 [events], a code of :data:`mercato.events.event_type.EVENT_TYPE_CODES`.
        timed: the source has times.
    """

    users: Sequence[str]
    products: Sequence[str]
    time: npt.NDArray[np.float64]
    order: npt.NDArray[np.int32]
    type: npt.NDArray[np.uint8]
    timed: bool

    @classmethod
    def purchases(
        cls, users: Sequence[str], products: Sequence[str], time: npt.NDArray[np.float64] | None = None
    ) -> UserEvents:
        """Take purchases of which nothing else is known.

        Args:
            users: of each event.
            products: of each event; those of a user in order.
            time: float64 [events], seconds since 1970; None where no times are known.
        """
        return cls(
            users=users,
            products=products,
            time=_number_events(users) if time is None else time,
            order=np.full(len(users), NO_ORDER, np.int32),
            type=np.full(len(users), PURCHASE, np.uint8),
            timed=time is not None,
        )

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.users)

    def number_visits(self, events: Int64) -> Int64:
        """Number the visits of a user: events of one basket, or of one moment, one after the other, are one visit.

        Args:
            events: int64 [n], the user's events in order; n at least 1.

        Returns:
            int64 [n], from 0, not falling.
        """
        time, order = self.time[events], self.order[events]
        together = (time[1:] == time[:-1]) | ((order[1:] == order[:-1]) & (order[1:] != NO_ORDER))
        return np.concatenate(([0], np.cumsum(~together)))


def read_file(path: Path, column_map: Mapping[str, str], say: Callable[[str], None]) -> UserEvents:
    """Read a file of events: user, product, and an order, a time, or neither (the order of the rows).

    Args:
        path: Parquet, CSV or JSON lines.
        column_map: field -> column, as `mercato.evaluation.holdout.parse_holdout_map` gives it.
        say: told how much was left out.

    Raises:
        DataError: the file cannot be used, or has no row that can.
    """
    found = read_interactions(path, column_map)
    if found.rejected:
        first = found.shown[0]
        say(
            f"{path.name}: {found.rejected:,} of {found.rows:,} rows left out; the first: line {first.position}: "
            f"{first.reason}"
        )
    order = np.argsort(found.position, kind="stable")
    return UserEvents.purchases(
        [found.users[row] for row in order.tolist()],
        [found.products[row] for row in order.tolist()],
        found.time[order] if found.has_time else None,
    )


def read_state_events(url: str) -> UserEvents:
    """Read the events of a state store that say what somebody wants, in order of time; visitors count as users.

    Where no event has a time, the order that they were imported in is all that is known.

    Raises:
        StateError: the store cannot be read.
    """
    store = open_state(url)
    try:
        table = store.event_columns()
    finally:
        store.close()
    table = drop_undone(table, table.product)
    weighted = (table.product >= 0) & (TYPE_WEIGHTS[table.event_type] > 0) & ((table.user >= 0) | (table.visitor >= 0))
    rows = np.flatnonzero(weighted)
    rows = rows[np.lexsort((table.sequence[rows], table.time[rows]))]
    users = [
        f"user {table.users[user]}" if user >= 0 else f"visitor {table.visitors[visitor]}"
        for user, visitor in zip(table.user[rows].tolist(), table.visitor[rows].tolist(), strict=True)
    ]
    timed = bool(has_time(table.time[rows]).any())
    return UserEvents(
        users=users,
        products=[table.products[product] for product in table.product[rows].tolist()],
        time=table.time[rows] if timed else _number_events(users),
        order=table.order[rows],
        type=table.event_type[rows],
        timed=timed,
    )


def _number_events(users: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the number of each event among those of its user, from 0."""
    seen: Counter[str] = Counter()
    positions = np.zeros(len(users))
    for event, user in enumerate(users):
        positions[event] = seen[user]
        seen[user] += 1
    return positions
