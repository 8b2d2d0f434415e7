"""The same stages behind calls: the `cpu-bls` profile answers as `cpu` does, and lives on without a stage."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from mercato_client import Client
from mercato_client.types import ResultPage
from tritonclient import grpc as triton

from mercato.serving.server import TritonServer
from tests.integration.conftest import PATIENCE_S, PATIENT, Shop

pytestmark = pytest.mark.triton

CONTEXT = {"time": 1_700_000_000}
QUERIES = (
    *("frozen pizza", "pepperoni pizza", "ground coffee", "instant coffee", "baby food", "something for a hungry baby"),
    *("tomato soup", "chicken noodle soup", "shredded cheese", "mozzarella", "chocolate bar", "gummy candy"),
    *("breakfast cereal", "kids cereal", "strawberry yogurt", "fat free yogurt", "chocolate chip cookies"),
    *("ice cream cones", "dog toys", "cat litter"),
)


def ids(page: ResultPage) -> list[str]:
    return [product.id for product in page.results]


@pytest.fixture(scope="module")
def bls_server(_triton: None, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    folder = tmp_path_factory.mktemp("bls-server")
    # Not supervised: an encoder that a test unloads must stay away.
    with TritonServer(shop.options(folder, profile="cpu-bls", supervised=False)) as server:
        yield server


@pytest.fixture
def bls(bls_server: TritonServer) -> Iterator[Client]:
    with Client(bls_server.grpc_address, timeouts=PATIENT) as connected:
        yield connected


def test_twenty_searches_answer_alike(client: Client, bls: Client) -> None:
    assert len(set(QUERIES)) == 20
    for query in QUERIES:
        near, far = client.search(query, context=CONTEXT), bls.search(query, context=CONTEXT)
        assert ids(far) == ids(near), query
        assert (far.total, far.degraded, near.degraded) == (near.total, (), ())
        assert [product.score for product in far.results] == pytest.approx(
            [product.score for product in near.results], abs=1e-4
        )


def test_ten_recommendations_answer_alike(client: Client, bls: Client, shop: Shop) -> None:
    seeds = [str(product_id) for product_id in shop.products["id"].iloc[::40]]
    asked: list[dict[str, Any]] = [
        {"placement": "home-page"},
        {"placement": "category", "filter": 'categories: ANY("Coffee")'},
        {"placement": "home-page", "user_id": "never seen", "page_size": 50},
        {"placement": "cart", "seed_product_ids": seeds[:3]},
        {"placement": "cart", "seed_product_ids": ["gone", seeds[4]]},
        *({"placement": "product-page", "seed_product_ids": [seed]} for seed in seeds),
    ]
    assert len(asked) == 10
    for one in asked:
        near, far = client.recommend(**one, context=CONTEXT), bls.recommend(**one, context=CONTEXT)
        assert ids(far) == ids(near), one
        assert len(ids(near)) > 0
        assert (far.total, far.missing_ids) == (near.total, near.missing_ids)


def test_lists_are_ordered_alike_whatever_is_in_them(client: Client, bls: Client, shop: Shop) -> None:
    known = [str(product_id) for product_id in shop.products["id"]]
    assert len(known) == 200
    mixed = ["gone", known[7], *known[150:], known[7], "lost", *known[:90]]
    for product_ids in (known, mixed, ["gone"], []):
        near, far = (one.rank(product_ids, user_id="u1", context=CONTEXT) for one in (client, bls))
        unknown = [product_id for product_id in product_ids if product_id not in known]
        assert ids(far) == ids(near)
        assert sorted(ids(near)) == sorted(set(product_ids))
        assert (near.total, near.degraded, far.degraded) == (len(set(product_ids)), (), ())
        assert list(near.missing_ids) == unknown == ids(near)[len(ids(near)) - len(unknown) :]


def test_kinds_of_a_product_page_answer_alike(client: Client, bls: Client, shop: Shop) -> None:
    seed = str(shop.products["id"].iloc[0])
    for kind in ("similar", "complementary"):
        near, far = (one.similar(seed, kind=kind, context=CONTEXT) for one in (client, bls))
        assert ids(far) == ids(near)
        assert len(ids(near)) == 20


def test_what_is_written_behind_calls_is_in_the_next_answer(bls: Client) -> None:
    result = bls.upsert_products([{"id": f"rug-{n}", "title": f"Persian rug number {n}"} for n in range(70)])
    assert (result.accepted, result.rejected) == (70, ()), "more new texts than one call of the encoder takes"
    for _ in range(8):  # every instance of search and of the retriever
        assert set(ids(bls.search("persian rug", page_size=70))) == {f"rug-{n}" for n in range(70)}


def test_search_goes_by_words_while_the_encoder_is_away(bls: Client, bls_server: TritonServer) -> None:
    with triton.InferenceServerClient(bls_server.grpc_address) as admin:
        admin.unload_model("encoder", headers=bls_server.admin_headers)
        deadline = time.monotonic() + PATIENCE_S
        while not (page := bls.search("frozen pizza")).degraded:
            assert time.monotonic() < deadline
        assert page.degraded == ("encoder",)
        assert all("pizza" in product.title.lower() or "frozen" in product.title.lower() for product in page.results)
        assert {source for product in page.results for source in product.sources} == {"words"}
        assert bls.recommend("home-page").degraded == ()
        admin.unload_model("ranker", headers=bls_server.admin_headers)
        while "ranker" not in (page := bls.search("frozen pizza")).degraded:
            assert time.monotonic() < deadline
        assert page.degraded == ("encoder", "ranker")
        admin.load_model("ranker", headers=bls_server.admin_headers)
        admin.load_model("encoder", headers=bls_server.admin_headers)
    assert bls.search("frozen pizza").degraded == ()


def test_explanations_are_the_same_behind_calls(client: Client, bls: Client, shop: Shop) -> None:
    pizza, coffee = (str(shop.products["id"].iloc[index]) for index in (0, 20))
    bought = [
        {
            "event_type": "purchase-complete",
            "user_id": "reasons",
            "product_id": product_id,
            "time": CONTEXT["time"] - age,
        }
        for product_id, age in ((pizza, 3 * 86_400), (coffee, 86_400))
    ]
    explained: dict[str, list[list[dict[str, Any]]]] = {"near": [], "far": []}
    for name, asked in (("near", client), ("far", bls)):
        assert asked.write_events(bought).accepted == 2
        pages = (
            asked.search("frozen pizza", user_id="reasons", explain=True, context=CONTEXT),
            asked.recommend("home-page", user_id="reasons", options={"explain": True}, context=CONTEXT),
        )
        explained[name] = [[dict(product.fields["explanation"]) for product in page.results] for page in pages]
    for near, far in zip(explained["near"], explained["far"], strict=True):
        assert [one["text"] for one in far] == [one["text"] for one in near]
        assert all(one["text"] for one in near)
        for one, other in zip(near, far, strict=True):
            assert other["stages"].keys() == one["stages"].keys()
            assert other["matched"] == one["matched"]
            assert other.get("because") == one.get("because")
            for stage, numbers in one["stages"].items():
                assert other["stages"][stage]["rank"] == numbers["rank"], stage
                assert other["stages"][stage]["score"] == pytest.approx(numbers["score"], abs=1e-4)
    assert {"ranker", "fusion", "words", "dense"} <= explained["far"][0][0]["stages"].keys()
    events = [one["because"] for one in explained["far"][1] if "event_type" in one["because"]]
    assert {one["product_id"] for one in events} == {pizza, coffee}
