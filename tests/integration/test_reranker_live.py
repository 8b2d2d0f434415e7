"""The reranker on a real server: in process and behind calls alike, left out when it is away or not wanted."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mercato_client import Client
from mercato_client.types import ResultPage
from tritonclient import grpc as triton

from mercato.serving.server import TritonServer
from tests.adapters.tiny_models import write_reranker
from tests.integration.conftest import PATIENCE_S, PATIENT, Shop

pytestmark = pytest.mark.triton

CONTEXT = {"time": 1_700_000_000}
QUERIES = ("frozen pizza", "tomato soup", "shredded cheese", "dog toys", "strawberry yogurt")
WORTH = {"frozen": 1.0, "soup": 2.0, "mozzarella": 3.0, "pizza": 0.5, "toys": 4.0, "yogurt": -1.0}


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reranker(tmp_path_factory.mktemp("reranker"), WORTH, weight=0.5)


@pytest.fixture(scope="module")
def near(_triton: None, shop: Shop, reranker: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    folder = tmp_path_factory.mktemp("near")
    with TritonServer(shop.options(folder, reranker=reranker, rerank_budget_ms=60_000)) as server:
        yield server


@pytest.fixture(scope="module")
def far(_triton: None, shop: Shop, reranker: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    folder = tmp_path_factory.mktemp("far")
    options = shop.options(
        folder, profile="cpu-bls", reranker=reranker, rerank_budget_ms=60_000, supervised=False
    )  # not supervised: a model that a test unloads must stay away
    with TritonServer(options) as server:
        yield server


def ids(page: ResultPage) -> list[str]:
    return [product.id for product in page.results]


def test_both_homes_order_alike_and_otherwise_than_without(
    near: TritonServer, far: TritonServer, client: Client
) -> None:
    assert "reranker" in near.models
    assert "reranker" in far.models
    changed = 0
    with Client(near.grpc_address, timeouts=PATIENT) as one, Client(far.grpc_address, timeouts=PATIENT) as other:
        for query in QUERIES:
            left, right = one.search(query, context=CONTEXT), other.search(query, context=CONTEXT)
            assert ids(left) == ids(right), query
            assert (left.degraded, right.degraded) == ((), ())
            changed += ids(left) != ids(client.search(query, context=CONTEXT))
    assert changed > 0


def test_search_goes_on_without_it(far: TritonServer, client: Client) -> None:
    with (
        triton.InferenceServerClient(far.grpc_address) as admin,
        Client(far.grpc_address, timeouts=PATIENT) as other,
    ):
        admin.unload_model("reranker", headers=far.admin_headers)
        deadline = time.monotonic() + PATIENCE_S
        while not (page := other.search(QUERIES[0], context=CONTEXT)).degraded:
            assert time.monotonic() < deadline
        assert page.degraded == ("reranker",)
        assert ids(page) == ids(client.search(QUERIES[0], context=CONTEXT))


def test_server_without_a_reranker_does_not_load_its_model(shop_server: TritonServer) -> None:
    assert "reranker" not in shop_server.models
