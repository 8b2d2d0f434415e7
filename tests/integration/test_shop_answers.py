"""The shop on the real server, over gRPC and plain HTTP: searches, recommendations, pages, many callers at once."""

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mercato_client import Client
from mercato_client.types import ResultPage

from mercato.serving.server import TritonServer
from tests.integration.conftest import PATIENCE_S, Shop, ask_raw

pytestmark = pytest.mark.triton


def ids(page: ResultPage) -> list[str]:
    return [product.id for product in page.results]


def post(server: TritonServer, model: str, **inputs: str | int) -> dict[str, Any]:
    """What curl does: one JSON document to /v2/models/MODEL/infer."""
    tensors = [
        {"name": name, "shape": [1, 1], "datatype": "INT32" if isinstance(value, int) else "BYTES", "data": [value]}
        for name, value in inputs.items()
    ]
    request = urllib.request.Request(
        f"http://{server.http_address}/v2/models/{model}/infer",
        data=json.dumps({"inputs": tensors}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        outputs = {output["name"]: output for output in json.load(answer)["outputs"]}
    details: dict[str, Any] = json.loads(outputs["DETAILS"]["data"][0])
    return {**details, "ids": outputs["PRODUCT_ID"]["data"], "scores": outputs["SCORE"]["data"]}


def test_every_model_is_served(shop_server: TritonServer, client: Client) -> None:
    expected = {"search", "recommend", "suggest", "encoder", "ranker", "retriever", "events", "catalog", "profile"}
    assert set(shop_server.models) == expected
    health = client.health()
    assert health.ok, health.problems
    assert health.problems == {}


def test_search_finds_by_words_and_by_meaning(client: Client) -> None:
    pizza = client.search("frozen pizza", page_size=5)
    assert all("pizza" in product.title.lower() for product in pizza.results)
    assert pizza.degraded == ()
    assert {"dense", "words"} <= {source for product in pizza.results for source in product.sources}
    infant = client.search("something to feed an infant", page_size=5)
    assert all("baby" in " ".join(product.categories).lower() for product in infant.results), infant.results


def test_filter_holds_for_every_result(client: Client, shop: Shop) -> None:
    allowed = 'categories: ANY("Coffee") AND price: IN(3.0, 4.0)'
    page = client.search("coffee", filter=allowed, page_size=100)
    # Number n costs 1 + n / 10 and coffee is the second kind, numbers 20 to 39: 3.00 to 4.90.
    assert sorted(product.price or 0.0 for product in page.results) == pytest.approx([3.0 + n / 10 for n in range(10)])
    assert page.total == 10
    home = client.recommend("home-page", filter=allowed, page_size=100)
    assert set(ids(home)) == set(ids(page))


def test_similar_products_are_of_the_same_kind_and_not_the_product_itself(client: Client, shop: Shop) -> None:
    seed = str(shop.products["id"].iloc[0])
    page = client.similar(seed, page_size=10)
    assert seed not in ids(page)
    assert len(ids(page)) == 10
    assert all("pizza" in " ".join(product.categories).lower() for product in page.results)


def test_pages_cover_total_without_a_product_twice(client: Client) -> None:
    for ask in (
        lambda offset: client.search("frozen pizza with cheese", page_size=23, offset=offset),
        lambda offset: client.recommend("home-page", page_size=23, offset=offset),
    ):
        walked: list[str] = []
        scores: list[float] = []
        while True:
            page = ask(len(walked))
            assert [product.rank for product in page.results] == list(
                range(len(walked) + 1, len(walked) + 1 + len(page.results))
            )
            if not page.results:
                break
            walked += ids(page)
            scores += [product.score for product in page.results]
        assert len(walked) == len(set(walked)) == page.total
        assert scores == sorted(scores, reverse=True)
    assert page.total == 200, "recommendations go on to the whole catalogue"


def test_same_question_has_the_same_answer(client: Client) -> None:
    context = {"time": 1_700_000_000}
    answers = [ids(client.search("chocolate cookies", context=context)) for _ in range(4)]
    assert answers == [answers[0]] * 4


def test_one_http_request_is_a_search(shop_server: TritonServer, client: Client) -> None:
    answer = post(shop_server, "search", QUERY="frozen pizza", PAGE_SIZE=3)
    page = client.search("frozen pizza", page_size=3)
    assert answer["ids"] == ids(page)
    assert answer["total"] == page.total
    assert [result["title"] for result in answer["results"]] == [product.title for product in page.results]
    assert answer["scores"] == pytest.approx([product.score for product in page.results], rel=1e-5)


def test_one_http_request_orders_a_list(shop_server: TritonServer, client: Client, shop: Shop) -> None:
    listed = [*(str(product_id) for product_id in shop.products["id"].iloc[::4]), "gone"]
    answer = post(shop_server, "recommend", PLACEMENT="rank", SEED_PRODUCT_IDS=json.dumps(listed))
    assert answer["ids"] == ids(client.rank(listed))
    assert sorted(answer["ids"]) == sorted(listed), "all 51, though a page has 20 elsewhere"
    assert answer["ids"][-1] == "gone"
    assert answer["results"][-1] == {"id": "gone", "sources": []}


def test_http_answers_an_offset_beyond_the_end(shop_server: TritonServer) -> None:
    answer = post(shop_server, "recommend", PLACEMENT="home-page", OFFSET=5_000)
    assert (answer["ids"], answer["results"], answer["total"]) == ([], [], 200)


def test_http_tells_what_is_wrong(shop_server: TritonServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(shop_server, "search", QUERY="pizza", PAGE_SIZE=0)
    with caught.value as error:
        assert error.code == 400
        message = json.load(error)["error"]
    assert "PAGE_SIZE: must be between 1 and 500, got 0; ask for more products page by page with OFFSET" in message
    assert "Traceback" not in message


def test_callers_with_other_inputs_do_not_mix(shop_server: TritonServer) -> None:
    context = '{"time": 1700000000}'
    beyond = '{"beyond": true}'  # whole pages, whatever matches
    questions: list[tuple[str, dict[str, str | int]]] = [
        ("search", {"QUERY": "frozen pizza", "CONTEXT": context, "OPTIONS": beyond}),
        ("search", {"QUERY": "coffee", "PAGE_SIZE": 3, "CONTEXT": context, "OPTIONS": beyond}),
        ("search", {"QUERY": "soup", "FILTER": "price < 8", "CONTEXT": context, "OPTIONS": beyond}),
        ("search", {"QUERY": "yogurt", "USER_ID": "u1", "OFFSET": 5, "CONTEXT": context, "OPTIONS": beyond}),
        ("search", {"QUERY": "pet toys", "VISITOR_ID": "v1", "CONTEXT": context, "OPTIONS": beyond}),
        ("recommend", {"PLACEMENT": "home-page", "CONTEXT": context}),
        ("recommend", {"PLACEMENT": "cart", "SEED_PRODUCT_IDS": '["none"]', "CONTEXT": context, "PAGE_SIZE": 7}),
    ]
    apart = [ask_raw(shop_server.grpc_address, model, **inputs)["ids"] for model, inputs in questions]
    assert [len(page) for page in apart] == [20, 3, 20, 20, 20, 20, 7]
    with ThreadPoolExecutor(len(questions)) as pool:
        for _ in range(6):
            together = pool.map(lambda one: ask_raw(shop_server.grpc_address, one[0], **one[1])["ids"], questions)
            assert list(together) == apart


def test_memory_of_every_process_is_known(shop_server: TritonServer) -> None:
    names = {process.name for process in shop_server.memory()}
    assert {"tritonserver", "stub of search_0_0", "stub of recommend_0_0", "stub of events_0_0"} <= names
