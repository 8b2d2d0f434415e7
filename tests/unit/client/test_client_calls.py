"""What goes over the wire and what comes back, with both clients, against a real gRPC server."""

import json
from datetime import datetime, timedelta, timezone
from types import MappingProxyType

import numpy as np
import pytest
from mercato_client import InvalidArgumentError, ProtocolError, Rejection
from mercato_client.contract import RECOMMEND, SEARCH

from tests.unit.client.canned_triton import PAGE, WRITTEN, answer, floats, page, texts, written

UNSET = {"USER_ID": "", "VISITOR_ID": "", "FILTER": "", "PAGE_SIZE": 20, "OFFSET": 0, "CONTEXT": "", "OPTIONS": ""}


def test_what_is_not_given_is_sent_as_unset(triton, connect):
    connect(triton.address).search("kettle")
    (request,) = triton.received
    assert request.model == "search"
    assert request.values == {**UNSET, "QUERY": "kettle"}


@pytest.mark.parametrize("model", [SEARCH, RECOMMEND])
def test_all_requests_have_the_same_inputs_in_the_same_order(triton, connect, model):
    client = connect(triton.address)
    if model is SEARCH:
        client.search("kettle")
        client.search("kettle", options={"strict_filtering": True}, user_id="u", page_size=1)
    else:
        client.recommend("home-page")
        client.recommend("cart", seed_product_ids=["p1"], filter="price: IN(*, 5)", offset=1)
    assert [list(request.values) for request in triton.received] == [[spec.name for spec in model.inputs]] * 2


def test_search_sends_every_parameter_as_one_element(triton, connect):
    connect(triton.address).search(
        "théière ☕",
        user_id="u",
        visitor_id="v",
        filter='brand: ANY("Acme")',
        page_size=5,
        offset=10,
        context={"device": "phone"},
        options=MappingProxyType({"strict_filtering": False, "weight": np.float32(0.5)}),
    )
    (request,) = triton.received
    assert request.values == {
        "QUERY": "théière ☕",
        "USER_ID": "u",
        "VISITOR_ID": "v",
        "FILTER": 'brand: ANY("Acme")',
        "PAGE_SIZE": 5,
        "OFFSET": 10,
        "CONTEXT": '{"device":"phone"}',
        "OPTIONS": '{"strict_filtering":false,"weight":0.5}',
    }
    assert {name: kind for name, (kind, _) in request.shapes.items() if kind != "BYTES"} == {
        "PAGE_SIZE": "INT32",
        "OFFSET": "INT32",
    }
    assert {tuple(shape) for _, shape in request.shapes.values()} == {(1, 1)}


def test_page_is_read_into_products(triton, connect):
    found = connect(triton.address).search("kettle", offset=20)
    first, second = found.results
    assert (first.id, first.score, first.rank) == ("p1", 0.75, 20 + 1)
    assert (first.title, first.price, first.currency, first.brand) == ("Kettle", 19.5, "EUR", "Acme")
    assert first.categories == ("Home", "Kitchen")
    assert (first.availability, first.attributes) == ("IN_STOCK", {"litres": 1.7})
    assert (first.sources, first.reasons) == (("words", "dense"), ("matches your words",))
    assert first.fields["uri"] == "https://shop.example/p1"
    assert (second.id, second.score, second.rank, second.price) == ("p2", 0.5, 20 + 2, None)
    assert (second.brand, second.categories, second.sources) == (None, (), ())
    assert (found.total, found.token, found.missing_ids, found.degraded) == (2, "t-1", ("gone",), ("ranker",))
    assert found.timings == {"encode_us": 900.0, "total_us": 2100.5}
    assert found.details == PAGE


def test_page_beyond_the_end_is_empty(triton, connect):
    triton.replies["search"] = lambda request, context: page({"total": 9, "results": []}, ids=(), scores=())
    found = connect(triton.address).search("kettle", offset=1000)
    assert (found.results, found.total) == ((), 9)


def test_recommend_sends_seeds_as_json(triton, connect):
    found = connect(triton.address).recommend("cart", user_id="u", seed_product_ids=("p1", "ü"), page_size=3)
    (request,) = triton.received
    assert request.model == "recommend"
    given = {"PLACEMENT": "cart", "USER_ID": "u", "SEED_PRODUCT_IDS": '["p1","ü"]', "PAGE_SIZE": 3}
    assert request.values == UNSET | given
    assert [product.id for product in found.results] == ["p1", "p2"]


def test_similar_is_the_product_page_of_one_seed(triton, connect):
    connect(triton.address).similar("p1", visitor_id="v", filter="price: IN(*, 5)")
    (request,) = triton.received
    assert request.model == "recommend"
    assert request.values == UNSET | {
        "PLACEMENT": "product-page",
        "SEED_PRODUCT_IDS": '["p1"]',
        "VISITOR_ID": "v",
        "FILTER": "price: IN(*, 5)",
    }


def test_rank_asks_for_the_whole_list(triton, connect):
    client = connect(triton.address)
    client.rank(("p1", "p2"), user_id="u", filter="price: IN(*, 5)", explain=True)
    client.recommend("rank", seed_product_ids=["p1"], page_size=3)
    first, second = triton.received
    assert first.model == "recommend"
    assert first.values == UNSET | {
        "PLACEMENT": "rank",
        "SEED_PRODUCT_IDS": '["p1","p2"]',
        "USER_ID": "u",
        "FILTER": "price: IN(*, 5)",
        "PAGE_SIZE": 500,
        "OPTIONS": '{"explain":true}',
    }
    assert second.values["PAGE_SIZE"] == 3


def test_recommendations_have_named_options(triton, connect):
    client = connect(triton.address)
    client.recommend(
        "home-page",
        exclude_purchased_days=30,
        diversity=0.2,
        collapse=True,
        explain=True,
        options={"strict_filtering": False},
    )
    client.similar("p1", kind="complementary", explain=True)
    home, product = (json.loads(request.values["OPTIONS"]) for request in triton.received)
    assert home == {
        "strict_filtering": False,
        "exclude_purchased_days": 30,
        "diversity": 0.2,
        "collapse": True,
        "explain": True,
    }
    assert product == {"kind": "complementary", "explain": True}


def test_events_get_ids_and_times_are_written_out(triton, connect):
    noon = datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    events = [
        {"event_type": "add-to-cart", "user_id": "u", "product_id": "p1", "time": noon, "quantity": np.int64(2)},
        {"event_type": "search", "visitor_id": "v", "event_id": "mine"},
    ]
    result = connect(triton.address).write_events(iter(events))
    (request,) = triton.received
    first, second = json.loads(request.values["EVENTS"])
    assert len(first.pop("event_id")) == 32  # a UUID in hexadecimal
    assert first == {**events[0], "time": "2024-05-01T12:00:00+02:00", "quantity": 2}
    assert second == events[1]
    assert "event_id" not in events[0]
    assert (result.accepted, result.sequence) == (1, 7)
    assert result.rejected == (Rejection(index=1, reason="product: id is missing"),)


def test_catalogue_operations(triton, connect):
    client = connect(triton.address)
    client.upsert_products([{"id": "p1", "title": "Kettle"}])
    client.patch_products([{"id": "p1", "price": 5}])
    client.delete_products(["p1", "p2"])
    client.write_catalog([{"operation": "delete", "id": "p3"}])
    assert [request.model for request in triton.received] == ["catalog"] * 4
    assert [json.loads(request.values["OPERATIONS"]) for request in triton.received] == [
        [{"operation": "upsert", "product": {"id": "p1", "title": "Kettle"}}],
        [{"operation": "patch", "product": {"id": "p1", "price": 5}}],
        [{"operation": "delete", "id": "p1"}, {"operation": "delete", "id": "p2"}],
        [{"operation": "delete", "id": "p3"}],
    ]


def test_a_write_says_how_much_of_it_changed_nothing(triton, connect):
    triton.replies["catalog"] = lambda request, context: written({**WRITTEN, "accepted": 3, "unchanged": 2})
    asked = {"operation": "patch", "product": {"id": "p1", "price": 5}, "if_changed": True}
    client = connect(triton.address)
    assert client.write_catalog([asked]).unchanged == 2
    triton.replies["catalog"] = lambda request, context: written()
    assert client.write_catalog([asked]).unchanged == 0
    assert json.loads(triton.received[0].values["OPERATIONS"]) == [asked]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda client: client.search("\ud800"), "query: must be valid Unicode, has a lone surrogate"),
        (lambda client: client.search(None), "query: must be text, is None"),
        (lambda client: client.search("a", user_id=42), "user_id: must be text, is 42"),
        (lambda client: client.search("a", page_size=2.5), "page_size: must be a whole number, is 2.5"),
        (lambda client: client.search("a", offset=2**31), "offset: must fit 32 bits, is 2147483648"),
        (lambda client: client.search("a", context={"x": float("nan")}), "context: must be expressible in JSON"),
        (lambda client: client.search("a", options={"x": object()}), "a object has no form in JSON"),
        (lambda client: client.search("a", timeout_s=0), "timeout_s: must be above 0 seconds, is 0"),
        (lambda client: client.health(timeout_s=float("nan")), "timeout_s: must be above 0 seconds, is nan"),
        (
            lambda client: client.recommend("cart", seed_product_ids="p1"),
            "seed_product_ids: must be a list, is one str",
        ),
        (lambda client: client.write_events({"event_type": "search"}), "events: must be a list, is one event"),
        (lambda client: client.write_events(["search"]), r"events\[0\]: must be a mapping"),
        (
            lambda client: client.write_events([{}, {"time": datetime(2024, 5, 1)}]),
            r"events\[1\]: must be expressible in JSON: .* has no time zone",
        ),
        (
            lambda client: client.upsert_products([{"id": "p1", "price": 1.0}, {"id": "p2", "price": float("nan")}]),
            r"operations\[1\]: must be expressible in JSON",
        ),
        (lambda client: client.delete_products("p1"), "product_ids: must be a list, is one str"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is(triton, connect, call, message):
    with pytest.raises(InvalidArgumentError, match=message):
        call(connect(triton.address))
    assert triton.received == []


@pytest.mark.parametrize("size", [0, -1, 10_000])
def test_the_rules_are_the_servers(triton, connect, size):
    connect(triton.address).search("", page_size=size)
    assert triton.received[0].values == UNSET | {"QUERY": "", "PAGE_SIZE": size}


def _details(**changes):
    return page({**PAGE, **changes})


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (answer(), "search: the answer has no output PRODUCT_ID"),
        (answer(PRODUCT_ID=texts("p1"), DETAILS=texts("{}")), "search: the answer has no output SCORE"),
        (answer(PRODUCT_ID=texts("p1"), SCORE=floats(1)), "search: the answer has no output DETAILS"),
        (
            answer(PRODUCT_ID=texts("p1"), SCORE=("FP64", [1, 1], bytes(8)), DETAILS=texts("{}")),
            r"output SCORE must be FP32 \[1, -1\], is FP64 \[1, 1\]",
        ),
        (
            answer(PRODUCT_ID=texts("p1"), SCORE=("FP32", [1], bytes(4)), DETAILS=texts("{}")),
            r"output SCORE must be FP32 \[1, -1\], is FP32 \[1\]",
        ),
        (
            answer(PRODUCT_ID=texts("p1"), SCORE=("FP32", [1, 2], bytes(4)), DETAILS=texts("{}")),
            "output SCORE cannot be read",
        ),
        (
            answer(PRODUCT_ID=("BYTES", [1, 1], b"\x09\x00\x00\x00p"), SCORE=floats(1), DETAILS=texts("{}")),
            "output PRODUCT_ID",
        ),
        (answer(PRODUCT_ID=texts(b"\xff"), SCORE=floats(1), DETAILS=texts("{}")), "output PRODUCT_ID is not UTF-8"),
        (answer(PRODUCT_ID=texts(), SCORE=floats(), DETAILS=texts("{")), "output DETAILS is not JSON"),
        (answer(PRODUCT_ID=texts(), SCORE=floats(), DETAILS=texts('{"a": NaN}')), "output DETAILS is not JSON"),
        (answer(PRODUCT_ID=texts(), SCORE=floats(), DETAILS=texts("[]")), r"DETAILS: must be an object, is \[\]"),
        (answer(PRODUCT_ID=texts(), SCORE=floats(), DETAILS=texts("{}", "{}")), r"DETAILS must be BYTES \[1, 1\]"),
        (page(ids=["p1"]), "1 PRODUCT_ID, 2 SCORE and 2 results do not belong together"),
        (page(scores=[1, 2, 3]), "2 PRODUCT_ID, 3 SCORE and 2 results do not belong together"),
        (page(ids=["p2", "p1"]), "result 0 is of 'p1', PRODUCT_ID there is 'p2'"),
        (page({"results": []}, ids=[], scores=[]), "DETAILS: total must be a whole number, is absent"),
        (page({"total": 2}), "DETAILS: results must be a list of objects, is absent"),
        (_details(total=True), "total must be a whole number, is True"),
        (_details(total="2"), "total must be a whole number, is '2'"),
        (_details(token=3), "token must be a text, is 3"),
        (_details(missing_ids=["a", 1]), r"missing_ids must be a list of texts, is \['a', 1\]"),
        (_details(degraded="ranker"), "degraded must be a list of texts, is 'ranker'"),
        (_details(timings=[1]), r"timings must be an object, is \[1\]"),
        (_details(timings={"total_us": "1"}), "timings.total_us must be a number, is '1'"),
        (_details(results=[1, 2]), r"DETAILS.results\[0\]: must be an object, is 1"),
        (_details(results=[{"price": "5"}, {}]), r"results\[0\]: price must be a number, is '5'"),
        (_details(results=[{}, {"title": "x" * 100 + "y", "brand": 3}]), r"results\[1\]: brand must be a text, is 3"),
    ],
)
def test_answers_that_break_the_contract(triton, connect, response, message):
    triton.replies["search"] = lambda request, context: response
    with pytest.raises(ProtocolError, match=message):
        connect(triton.address).search("kettle")


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (answer(), "events: the answer has no output RESULT"),
        (written({**WRITTEN, "accepted": None}), "RESULT: accepted must be a whole number, is absent"),
        (written({**WRITTEN, "rejected": [{"reason": "r"}]}), r"RESULT.rejected\[0\]: index must be a whole number"),
        (written({"accepted": 1, "rejected": []}), "RESULT: sequence must be a whole number, is absent"),
    ],
)
def test_results_of_writes_that_break_the_contract(triton, connect, response, message):
    triton.replies["events"] = lambda request, context: response
    with pytest.raises(ProtocolError, match=message):
        connect(triton.address).write_events([])


def test_a_newer_server_may_say_more(triton, connect):
    triton.replies["search"] = lambda request, context: _details(weather=[{"sun": 2}], results=[{}, {"new": 1}])
    found = connect(triton.address).search("kettle")
    assert found.details["weather"] == [{"sun": 2}]
    assert [product.id for product in found.results] == ["p1", "p2"]
    assert found.results[1].fields == {"new": 1}
