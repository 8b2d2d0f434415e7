"""Bad input to the running server, one by one: told what is wrong, and the next caller is answered."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from mercato_client import AsyncClient, Client
from mercato_client.errors import DeadlineExceededError, InvalidArgumentError, MercatoClientError
from mercato_client.types import ResultPage
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from mercato.serving.server import TritonServer
from tests.integration.conftest import PATIENT, ask_raw

pytestmark = pytest.mark.triton


@pytest.fixture(autouse=True)
def _next_caller_is_answered(client: Client) -> Iterator[None]:
    """After each test a good request is answered in full."""
    yield
    page = client.search("frozen pizza", page_size=3)
    assert len(page.results) == 3
    assert page.degraded == ()


@pytest.mark.parametrize("query", ["", " ", " \t\r\n ", "\u3000\u200b"], ids=["empty", "blank", "breaks", "invisible"])
def test_blank_query(query: str, client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match="QUERY: must hold at least one visible character") as caught:
        client.search(query)
    assert caught.value.parameter == "query"
    assert "call recommend for answers without a query" in str(caught.value)


def test_query_of_100_000_characters(client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match="QUERY: must be at most 1,000 characters, got 100,000") as caught:
        client.search("pizza " * 16_666 + "pizz")
    assert len(str(caught.value)) < 300, "the query is not echoed"


def test_query_that_is_not_utf_8(shop_server: TritonServer) -> None:
    with pytest.raises(InferenceServerException) as caught:
        ask_raw(shop_server.grpc_address, "search", QUERY=b"pizza \xff\xfe")
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert "QUERY: must be UTF-8, the byte at offset 6 is 0xff; encode the text as UTF-8" in caught.value.message()


def test_control_characters_are_answered_as_spaces(client: Client) -> None:
    context = {"time": 1_700_000_000}
    plain = client.search("frozen pizza", context=context)
    control = client.search("\x00frozen\x07\x1b\u202epizza\x7f", context=context)
    assert [product.id for product in control.results] == [product.id for product in plain.results]


def test_filter_that_does_not_parse_points_at_the_character(client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match="FILTER: line 1, column 28: expected") as caught:
        client.search("pizza", filter='brand: ANY("National") AND & price < 5')
    message = str(caught.value)
    assert caught.value.parameter == "filter"
    line, caret = message.splitlines()[-2:]
    assert line[caret.index("^")] == "&"
    assert "write AND or OR" in message


def test_unknown_filter_field(client: Client) -> None:
    for ask in (
        lambda: client.search("pizza", filter='wheels: ANY("4")'),
        lambda: client.recommend("home-page", filter='wheels: ANY("4")'),
    ):
        with pytest.raises(InvalidArgumentError, match="FILTER: .*wheels") as caught:
            ask()
        assert "brand" in str(caught.value), "the fields there are"


@pytest.mark.parametrize("page_size", [0, -1, 10_000])
def test_page_size_out_of_bounds(page_size: int, client: Client) -> None:
    for ask in (
        lambda: client.search("pizza", page_size=page_size),
        lambda: client.recommend("home-page", page_size=page_size),
    ):
        with pytest.raises(InvalidArgumentError, match=f"PAGE_SIZE: must be between 1 and 500, got {page_size}"):
            ask()


def test_page_size_beyond_the_catalogue_is_not_padded(client: Client) -> None:
    page = client.recommend("home-page", page_size=500)
    assert len(page.results) == page.total == 200


@pytest.mark.parametrize("offset", [201, 99_999])
def test_offset_beyond_the_end_is_an_empty_page_with_the_total(offset: int, client: Client) -> None:
    page = client.search("frozen pizza", offset=offset)
    assert page.results == ()
    assert page.total == client.search("frozen pizza").total > 0
    assert client.recommend("home-page", offset=offset).results == ()


@pytest.mark.parametrize("offset", [-1, 100_001])
def test_offset_out_of_bounds(offset: int, client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match=f"OFFSET: must be between 0 and 100000, got {offset}"):
        client.search("frozen pizza", offset=offset)


def test_filter_that_matches_nothing_is_empty(client: Client) -> None:
    strict = client.search("pizza", filter='brand: ANY("Nobody")')
    assert (strict.results, strict.total) == ((), 0)
    relaxed = client.search("pizza", filter='brand: ANY("Nobody")', options={"strict_filtering": False})
    assert len(relaxed.results) == 20
    assert relaxed.details["filter_relaxed"] is True


def test_unknown_user_and_visitor_get_what_everybody_gets(client: Client) -> None:
    context = {"time": 1_700_000_000}
    nobody = client.recommend("home-page", context=context)
    unknown = client.recommend("home-page", user_id="never seen", visitor_id="neither", context=context)
    assert [product.id for product in unknown.results] == [product.id for product in nobody.results]
    assert unknown.degraded == ()


def test_unknown_seed_is_named_and_the_others_are_used(client: Client) -> None:
    known = client.search("coffee", page_size=1).results[0].id
    page = client.recommend("product-page", seed_product_ids=["gone", known, "lost"])
    assert page.missing_ids == ("gone", "lost")
    assert [product.id for product in page.results] == [product.id for product in client.similar(known).results]
    only_unknown = client.similar("gone")
    assert only_unknown.missing_ids == ("gone",)
    assert len(only_unknown.results) == 20


def test_unknown_placement(client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match="PLACEMENT: must be one of home-page, product-page, cart, category"):
        client.recommend("checkout")


def test_deadline_of_one_millisecond(client: Client) -> None:
    for _ in range(3):
        with pytest.raises(DeadlineExceededError, match="no answer within the time allowed"):
            client.search("a query that nobody has asked yet, so that nothing about it is cached", timeout_s=0.001)


async def test_bad_request_in_a_batch_harms_no_other(shop_server: TritonServer) -> None:
    async with AsyncClient(shop_server.grpc_address, timeouts=PATIENT) as client:
        queries = ["pizza", "coffee", "soup", "cheese", "candy", "cereal", "yogurt"]
        context = {"time": 1_700_000_000}
        apart = [[product.id for product in (await client.search(q, context=context)).results] for q in queries]
        for _ in range(5):
            good = [client.search(query, context=context) for query in queries]
            bad = client.search("cookies", filter="price <", context=context)
            outcomes = await asyncio.gather(*good[:4], bad, *good[4:], return_exceptions=True)
            refused = outcomes.pop(4)
            assert isinstance(refused, InvalidArgumentError)
            assert refused.parameter == "filter"
            pages = [outcome for outcome in outcomes if isinstance(outcome, ResultPage)]
            assert [[product.id for product in page.results] for page in pages] == apart


def test_input_of_another_shape(shop_server: TritonServer) -> None:
    with triton.InferenceServerClient(shop_server.grpc_address) as raw:
        tensor = triton.InferInput("QUERY", [2, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[b"pizza"], [b"soup"]], dtype=object))
        with pytest.raises(InferenceServerException, match=r"QUERY: must have shape \[1, 1\], got \[2, 1\]"):
            raw.infer("search", [tensor])


@pytest.mark.parametrize("document", ["", "{", "[1", '{"event_type": "search"}', "null"])
def test_write_that_is_no_json_array(document: str, client: Client, shop_server: TritonServer) -> None:
    for model, name in (("events", "EVENTS"), ("catalog", "OPERATIONS")):
        with pytest.raises(InferenceServerException) as caught:
            ask_raw(shop_server.grpc_address, model, **{name: document})
        assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
        assert caught.value.message().startswith(f"{name}: must be ")


def test_bad_events_and_products_are_named_and_nothing_of_them_is_kept(client: Client) -> None:
    events = client.write_events([{"event_type": "purchase-complete", "user_id": "u1"}, {"event_type": "wink"}])
    assert events.accepted == 0
    assert [item.index for item in events.rejected] == [0, 1]
    products = client.upsert_products(
        [{"title": "No id at all"}, {"id": "x1"}, {"id": "x2", "title": "y", "price": -1}]
    )
    assert products.accepted == 0
    assert [item.reason.partition(":")[0] for item in products.rejected] == ["id", "title", "price"]
    with pytest.raises(MercatoClientError, match="NaN"):
        client.upsert_products([{"id": "x3", "title": "y", "price": float("nan")}])
