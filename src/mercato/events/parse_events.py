"""Many events in one JSON document: the good ones, and why the others are not."""

import json
from dataclasses import dataclass

import orjson

from mercato.errors import InvalidInputError
from mercato.events.event import Event, parse_event

MAX_EVENTS_PER_CALL = 10_000


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An event that was not taken.

    Attributes:
        index: its position in the caller's array, from 0.
        reason: field, rule, what was given and what to do.
    """

    index: int
    reason: str


def parse_events(document: bytes, *, now: float) -> tuple[list[Event], list[RejectedEvent]]:
    """Parse a JSON array of events; a bad one never harms its neighbours.

    Args:
        document: UTF-8 JSON, an array of at most ``MAX_EVENTS_PER_CALL`` objects.
        now: the present, seconds since 1970.

    Returns:
        The events in their order, and the rejected with their indices.

    Raises:
        InvalidInputError: the document as a whole is not a JSON array, or too long.
    """
    values = _load(document)
    if not isinstance(values, list):
        raise InvalidInputError(
            "EVENTS", f"must be a JSON array of events, got {type(values).__name__}", "put a single event in [ ]"
        )
    if len(values) > MAX_EVENTS_PER_CALL:
        raise InvalidInputError(
            "EVENTS",
            f"must have at most {MAX_EVENTS_PER_CALL} events in a call, got {len(values)}",
            "send them in parts",
        )
    events: list[Event] = []
    rejected: list[RejectedEvent] = []
    for index, value in enumerate(values):
        try:
            events.append(parse_event(value, now=now))
        except InvalidInputError as exc:
            rejected.append(RejectedEvent(index, str(exc)))
    return events, rejected


def _load(document: bytes) -> object:
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError as strict_error:
        # Python's own parser also takes NaN, Infinity and half surrogate pairs, which many clients write by
        # mistake: read that way, only the event that has one is refused.
        try:
            return json.loads(document)
        except (ValueError, RecursionError):
            raise InvalidInputError(
                "EVENTS", f"must be valid JSON in UTF-8: {strict_error}", "check how the document was written"
            ) from strict_error
