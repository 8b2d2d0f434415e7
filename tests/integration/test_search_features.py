"""Facets, sorting, boosts, diversity, collapsing, explanations, suggestions and rules on the real server."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest
from mercato_client import Boost, Client, FacetSpec, Interval, InvalidArgumentError

from mercato.serving.server import TritonServer
from tests.integration.conftest import PATIENCE_S, PATIENT, Shop, run_mercato

pytestmark = pytest.mark.triton

CONTEXT = {"time": 1_700_000_000}


@pytest.fixture(scope="module")
def ruled_server(_triton: None, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """The shop behind calls, with rules: its last product first for pizza, its first one nowhere."""
    folder = tmp_path_factory.mktemp("ruled-server")
    first, last = (str(shop.products["id"].iloc[index]) for index in (0, -1))
    rules = {
        "blocked": [first],
        "rules": [{"contains": "pizza", "pins": [{"product": last, "position": 1}, {"product": "?", "position": 2}]}],
    }
    (folder / "rules.json").write_text(json.dumps(rules))
    with TritonServer(shop.options(folder, profile="cpu-bls", rules=folder / "rules.json")) as server:
        yield server


def test_facets_are_those_of_all_products_found(client: Client) -> None:
    everything = client.search("frozen pizza", page_size=500, context=CONTEXT)
    assert len(everything.results) == everything.total
    found = client.search(
        "frozen pizza",
        page_size=1,
        context=CONTEXT,
        facets=["categories", FacetSpec(key="price", intervals=[Interval(maximum=5), Interval(exclusive_minimum=5)])],
    )
    categories, price = found.facets
    counted = Counter(name for product in everything.results for name in set(product.categories))
    assert {value.value: value.count for value in categories.values} == dict(
        sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:20]
    )
    cheap = sum((product.price or 99.0) <= 5 for product in everything.results)
    assert [value.count for value in price.values] == [cheap, everything.total - cheap]


def test_a_sorted_answer(client: Client) -> None:
    found = client.search("coffee", order_by="price desc", page_size=10)
    prices = [product.price for product in found.results]
    assert None not in prices
    assert prices == sorted(prices, key=lambda price: -(price or 0))


def test_boosts_diversity_and_collapsing_keep_the_products(client: Client) -> None:
    plain = client.search("soup", page_size=500, context=CONTEXT)
    ids = {product.id for product in plain.results}
    boosted = client.search(
        "soup", page_size=500, context=CONTEXT, diversity=0.4, boosts=[Boost(condition="price > 10", boost=-1)]
    )
    assert {product.id for product in boosted.results} == ids
    collapsed = client.search("soup", page_size=500, context=CONTEXT, collapse=True)
    assert {product.id for product in collapsed.results} | {
        one for product in collapsed.results for one in product.variants
    } == ids
    assert collapsed.total == len(collapsed.results) < plain.total


def test_an_explanation_comes_through(client: Client) -> None:
    first = client.search("frozen pizza", page_size=1, explain=True).results[0]
    assert first.explanation is not None
    assert first.explanation.text


def test_a_bad_option_is_named(client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match="weather") as caught:
        client.search("pizza", order_by="weather")
    assert caught.value.parameter == "options"
    assert "OPTIONS.order_by: " in str(caught.value)


def test_suggestions_by_client_and_by_plain_http(client: Client, shop_server: TritonServer) -> None:
    found = client.suggest("frozen p", limit=3)
    assert found[0].text == "frozen pizza"
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert client.suggest("zzzz") == ()
    assert client.suggest("frozne pi")[0].text == "frozen pizza"
    body = {"inputs": [{"name": "PREFIX", "datatype": "BYTES", "shape": [1, 1], "data": ["frozen p"]}]}
    asked = urllib.request.Request(
        f"http://{shop_server.http_address}/v2/models/suggest/infer", data=json.dumps(body).encode()
    )
    with urllib.request.urlopen(asked, timeout=PATIENCE_S) as response:
        outputs = {output["name"]: output["data"] for output in json.load(response)["outputs"]}
    assert outputs["SUGGESTION"][: len(found)] == [one.text for one in found]
    with pytest.raises(InvalidArgumentError, match="must be between 1 and 50, got 99"):
        client.suggest("f", limit=99)


def test_rules_hold_behind_calls(ruled_server: TritonServer, shop: Shop) -> None:
    first, last = (str(shop.products["id"].iloc[index]) for index in (0, -1))
    with Client(ruled_server.grpc_address, timeouts=PATIENT) as client:
        found = client.search("frozen pizza", page_size=500, facets=["brand"])
        ids = [product.id for product in found.results]
        assert ids[0] == last
        assert found.results[0].pinned
        assert first not in ids
        assert len(ids) == len(set(ids)) == found.total
        assert sum(value.count for value in found.facets[0].values) == found.total
        assert first not in {product.id for product in client.recommend("home-page", page_size=200).results}
        assert not client.search("coffee").results[0].pinned


def test_commands_print_facets_and_suggestions(shop_server: TritonServer, shop: Shop) -> None:
    folder = shop.catalog.parent
    asked = ("search", "pizza", "--server", shop_server.grpc_address, "--facet", "brand", "--order-by", "price desc")
    found = json.loads(run_mercato(*asked, "--json", cwd=folder).stdout)
    assert found["facets"][0]["key"] == "brand"
    shown = run_mercato(*asked, "--boost", "price < 5 => 0.5", "--explain", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "brand" in shown.stdout
    refused = run_mercato(*asked, "--boost", "price < 5", cwd=folder)
    assert refused.returncode == 1
    assert "write 'price < 5 => 0.5'" in refused.stderr
    suggested = run_mercato("suggest", "frozen p", "--server", shop_server.grpc_address, "--json", cwd=folder)
    assert json.loads(suggested.stdout)["suggestions"][0]["text"] == "frozen pizza"
    assert "frozen pizza" in run_mercato("suggest", "froz", "--server", shop_server.grpc_address, cwd=folder).stdout
