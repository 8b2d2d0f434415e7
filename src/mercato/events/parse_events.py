"""Many events in one JSON document: the good ones, and why the others are not."""

from mercato.errors import InvalidInputError
from mercato.events.event import Event, parse_event
from mercato.incoming import Rejected, read_json_array

MAX_EVENTS_PER_CALL = 10_000


def parse_events(document: bytes, *, now: float) -> tuple[list[Event], list[Rejected]]:
    """Parse a JSON array of events; a bad one never harms its neighbours.

    Args:
        document: UTF-8 JSON, an array of at most ``MAX_EVENTS_PER_CALL`` objects.
        now: the present, seconds since 1970.

    Returns:
        The events in their order, and the rejected with their indices.

    Raises:
        InvalidInputError: the document as a whole is not a JSON array, or too long.
    """
    values = read_json_array(document, parameter="EVENTS", items="events", limit=MAX_EVENTS_PER_CALL)
    events: list[Event] = []
    rejected: list[Rejected] = []
    for index, value in enumerate(values):
        try:
            events.append(parse_event(value, now=now))
        except InvalidInputError as exc:
            rejected.append(Rejected(index, str(exc)))
    return events, rejected
