"""Requests as they come in: what each parameter may be, and what a bad one is told."""

import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from mercato.errors import InvalidInputError
from mercato.requests.page import (
    DEFAULT_PAGE_SIZE,
    MAX_OFFSET,
    MAX_PAGE_SIZE,
    RECOMMEND_FIELDS,
    SEARCH_FIELDS,
    PageRequest,
    parse_recommend,
    parse_search,
)
from mercato.requests.retrieval import Placement

Parse = Callable[[dict[str, Any]], PageRequest]


def search(**fields: Any) -> PageRequest:
    return parse_search({"QUERY": b"milk", **fields})


def recommend(**fields: Any) -> PageRequest:
    return parse_recommend({"PLACEMENT": b"home-page", **fields})


def test_search_reads_every_field() -> None:
    page = parse_search(
        {
            "QUERY": b"  frozen\tpizza ",
            "USER_ID": b"u1",
            "VISITOR_ID": b"v1",
            "FILTER": b'brand: ANY("Acme")',
            "PAGE_SIZE": 7,
            "OFFSET": 14,
            "CONTEXT": b'{"time": 1700000000, "utc_offset_s": 3600, "device": "phone", "region": "DE"}',
            "OPTIONS": b'{"strict_filtering": false}',
        }
    )
    asked = page.retrieval
    assert (page.page_size, page.offset, asked.depth) == (7, 14, 14 + 7)
    assert (asked.placement, asked.text) == (Placement.SEARCH, "frozen pizza")
    assert (asked.user_id, asked.visitor_id, asked.strict_filtering) == ("u1", "v1", False)
    assert asked.condition is not None
    assert asked.condition.text == 'brand: ANY("Acme")'
    assert (asked.context.time, asked.context.utc_offset_s) == (1.7e9, 3600.0)
    assert (asked.context.device, asked.context.region) == ("phone", "DE")


def test_search_without_options_has_defaults() -> None:
    before = time.time()
    page = search()
    assert (page.page_size, page.offset, page.retrieval.depth) == (DEFAULT_PAGE_SIZE, 0, DEFAULT_PAGE_SIZE)
    assert page.retrieval.condition is None
    assert page.retrieval.strict_filtering
    assert before <= page.retrieval.context.time <= time.time()


@pytest.mark.parametrize("parse", [search, recommend])
def test_empty_texts_are_the_same_as_not_given(parse: Callable[..., PageRequest]) -> None:
    now = b'{"time": 1}'
    empty = parse(USER_ID=b"", VISITOR_ID=b"", FILTER=b"", OPTIONS=b"", CONTEXT=now)
    assert empty == parse(CONTEXT=now)
    assert parse(FILTER=b" \n ").retrieval.condition is None


@pytest.mark.parametrize(
    ("label", "placement"),
    [
        (b"home-page", Placement.HOME_PAGE),
        (b"product-page", Placement.PRODUCT_PAGE),
        (b"cart", Placement.CART),
        (b"category", Placement.CATEGORY),
    ],
)
def test_recommend_knows_its_placements(label: bytes, placement: Placement) -> None:
    assert parse_recommend({"PLACEMENT": label}).retrieval.placement is placement


def test_recommend_reads_seeds_once_each_in_their_order() -> None:
    page = recommend(SEED_PRODUCT_IDS=b'["p2", "p1", "p2"]')
    assert page.retrieval.seed_ids == ("p2", "p1")
    assert page.retrieval.text == ""
    assert recommend(SEED_PRODUCT_IDS=b"").retrieval.seed_ids == ()


def test_limits_themselves_are_allowed() -> None:
    page = search(PAGE_SIZE=MAX_PAGE_SIZE, OFFSET=MAX_OFFSET, USER_ID=b"u" * 256)
    assert (page.page_size, page.offset) == (500, 100_000)
    seeds = [f"p{number}" for number in range(100)]
    assert recommend(SEED_PRODUCT_IDS=orjson.dumps(seeds)).retrieval.seed_ids == tuple(seeds)


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [(b"1700000000.5", 1_700_000_000.5), (b'"1970-01-02T00:00:00Z"', 86_400.0), (b'"1970-01-01T01:00:00+01:00"', 0.0)],
)
def test_context_time_is_seconds_or_rfc_3339(moment: bytes, seconds: float) -> None:
    assert search(CONTEXT=b'{"time": ' + moment + b"}").retrieval.context.time == seconds


# parameter, value, constraint, what was given, remedy ("" where the constraint says it all)
SHARED_REFUSALS = [
    ("PAGE_SIZE", 0, "must be between 1 and 500", "got 0", "page by page with OFFSET"),
    ("PAGE_SIZE", -1, "must be between 1 and 500", "got -1", "page by page with OFFSET"),
    ("PAGE_SIZE", 10_000, "must be between 1 and 500", "got 10000", "page by page with OFFSET"),
    ("OFFSET", -1, "must be between 0 and 100000", "got -1", "narrow the answer with FILTER"),
    ("OFFSET", 100_001, "must be between 0 and 100000", "got 100001", "narrow the answer with FILTER"),
    ("USER_ID", b"u" * 257, "must have at most 256 bytes", "got 257", ""),
    ("USER_ID", b"ab\xff", "must be UTF-8", "offset 2 is 0xff", "encode the text as UTF-8"),
    ("VISITOR_ID", "ü".encode() * 129, "must have at most 256 bytes", "got 258", ""),
    ("FILTER", b"\xc3", "must be UTF-8", "offset 0 is 0xc3", "encode the text as UTF-8"),
    ("FILTER", b"price < ", "a number", "got the end", "for example"),
    ("OPTIONS", b"{", "must be JSON", "got '{'", ""),
    ("OPTIONS", b'["strict_filtering"]', "must be a JSON object", "got list", ""),
    ("OPTIONS", b'{"strict": true}', "knows strict_filtering", "got 'strict'", ""),
    ("OPTIONS.strict_filtering", b'{"strict_filtering": 1}', "must be true or false", "got 1", ""),
    ("CONTEXT", b'{"zeit": 1}', "knows time, utc_offset_s, device, region", "got 'zeit'", ""),
    ("CONTEXT", b"\xff", "must be UTF-8", "offset 0 is 0xff", "encode the text as UTF-8"),
    ("CONTEXT.time", b'{"time": "yesterday"}', "must be seconds since 1970 or RFC 3339", "got 'yesterday'", ""),
    ("CONTEXT.time", b'{"time": "01/05/2024"}', "must be seconds since 1970", "got '01/05/2024'", ""),
    ("CONTEXT.time", b'{"time": -1}', "must be seconds since 1970", "got -1", ""),
    ("CONTEXT.time", b'{"time": true}', "must be seconds since 1970", "got True", ""),
    ("CONTEXT.time", b'{"time": [1]}', "must be seconds since 1970", "got [1]", ""),
    ("CONTEXT.utc_offset_s", b'{"utc_offset_s": 90000}', "between -86400 and 86400", "got 90000", ""),
    ("CONTEXT.utc_offset_s", b'{"utc_offset_s": "1h"}', "between -86400 and 86400", "got '1h'", ""),
    ("CONTEXT.device", b'{"device": 5}', "must be a text of at most 256 characters", "", ""),
]
SEARCH_REFUSALS = [
    ("QUERY", None, "must be given", "", "send the shopper's words"),
    ("QUERY", b"", "at least one visible character", "got blank text", "or call recommend"),
    ("QUERY", b" \t\n ", "at least one visible character", "got blank text", "or call recommend"),
    ("QUERY", "\u200b\x00".encode(), "at least one visible character", "got blank text", "or call recommend"),
    ("QUERY", b"a" * 100_000, "must be at most 1,000 characters", "got 100,000", "shorten the query"),
    ("QUERY", b"milk\xff\xfe", "must be UTF-8", "offset 4 is 0xff", "encode the text as UTF-8"),
]
RECOMMEND_REFUSALS = [
    ("PLACEMENT", None, "must be one of home-page, product-page, cart, category", "got ''", ""),
    ("PLACEMENT", b"search", "must be one of home-page, product-page, cart, category", "got 'search'", ""),
    ("PLACEMENT", b"\xff", "must be UTF-8", "offset 0 is 0xff", "encode the text as UTF-8"),
    ("SEED_PRODUCT_IDS", b"p1", "must be JSON", "got 'p1'", ""),
    ("SEED_PRODUCT_IDS", b'"p1"', "must be a JSON list of product ids", "", 'for example ["123", "456"]'),
    ("SEED_PRODUCT_IDS", b"[1]", "must be a JSON list of product ids", "", 'for example ["123", "456"]'),
    ("SEED_PRODUCT_IDS", orjson.dumps([str(n) for n in range(101)]), "at most 100 products", "got 101", ""),
]


@pytest.mark.parametrize(
    ("parse", "refusal"),
    [(parse, refusal) for parse in (search, recommend) for refusal in SHARED_REFUSALS]
    + [(search, refusal) for refusal in SEARCH_REFUSALS]
    + [(recommend, refusal) for refusal in RECOMMEND_REFUSALS],
    ids=lambda value: value.__name__ if callable(value) else f"{value[0]}-{str(value[1])[:24]}",
)
def test_refusal_names_parameter_constraint_given_and_remedy(
    parse: Parse, refusal: tuple[str, object, str, str, str]
) -> None:
    parameter, value, constraint, given, remedy = refusal
    with pytest.raises(InvalidInputError) as caught:
        parse(**{parameter.partition(".")[0]: value})  # type: ignore[call-arg]
    message = str(caught.value)
    assert caught.value.parameter == parameter
    assert message.startswith(f"{parameter}: ")
    assert constraint in message
    assert given in message
    assert remedy in message
    assert len(message) < 400, "a huge value is not echoed"


def test_unknown_fields_of_the_two_models_are_those_of_the_contract() -> None:
    assert set(RECOMMEND_FIELDS) - set(SEARCH_FIELDS) == {"PLACEMENT", "SEED_PRODUCT_IDS"}
    assert set(SEARCH_FIELDS) - set(RECOMMEND_FIELDS) == {"QUERY"}


def test_a_request_is_as_of_the_time_that_it_names() -> None:
    assert recommend(CONTEXT=b'{"time": "2024-05-01"}').retrieval.as_of
    for context in (b"", b"{}", b'{"time": null}', b'{"region": "x"}'):
        assert not recommend(CONTEXT=context).retrieval.as_of


@pytest.mark.parametrize("value", ["", 1, [], "x" * 300])
def test_what_is_shown_as_one_is_a_flag_or_a_field(value: object) -> None:
    assert recommend(OPTIONS=orjson.dumps({"collapse": "item_group_id"})).collapse == "item_group_id"
    with pytest.raises(InvalidInputError, match=r"OPTIONS\.collapse: must be true, false or the name of a field"):
        recommend(OPTIONS=orjson.dumps({"collapse": value}))
