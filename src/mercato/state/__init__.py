"""State: the durable log of user events and product changes, and what is read from it."""

from mercato.state.store import StateStore, open_state
from mercato.state.values import Actor, AppendResult, EventColumns, EventTable, ProductChange

__all__ = [
    "Actor",
    "AppendResult",
    "EventColumns",
    "EventTable",
    "ProductChange",
    "StateStore",
    "open_state",
]
