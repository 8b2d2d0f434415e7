"""A product's time may have every form that an event's may."""

import pytest

from mercato.catalog.product import parse_product
from mercato.errors import InvalidInputError
from mercato.events.event import parse_event

TEN = "2024-05-01T10:00:00Z"


@pytest.mark.parametrize(
    "time",
    [
        "2024-05-01 10:00",
        " 2024-05-01 10:00:00 ",
        "2024-05-01T12:00+0200",
        "2024-05-01 12:00:00 +0200",
        "2024-05-01 10:00:00 UTC",
        "2024/05/01 10:00:00",
        "Wed, 01 May 2024 12:00:00 +0200",
        "1714557600000",
        1714557600,
        1714557600000,
    ],
)
def test_products_and_events_read_one_time_alike(time: object) -> None:
    product = parse_product({"id": "p", "title": "Lamp", "available_time": time})
    event = parse_event({"event_type": "search", "user_id": "u", "time": time}, now=2e9)
    assert product.available_time == TEN
    assert product.available_seconds == event.time


@pytest.mark.parametrize("time", ["01/05/2024", "2024-05-01T00:00Z/2024-05-31T00:00Z", "2024-05-32", [1], True])
def test_what_is_no_time_is_refused_for_both(time: object) -> None:
    with pytest.raises(InvalidInputError, match="available_time"):
        parse_product({"id": "p", "title": "Lamp", "available_time": time})
    with pytest.raises(InvalidInputError, match="time"):
        parse_event({"event_type": "search", "user_id": "u", "time": time}, now=2e9)
