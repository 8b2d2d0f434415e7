"""What is known of a shopper: statements with their evidence, and the events that take them back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from mercato.errors import InvalidInputError
from mercato.events.event import parse_event
from mercato.index.live import LiveCatalog
from mercato.requests.profile import ProfileRequest, parse_profile
from mercato.retrieval.shopper_profile import MOST_EVIDENCE, Profiler
from mercato.state.sqlite import SqliteStateStore
from mercato.text.timestamps import format_timestamp
from tests import stores


@pytest.fixture
def profiler(catalog: LiveCatalog, store: SqliteStateStore) -> Profiler:
    return Profiler(catalog, store)


def say(store: SqliteStateStore, event_type: str, product: str = "", days_ago: float = 0.0, **fields: Any) -> None:
    who = {} if "visitor_id" in fields else {"user_id": "shopper"}
    named = {"product_id": product} if product else {}
    moment = stores.NOW - days_ago * stores.DAY
    document = {"event_type": event_type, "time": moment, **named, **who, **fields}
    store.append_events([parse_event(document, now=stores.NOW)])


def tell(profiler: Profiler, **asked: Any) -> dict[str, dict[str, Any]]:
    """The statements by their ids."""
    [document] = profiler.write([ProfileRequest(**{"user_id": "shopper", **asked})])
    assert isinstance(document, bytes)
    found = orjson.loads(document)
    return {one["id"]: one for one in found["statements"]}


def test_each_statement_has_its_evidence_and_its_dates(profiler: Profiler, store: SqliteStateStore) -> None:
    for days_ago in (9, 8, 3):
        say(store, "purchase-complete", "p04", days_ago)
    say(store, "detail-page-view", "p08", 2)
    say(store, "rating", "p08", 1, rating=4.5)
    found = tell(profiler)
    bought, viewed, rated = (found[one] for one in ("purchase:p04", "view:p08", "opinion:p08"))
    assert bought["text"] == "bought 'Small frozen pizza' (p04) 3 times"
    assert (bought["count"], bought["says"], bought["title"]) == (3, "for", "Small frozen pizza")
    assert bought["first_time"] == format_timestamp(stores.NOW - 9 * stores.DAY)
    assert bought["last_time"] == format_timestamp(stores.NOW - 3 * stores.DAY)
    assert bought["events"][0] == {
        "event_type": "purchase-complete",
        "product_id": "p04",
        "time": format_timestamp(stores.NOW - 3 * stores.DAY),
    }
    assert viewed["text"] == "looked at 'Small dark chocolate' (p08)"
    assert (rated["rating"], rated["text"]) == (4.5, "gave 4.5 of 5 stars to 'Small dark chocolate' (p08)")
    # What speaks for a kind is told with what it rests on.
    assert found["likes-category:Sweets"]["rests_on"] == ["opinion:p08", "view:p08"]
    assert found["likes-brand:Acme"]["text"] == "likes the brand 'Acme': 2 products"


def test_much_evidence_is_counted_and_the_newest_named(profiler: Profiler, store: SqliteStateStore) -> None:
    for days_ago in range(1, 20):
        say(store, "detail-page-view", "p08", days_ago)
    viewed = tell(profiler)["view:p08"]
    assert (viewed["count"], len(viewed["events"])) == (19, MOST_EVIDENCE)


def test_a_dislike_is_known_with_what_it_does(profiler: Profiler, store: SqliteStateStore) -> None:
    say(store, "detail-page-view", "p08", 2)
    say(store, "not-interested", "p08", 1)
    say(store, "rating", "p04", 1, rating=3)
    found = tell(profiler)
    assert set(found) == {"opinion:p08", "opinion:p04", "dislikes-category:Sweets", "dislikes-brand:Acme"}
    assert found["opinion:p08"]["says"] == "against"
    assert found["opinion:p04"]["says"] == "neither"
    assert found["dislikes-category:Sweets"]["weight"] == pytest.approx(-0.5 * 1 / (1 + 3), abs=1e-3)


def test_a_dislike_of_an_unknown_product_is_known(profiler: Profiler, store: SqliteStateStore) -> None:
    say(store, "hide", "later")
    [found] = tell(profiler).values()
    assert found["text"] == "does not want to see later, which is not in the catalogue"
    assert found["title"] == ""


def test_what_was_taken_back_is_no_part_of_it(profiler: Profiler, store: SqliteStateStore) -> None:
    say(store, "purchase-complete", "p04", 3)
    say(store, "refund", "p04", 2)
    say(store, "wishlist-add", "p08", 3)
    say(store, "wishlist-remove", "p08", 2)
    assert tell(profiler) == {}


def test_every_statement_can_be_taken_back_by_its_events(profiler: Profiler, store: SqliteStateStore) -> None:
    say(store, "purchase-complete", "p04", 3)
    say(store, "detail-page-view", "p04", 3)
    say(store, "dislike", "p08", 2)
    say(store, "wishlist-add", "p12", 2)
    say(store, "add-to-cart", "p16", 2)
    while found := tell(profiler):
        about = next(iter(found.values()))
        assert about["forget"]
        store.append_events([parse_event(event, now=stores.NOW) for event in about["forget"]])
        left = tell(profiler)
        assert about["id"] not in left
        assert set(left) < set(found)


def test_taking_back_twice_is_taking_back_once(profiler: Profiler, store: SqliteStateStore) -> None:
    say(store, "detail-page-view", "p04", 3)
    [event] = tell(profiler)["view:p04"]["forget"]
    again = [parse_event(event, now=stores.NOW), parse_event(event, now=stores.NOW + 5)]
    assert [store.append_events([one]).accepted for one in again] == [1, 0]
    # What is looked at afterwards is known again, and may be taken back again.
    say(store, "detail-page-view", "p04", -0.5)
    [later] = tell(profiler)["view:p04"]["forget"]
    assert later["event_id"] != event["event_id"]


def test_a_reset_leaves_what_was_bought(profiler: Profiler, store: SqliteStateStore) -> None:
    say(store, "purchase-complete", "p04", 3)
    for kind in ("detail-page-view", "add-to-cart", "wishlist-add", "like"):
        say(store, kind, "p08", 2)
    say(store, "reset")
    assert {one for one in tell(profiler) if "-" not in one} == {"purchase:p04"}


def test_a_visitor_has_a_profile_too(profiler: Profiler, store: SqliteStateStore) -> None:
    say(store, "like", "p04", visitor_id="tab")
    found = tell(profiler, user_id="", visitor_id="tab")
    assert found["opinion:p04"]["forget"][0]["visitor_id"] == "tab"


def test_of_nobody_nothing_is_known(profiler: Profiler) -> None:
    [document] = profiler.write([ProfileRequest(user_id="nobody")])
    assert isinstance(document, bytes)
    assert orjson.loads(document) == {
        "user_id": "nobody",
        "visitor_id": "",
        "total": 0,
        "left_out": 0,
        "statements": [],
    }


def test_a_limit_cuts_statements_and_total_counts_them(profiler: Profiler, store: SqliteStateStore) -> None:
    for product in ("p04", "p05", "p06"):
        say(store, "detail-page-view", product, 1)
    [document] = profiler.write([ProfileRequest(user_id="shopper", limit=2)])
    assert isinstance(document, bytes)
    found = orjson.loads(document)
    assert (len(found["statements"]), found["total"]) == (2, 3 + 3)  # and Frozen, Acme, Bolt


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "USER_ID: must be given, or VISITOR_ID, got neither; say whose profile is wanted"),
        ({"USER_ID": b"", "VISITOR_ID": b""}, "USER_ID: must be given, or VISITOR_ID"),
        ({"USER_ID": b"u" * 300}, "USER_ID: must have at most 256 bytes"),
        ({"USER_ID": b"u", "LIMIT": 0}, r"LIMIT: must be between 1 and 10000, got 0"),
    ],
)
def test_a_profile_of_nobody_in_particular_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_profile(fields)


def test_errors_of_a_batch_pass_through(profiler: Profiler) -> None:
    error = InvalidInputError("USER_ID", "is wrong")
    answers = profiler.write([error, ProfileRequest(user_id="x")])
    assert answers[0] is error
    assert isinstance(answers[1], bytes)
