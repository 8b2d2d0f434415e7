"""A shop's day: live changes, a price feed, the next full feed, and a server that is restarted onto it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mercato_client import Client

from mercato.serving.options import ServerOptions
from mercato.serving.server import TritonServer
from tests.integration.conftest import PATIENT, ROOT, Shop, run_mercato

pytestmark = pytest.mark.triton

FIRST = [
    {"id": "t1", "title": "Oak table", "price": 200, "brand": "Holm"},
    {"id": "t2", "title": "Pine table", "price": 120, "brand": "Holm"},
    {"id": "t3", "title": "Glass table", "price": 150, "brand": "Vetro"},
    {"id": "t4", "title": "Steel table", "price": 180, "brand": "Vetro"},
]
SECOND = [
    {"id": "t1", "title": "Oak table", "price": 210, "brand": "Holm"},
    {"id": "t2", "title": "Pine table, waxed", "price": 125, "brand": "Holm"},
    {"id": "t3", "title": "Glass table", "price": 155, "brand": "Vetro"},
]


class Business:
    """A catalogue that is indexed and served, as its owner does it with commands."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop = shop
        self.folder = folder
        self.catalog = folder / "catalog"
        self.state = f"sqlite:{folder / 'state.db'}"

    def run(self, *arguments: str | Path) -> dict[str, Any]:
        answer = run_mercato(*arguments, "--encoder", self.shop.encoder, "--json", cwd=ROOT)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return dict(json.loads(answer.stdout))

    def index(self, products: list[dict[str, Any]], *arguments: str) -> dict[str, Any]:
        feed = self.folder / "feed.jsonl"
        feed.write_text("".join(json.dumps(product) + "\n" for product in products))
        return dict(self.run("index", feed, "--out", self.catalog, "--state", self.state, *arguments)["changes"])

    @contextmanager
    def serve(self) -> Iterator[tuple[Client, TritonServer]]:
        options: ServerOptions = self.shop.options(
            self.folder, catalog=self.catalog, ranker=None, state=self.state, profile="cpu"
        )
        server = TritonServer(options).start()
        try:
            with Client(server.grpc_address, timeouts=PATIENT) as client:
                yield client, server
        finally:
            server.stop()


def found(client: Client) -> dict[str, tuple[str, float | None]]:
    return {product.id: (product.title, product.price) for product in client.search("table", page_size=9).results}


def test_the_feed_wins_over_what_is_older_and_gives_way_to_what_is_newer(
    _triton: None, shop: Shop, tmp_path: Path
) -> None:
    business = Business(shop, tmp_path)
    assert business.index(FIRST)["feed_wins"] == []
    with business.serve() as (client, server):
        client.patch_products([{"id": "t1", "price": 199}])
        client.delete_products(["t2"])
        client.upsert_products([{"id": "t5", "title": "Folding table", "price": 60}])
        prices = tmp_path / "prices.csv"
        prices.write_text("sku,net\nt3,149\nt4,180\nt9,1\n")
        mapped = ("catalog", "apply", prices, "--map", "id=sku", "--map", "price=net")
        by_state = business.run(*mapped, "--state", business.state)
        assert [by_state[name] for name in ("changed", "unchanged", "unknown")] == [1, 1, 1]
        assert found(client)["t3"] == ("Glass table", 149), "a running server has it in the next answer"
        assert found(client)["t4"] == ("Steel table", 180)
        prices.write_text("sku,net\nt3,148\nt4,180\nt9,1\n")
        by_server = business.run(*mapped, "--server", server.grpc_address)
        assert [by_server[name] for name in ("changed", "unchanged", "unknown")] == [1, 1, 1]
        assert found(client)["t3"] == ("Glass table", 148)

        feed_time = time.time()
        client.patch_products([{"id": "t3", "price": 139}])
        told = business.index(SECOND, "--as-of", str(feed_time))
        assert [(value["id"], value["field"], value["old"], value["new"]) for value in told["feed_wins"]] == [
            ("t1", "price", 199, 210),
            ("t3", "price", 148, 155),
        ]
        assert [(value["id"], value["old"], value["new"]) for value in told["changes_win"]] == [("t3", 155, 139)]
        assert (told["restored"], told["unlisted"], told["gone"]) == (["t2"], ["t5"], [])
        # The server still has the snapshot of before; what is written now is for the next one too.
        client.patch_products([{"id": "t1", "price": 205}, {"id": "t4", "price": 170}])

    with business.serve() as (client, _):
        assert found(client) == {
            "t1": ("Oak table", 205),
            "t2": ("Pine table, waxed", 125),
            "t3": ("Glass table", 139),
            "t5": ("Folding table", 60),
        }, "t4 is not in the new feed, and a patch does not bring it back"

    business.index(SECOND, "--drop-unlisted")
    with business.serve() as (client, _):
        assert found(client) == {
            "t1": ("Oak table", 210),
            "t2": ("Pine table, waxed", 125),
            "t3": ("Glass table", 155),
        }, "the file was written again, after every change"
