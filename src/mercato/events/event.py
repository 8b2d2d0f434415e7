"""User events as callers send them: the value of one, the rules its JSON object must keep, and many in one document."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from mercato.errors import InvalidInputError
from mercato.events.event_order import MAX_ORDER, order_to_time
from mercato.events.event_type import (
    EVENT_TYPE_CODES,
    EVENT_TYPES,
    FEWEST_STARS,
    MOST_STARS,
    PRODUCT_EVENT_TYPES,
    STARS_STEPS,
    STATEMENTS,
    UNDONE_BY,
)
from mercato.incoming import Rejected, read_json_array
from mercato.text.normalize import QUERY_LIMIT_CHARS
from mercato.text.timestamps import read_timestamp

MAX_ID_BYTES = 256
MAX_CONTEXT_BYTES = 8_192
MAX_EVENTS_PER_CALL = 10_000
MAX_QUANTITY = 2**31 - 1  # stored as int32
MAX_PRICE = 1e12  # far above any price, far below what float32 can hold
MAX_FUTURE_S = 86_400.0
"""How far ahead of the server's clock an event may be: clocks of devices differ, but not by days."""

EVENT_FIELDS = (
    "event_type",
    "user_id",
    "visitor_id",
    "product_id",
    "time",
    "order",
    "quantity",
    "price",
    "order_id",
    "event_id",
    "context",
    "rating",
    "statement",
)
QUERY_FIELD = "search_query"  # of an event that is sent; kept in the context, where a file has it

REFUND = "refund"
RATING = "rating"
FORGET = "forget"
RESET = "reset"
RETURNABLE = frozenset([*UNDONE_BY, *UNDONE_BY.values()])
"""Types whose quantity may be negative: that many pieces are taken back."""

CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What one user did, about one product at most. ``parse_event`` checks; this only holds.

    Attributes:
        event_type: one of ``EVENT_TYPES``.
        user_id: who was signed in; "" where nobody was.
        visitor_id: the device or session; "" where not known. One of the two is always given.
        product_id: "" for events that are about no product.
        time: seconds since 1970-01-01T00:00:00Z; below 0 where only the order is known
            (``mercato.events.event_order``).
        quantity: pieces, at least 1; of a refund or removal those that are taken back; of a rating its stars in
            hundredths; of `forget` the number of a statement, from 1 (`mercato.events.event_type.STATEMENTS`).
        price: of one piece, in the shop's currency; None where not given.
        order_id: joins the lines of one order; "" where there is none.
        event_id: an event with an id is accepted once, however often it is sent; "" where none was given.
        context: free facts about the moment (the query of a search, the device); a JSON object.
    """

    event_type: str
    user_id: str = ""
    visitor_id: str = ""
    product_id: str = ""
    time: float
    quantity: int = 1
    price: float | None = None
    order_id: str = ""
    event_id: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)


def parse_event(value: object, *, now: float) -> Event:
    """Turn a JSON object into an event.

    Args:
        value: the object as the JSON parser gave it. A field that is absent, null or "" is not given.
        now: the present, seconds since 1970: the time of an event that has none.

    Raises:
        InvalidInputError: naming the field, the rule, what was given and what to do.
    """
    if not isinstance(value, dict):
        raise InvalidInputError("event", f"must be a JSON object, got {type(value).__name__}")
    unknown = sorted(str(key) for key in value if key not in (*EVENT_FIELDS, QUERY_FIELD))
    if unknown:
        raise InvalidInputError(
            "event",
            f"has no field {unknown[0][:64]!r}",
            f"fields are {', '.join((*EVENT_FIELDS, QUERY_FIELD))}; others go in context",
        )
    event_type = _parse_event_type(value.get("event_type"))
    user_id = parse_id("user_id", value.get("user_id"))
    visitor_id = parse_id("visitor_id", value.get("visitor_id"))
    if not user_id and not visitor_id:
        raise InvalidInputError("user_id", "or visitor_id must be given, got neither", "say who did it")
    product_id = parse_id("product_id", value.get("product_id"))
    if not product_id and event_type in PRODUCT_EVENT_TYPES:
        raise InvalidInputError("product_id", f"must be given for {event_type}, got none", "name the product")
    order_id = parse_id("order_id", value.get("order_id"))
    if product_id and event_type == RESET:
        raise InvalidInputError("product_id", f"must not be given for reset, got {product_id!r}"[:200], "send forget")
    quantity = _parse_quantity(value.get("quantity"), event_type)
    quantity = _parse_said(value, event_type, quantity)
    if quantity < 0:
        event_type = UNDONE_BY.get(event_type, event_type)
    if event_type == REFUND and not product_id and not order_id:
        raise InvalidInputError("product_id", "or order_id must be given for refund, got neither", "say what of")
    return Event(
        event_type=event_type,
        user_id=user_id,
        visitor_id=visitor_id,
        product_id=product_id,
        time=_parse_moment(value.get("time"), value.get("order"), now),
        quantity=abs(quantity),
        price=_parse_price(value.get("price")),
        order_id=order_id,
        event_id=parse_id("event_id", value.get("event_id")),
        context=_add_query(parse_context(value.get("context")), value.get(QUERY_FIELD)),
    )


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


def _add_query(context: dict[str, Any], query: object) -> dict[str, Any]:
    """Put the query of a search into its context, where it is kept."""
    if query is None or query == "":
        return context
    if not isinstance(query, str) or len(query) > QUERY_LIMIT_CHARS:
        raise InvalidInputError(
            QUERY_FIELD, f"must be a text of at most {QUERY_LIMIT_CHARS:,} characters, got {query!r}"[:200]
        )
    return {**context, QUERY_FIELD: query}


def parse_id(parameter: str, value: object) -> str:
    """Check an identifier: text of at most 256 bytes without control characters.

    Returns:
        The id; "" where it is None or "".

    Raises:
        InvalidInputError: it breaks the rule.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInputError(parameter, f"must be a string, got {type(value).__name__}", "put it in quotes")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError as exc:
        raise InvalidInputError(parameter, f"must be valid Unicode, got half of a pair at {exc.start}") from exc
    if size > MAX_ID_BYTES:
        raise InvalidInputError(parameter, f"must have at most {MAX_ID_BYTES} bytes of UTF-8, got {size}")
    found = CONTROL_CHARACTERS.search(value)
    if found is not None:
        raise InvalidInputError(
            parameter, f"must have no control characters, got U+{ord(found[0]):04X} at {found.start()}"
        )
    return value


def _parse_event_type(value: object) -> str:
    if isinstance(value, str) and value in EVENT_TYPE_CODES:
        return value
    given = "none" if value in (None, "") else repr(value)[:64]
    raise InvalidInputError("event_type", f"must be one of {', '.join(EVENT_TYPES)}, got {given}")


def _parse_moment(time: object, order: object, now: float) -> float:
    """Read the time, or the order of an event that has none."""
    if order is None or order == "":
        return _parse_time(time, now)
    number = _parse_number("order", order)
    if number != int(number) or not 0 <= number <= MAX_ORDER:
        raise InvalidInputError("order", f"must be a whole number in 0..{MAX_ORDER}, got {order}")
    if time is not None and time != "":
        raise InvalidInputError("order", "must not be given together with time", "give the time alone")
    return float(order_to_time(number))


def _parse_time(value: object, now: float) -> float:
    if value is None or (isinstance(value, str) and not value.strip()):
        return now
    try:
        seconds = read_timestamp(value)
    except ValueError as exc:
        raise InvalidInputError("time", str(exc)) from exc
    if seconds is None:
        raise InvalidInputError("time", f"must be finite, got {value}")
    problem = check_event_time(seconds, now=now)
    if problem is not None:
        raise InvalidInputError("time", problem, "give RFC 3339 text or seconds since 1970")
    return seconds


def check_event_time(seconds: float, *, now: float) -> str | None:
    """Say what is wrong with an event's time.

    Args:
        seconds: since 1970.
        now: the present, seconds since 1970.

    Returns:
        A clause, or None where the time is finite, not before 1970 and at most ``MAX_FUTURE_S`` ahead.
    """
    if not math.isfinite(seconds):
        return f"must be finite, got {seconds}"
    if seconds < 0:
        return f"must not be before 1970, got {seconds:g} s"
    if seconds > now + MAX_FUTURE_S:
        ahead = seconds - now
        return f"must be at most one day in the future, got {seconds:.0f}, which is {ahead:.0f} s ahead of the server"
    return None


def _parse_quantity(value: object, event_type: str) -> int:
    """Read pieces; below 0 where they are taken back."""
    if value is None:
        return 1
    number = _parse_number("quantity", value)
    least = 1 if event_type not in RETURNABLE else -MAX_QUANTITY
    if number != int(number) or not least <= number <= MAX_QUANTITY or number == 0:
        raise InvalidInputError(
            "quantity",
            f"must be a whole number in 1..{MAX_QUANTITY}, got {value}",
            "leave it out for 1; a negative one takes back what was bought or put into the cart",
        )
    return int(number)


def _parse_said(value: Mapping[str, Any], event_type: str, quantity: int) -> int:
    """Read what a rating says, or a `forget`, as the number that is kept of it; of other types the pieces."""
    rating, statement = value.get("rating"), value.get("statement")
    for name, given, of in ((RATING, rating, RATING), ("statement", statement, FORGET)):
        if given not in (None, "") and event_type != of:
            raise InvalidInputError(name, f"is for events of type {of}, got {event_type}", "leave it out")
    if event_type == RATING:
        return parse_stars(rating)
    return parse_statement(statement) if event_type == FORGET else quantity


def parse_stars(value: object) -> int:
    """Check a rating: `FEWEST_STARS` (worst) to `MOST_STARS` (best), fractions too.

    Returns:
        The stars in hundredths.

    Raises:
        InvalidInputError: it is none.
    """
    remedy = "1 is worst and 5 best; scale others to that, or send like or dislike"
    bounds = f"{FEWEST_STARS:g}..{MOST_STARS:g}"
    if value in (None, ""):
        raise InvalidInputError(RATING, f"must be given for rating, a number in {bounds}, got none", remedy)
    stars = _parse_number(RATING, value)
    if not FEWEST_STARS <= stars <= MOST_STARS:
        raise InvalidInputError(RATING, f"must be a number in {bounds}, got {stars:g}", remedy)
    return round(stars * STARS_STEPS)


def parse_statement(value: object) -> int:
    """Check what is to be forgotten of a product; ``taste`` where it is not given.

    Returns:
        Its number, from 1.

    Raises:
        InvalidInputError: it is no statement.
    """
    if value in (None, ""):
        return 1
    if not isinstance(value, str) or value not in STATEMENTS:
        raise InvalidInputError("statement", f"must be one of {', '.join(STATEMENTS)}, got {value!r}"[:200])
    return STATEMENTS.index(value) + 1


def _parse_price(value: object) -> float | None:
    if value is None:
        return None
    number = _parse_number("price", value)
    if not 0 <= number <= MAX_PRICE:
        raise InvalidInputError("price", f"must be in 0..{MAX_PRICE:g}, got {number:g}", "leave it out where unknown")
    return number


def _parse_number(parameter: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInputError(parameter, f"must be a number, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError as exc:
        raise InvalidInputError(parameter, "must be finite, got an integer too large for a float") from exc
    if not math.isfinite(number):
        raise InvalidInputError(parameter, f"must be finite, got {number}", "leave it out where unknown")
    return number


def parse_context(value: object) -> dict[str, Any]:
    """Check a context: a JSON object of at most ``MAX_CONTEXT_BYTES``; {} where it is None.

    Raises:
        InvalidInputError: it breaks the rule.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInputError("context", f"must be a JSON object, got {type(value).__name__}")
    try:
        size = len(orjson.dumps(value))
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidInputError("context", f"must be plain JSON, got what cannot be written: {exc}") from exc
    if size > MAX_CONTEXT_BYTES:
        raise InvalidInputError("context", f"must have at most {MAX_CONTEXT_BYTES} bytes of JSON, got {size}")
    return value
