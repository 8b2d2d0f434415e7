"""User events: what they are, how they are checked one by one and by the million."""

from mercato.events.event import Event, parse_event, parse_events
from mercato.events.event_batch import EventBatch
from mercato.events.event_type import EVENT_TYPE_CODES, EVENT_TYPES, PRODUCT_EVENT_TYPES

__all__ = [
    "EVENT_TYPES",
    "EVENT_TYPE_CODES",
    "PRODUCT_EVENT_TYPES",
    "Event",
    "EventBatch",
    "parse_event",
    "parse_events",
]
