"""What an event must be, and what is said of one that is not."""

import json
import math

import pytest

from mercato.errors import InvalidInputError
from mercato.events.event import (
    EVENT_FIELDS,
    MAX_CONTEXT_BYTES,
    MAX_EVENTS_PER_CALL,
    MAX_FUTURE_S,
    MAX_ID_BYTES,
    Event,
    check_event_time,
    parse_event,
    parse_events,
)
from mercato.events.event_type import EVENT_TYPES, PRODUCT_EVENT_TYPES

NOW = 1_800_000_000.0
DAY_S = 24 * 60 * 60


def purchase(**fields: object) -> dict[str, object]:
    return {"event_type": "purchase-complete", "user_id": "u", "product_id": "p", **fields}


def test_event_types_are_those_of_google_retail_refunds_and_what_shoppers_say() -> None:
    assert sorted(EVENT_TYPES) == [
        "add-to-cart",
        "category-page-view",
        "detail-page-view",
        "dislike",
        "forget",
        "hide",
        "home-page-view",
        "like",
        "not-interested",
        "purchase-complete",
        "rating",
        "refund",
        "remove-from-cart",
        "reset",
        "search",
        "shopping-cart-page-view",
        "wishlist-add",
        "wishlist-remove",
    ]


def test_full_event_is_taken_as_it_is() -> None:
    fields = dict(
        purchase(),
        visitor_id="v",
        time="2026-01-31T12:00:00+01:00",
        quantity=3,
        price=2.5,
        order_id="o",
        event_id="e",
        context={"query": "oat milk"},
    )
    assert set(fields) == set(EVENT_FIELDS) - {"order", "rating", "statement"}  # in place of a time; of other types
    assert parse_event(fields, now=NOW) == Event(
        event_type="purchase-complete",
        user_id="u",
        visitor_id="v",
        product_id="p",
        # 2026-01-31T11:00:00Z: 20,484 days after 1970-01-01, and 11 hours
        time=20_484 * DAY_S + 11 * 3_600,
        quantity=3,
        price=2.5,
        order_id="o",
        event_id="e",
        context={"query": "oat milk"},
    )


def test_what_is_left_out_has_its_default() -> None:
    event = parse_event({"event_type": "home-page-view", "visitor_id": "v", "user_id": None, "price": None}, now=NOW)
    assert event == Event(event_type="home-page-view", visitor_id="v", time=NOW, quantity=1, price=None)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("2026-01-31T12:00:00", 20_484 * DAY_S + 12 * 3_600),  # no offset: UTC
        ("2026-01-31", 20_484 * DAY_S),
        ("1970-01-01T00:00:60Z", 60),
    ],
)
def test_times_follow_the_rules_of_every_other_time(time: str, seconds: float) -> None:
    assert parse_event(purchase(time=time), now=NOW).time == seconds


def test_future_ends_after_a_day() -> None:
    assert check_event_time(100.0 + MAX_FUTURE_S, now=100.0) is None
    assert "at most one day in the future" in str(check_event_time(101.0 + MAX_FUTURE_S, now=100.0))


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_product_is_needed_by_types_about_a_product_only(event_type: str) -> None:
    event = {"event_type": event_type, "user_id": "u"}
    if event_type in PRODUCT_EVENT_TYPES:
        with pytest.raises(InvalidInputError, match=f"product_id: must be given for {event_type}"):
            parse_event(event, now=NOW)
    elif event_type == "refund":  # of a whole order
        with pytest.raises(InvalidInputError, match="product_id: or order_id must be given for refund"):
            parse_event(event, now=NOW)
        assert parse_event({**event, "order_id": "o"}, now=NOW).product_id == ""
    else:
        assert parse_event(event, now=NOW).product_id == ""


@pytest.mark.parametrize(
    ("event", "parameter", "message"),
    [
        ("x", "event", "must be a JSON object, got str"),
        (purchase(event_type="purchase"), "event_type", "one of search, detail-page-view"),
        (purchase(event_type=None), "event_type", "got none"),
        (purchase(event_type=["search"]), "event_type", "got "),
        (purchase(user_id=""), "user_id", "or visitor_id must be given"),
        (purchase(user_id=7), "user_id", "must be a string, got int; put it in quotes"),
        (purchase(user_id="u" * 257), "user_id", "at most 256 bytes of UTF-8, got 257"),
        (purchase(visitor_id="é" * 129), "visitor_id", "at most 256 bytes of UTF-8, got 258"),
        (purchase(order_id="a\x00b"), "order_id", "no control characters, got U\\+0000 at 1"),
        (purchase(event_id="\ud800"), "event_id", "valid Unicode"),
        (purchase(time="yesterday"), "time", "RFC 3339.*got 'yesterday'"),
        (purchase(time="2026-02-30T12:00:00Z"), "time", "exist"),
        (purchase(time=math.nan), "time", "must be finite, got nan"),
        (purchase(time=math.inf), "time", "got inf, which is too large"),
        (purchase(time=-1), "time", "not be before 1970"),
        (purchase(time=NOW + DAY_S + 1), "time", "at most one day in the future.* 86401 s ahead"),
        (purchase(time=(NOW + 2 * DAY_S) * 1000), "time", "at most one day in the future"),
        (purchase(time=True), "time", "seconds since 1970, got bool"),
        (purchase(quantity=0), "quantity", "whole number in 1..2147483647, got 0"),
        ({**purchase(quantity=-2), "event_type": "detail-page-view"}, "quantity", "got -2"),
        (purchase(quantity=1.5), "quantity", "got 1.5"),
        (purchase(quantity=2**31), "quantity", "got 2147483648"),
        (purchase(quantity="2"), "quantity", "must be a number, got str"),
        (purchase(quantity=math.inf), "quantity", "finite"),
        (purchase(price=math.nan), "price", "finite, got nan"),
        (purchase(price=-0.01), "price", "0..1e\\+12, got -0.01"),
        (purchase(price=10**400), "price", "too large"),
        (purchase(context=[1]), "context", "must be a JSON object, got list"),
        (purchase(context={"a": "x" * MAX_CONTEXT_BYTES}), "context", f"at most {MAX_CONTEXT_BYTES} bytes"),
        (purchase(colour="red"), "event", "has no field 'colour'.*go in context"),
    ],
)
def test_bad_event_is_refused_with_field_and_rule(event: object, parameter: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        parse_event(event, now=NOW)
    assert caught.value.parameter == parameter


def test_limits_themselves_are_allowed() -> None:
    longest = "é" * (MAX_ID_BYTES // 2)
    event = parse_event(purchase(user_id=longest, time=NOW + DAY_S, quantity=2**31 - 1, price=0), now=NOW)
    assert (event.user_id, event.time, event.quantity, event.price) == (longest, NOW + DAY_S, 2**31 - 1, 0.0)


def test_one_bad_event_does_not_harm_its_neighbours() -> None:
    document = json.dumps([purchase(), purchase(quantity=0), "x", purchase(user_id="w")]).encode()
    events, rejected = parse_events(document, now=NOW)
    assert [event.user_id for event in events] == ["u", "w"]
    assert [rejection.position for rejection in rejected] == [1, 2]
    assert rejected[0].reason.startswith("quantity: must be a whole number")


def test_nan_as_python_writes_it_costs_only_its_own_event() -> None:
    document = json.dumps([purchase(price=math.nan), purchase()]).encode()
    assert b"NaN" in document
    events, rejected = parse_events(document, now=NOW)
    assert len(events) == 1
    assert [(rejection.position, rejection.reason.split(":")[0]) for rejection in rejected] == [(0, "price")]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "must be valid JSON"),
        (b"[{]", "must be valid JSON"),
        (b'["\xff"]', "must be valid JSON in UTF-8"),
        (b"[" * 100_000, "must be valid JSON"),
        (b"{}", "must be a JSON array of events, got dict; put a single one in"),
        (b"[" + b"1," * MAX_EVENTS_PER_CALL + b"1]", f"at most {MAX_EVENTS_PER_CALL} events in a call, got 10001"),
    ],
)
def test_document_that_is_no_list_of_events_is_refused_as_a_whole(document: bytes, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_events(document, now=NOW)


def test_no_events_are_no_error() -> None:
    assert parse_events(b"[]", now=NOW) == ([], [])


@pytest.mark.parametrize(
    ("event_type", "read_as"),
    [("purchase-complete", "refund"), ("refund", "refund"), ("add-to-cart", "remove-from-cart")],
)
def test_a_negative_quantity_takes_pieces_back(event_type: str, read_as: str) -> None:
    event = parse_event({**purchase(quantity=-3), "event_type": event_type}, now=NOW)
    assert (event.event_type, event.quantity) == (read_as, 3)
