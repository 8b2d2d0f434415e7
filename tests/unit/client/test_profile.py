"""What is known of a shopper, with both clients, against a real gRPC server."""

import json

import pytest
from mercato_client import InvalidArgumentError, ProtocolError, Statement

from tests.unit.client.canned_triton import answer, texts

FORGET = {"event_type": "forget", "user_id": "u", "product_id": "p1", "statement": "opinion", "event_id": "forget-1"}
OPINION = {
    "id": "opinion:p1",
    "statement": "opinion",
    "says": "against",
    "text": "gave 2 of 5 stars to 'Kettle' (p1)",
    "product_id": "p1",
    "title": "Kettle",
    "rating": 2.0,
    "count": 1,
    "first_time": "2026-01-02T03:04:05Z",
    "last_time": "2026-01-02T03:04:05Z",
    "events": [{"event_type": "rating", "product_id": "p1", "time": "2026-01-02T03:04:05Z"}],
    "forget": [FORGET],
}
KIND = {
    "id": "dislikes-brand:Acme",
    "statement": "brand",
    "says": "against",
    "text": "dislikes the brand 'Acme': 1 product",
    "name": "Acme",
    "weight": -0.125,
    "count": 1,
    "first_time": None,
    "last_time": None,
    "events": [],
    "rests_on": ["opinion:p1"],
    "forget": [FORGET],
}


def profile_of(**members):
    document = {"user_id": "u", "visitor_id": "", "total": 2, "left_out": 3, "statements": [KIND, OPINION], **members}
    return lambda request, context: answer(RESULT=texts(json.dumps(document)))


def test_a_profile_is_read(triton, connect):
    triton.replies["profile"] = profile_of()
    found = connect(triton.address).profile(user_id="u")
    assert triton.received[0].values == {"USER_ID": "u", "VISITOR_ID": "", "LIMIT": 200}
    kind, opinion = found.statements
    assert (found.total, found.left_out) == (2, 3)
    assert (kind.name, kind.weight, kind.rests_on, kind.last_time) == ("Acme", -0.125, ("opinion:p1",), None)
    assert (opinion.rating, opinion.says, opinion.title, opinion.count) == (2.0, "against", "Kettle", 1)
    assert opinion.evidence == ({"event_type": "rating", "product_id": "p1", "time": "2026-01-02T03:04:05Z"},)


def test_statements_are_taken_back_each_event_once(triton, connect):
    triton.replies["profile"] = profile_of()
    client = connect(triton.address)
    client.forget(client.profile(user_id="u").statements)
    assert json.loads(triton.received[-1].values["EVENTS"]) == [FORGET]


def test_one_statement_is_no_list(triton, connect):
    one = Statement(id="view:p1", statement="view", says="for", text="looked at p1")
    with pytest.raises(InvalidArgumentError, match="statements: must be a list, is one Statement"):
        connect(triton.address).forget(one)


def test_a_profile_that_is_none(triton, connect):
    triton.replies["profile"] = profile_of(statements="none")
    with pytest.raises(ProtocolError, match="statements"):
        connect(triton.address).profile(user_id="u")
