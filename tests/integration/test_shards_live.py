"""A router and two servers of shards: the answers of one process, and what is said when a shard goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from mercato_client import Client

from mercato.pipeline.answer import Answer
from mercato.pipeline.factory import build_pipeline
from mercato.requests.page import parse_search
from mercato.serving.server import TritonServer
from mercato.settings import Settings
from tests.integration.conftest import PATIENT, Shop, ask_raw, run_mercato

pytestmark = pytest.mark.triton

CONTEXT = json.dumps({"time": 1_700_000_000.0})
REQUESTS: list[dict[str, Any]] = [
    {"QUERY": "frozen pizza"},
    {"QUERY": "cofee"},
    {"QUERY": "cheese", "OPTIONS": json.dumps({"facets": ["brand", "price"], "order_by": "price"})},
    {"QUERY": "soup", "FILTER": "price < 3", "OFFSET": 5, "PAGE_SIZE": 10},
]
LAST_ONE = 1
OTHER = "candy"


@pytest.fixture(scope="module")
def cut(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cut") / "shards"
    made = run_mercato("shard", shop.catalog, "--shards", "2", "--out", out, "--json", cwd=out.parent)
    assert made.returncode == 0, made.stderr
    assert sum(json.loads(made.stdout)["products"]) == len(shop.products)
    return out


@pytest.fixture(scope="module")
def shards(
    _triton: None, shop: Shop, cut: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[TritonServer]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                TritonServer(shop.options(tmp_path_factory.mktemp("shard"), catalog=cut / number, state=None))
            )
            for number in ("1", "2")
        ]


def test_a_router_answers_as_one_process_and_says_what_is_missing(
    shop: Shop, cut: Path, shards: list[TritonServer], tmp_path: Path
) -> None:
    assert [server.models for server in shards] == [("shard",)] * 2
    whole = build_pipeline(Settings(catalog=shop.catalog, encoder=shop.encoder, ranker=shop.ranker))
    addresses = ",".join(server.http_address for server in shards)
    options: dict[str, Any] = {
        "catalog": cut / "router",
        "state": None,
        "shards": addresses,
        "missing_shards": "answer",
    }
    with TritonServer(shop.options(tmp_path, **options)) as router:
        for request in REQUESTS:
            fields = {name: value.encode() if isinstance(value, str) else value for name, value in request.items()}
            [one] = whole.answer([parse_search({**fields, "CONTEXT": CONTEXT.encode()})])
            assert isinstance(one, Answer), one
            given = ask_raw(router.grpc_address, "search", **request, CONTEXT=CONTEXT)
            wanted = {**json.loads(one.details), "ids": one.product_ids}
            for document in (wanted, given):
                del document["timings"], document["token"]
            assert given == wanted

        shards[LAST_ONE].stop()
        with Client(router.grpc_address, timeouts=PATIENT) as client:
            page = client.search(OTHER)
            assert page.degraded == ("shards",)
            assert page.results
