"""What is written while the shop runs is in the next answer, and outlives the server and its processes."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from mercato_client import Client
from mercato_client.types import ResultPage, Variant

from mercato.serving.processes import list_stubs
from mercato.serving.server import TritonServer
from mercato.state import Actor, open_state
from tests.integration.conftest import PATIENCE_S, PATIENT, Shop

pytestmark = pytest.mark.triton

USER = "household-1"
NEW = {"id": "lamp-1", "title": "Zebra lampshade", "description": "A bedside light to read by at night", "price": 0.25}


def ids(page: ResultPage) -> list[str]:
    return [product.id for product in page.results]


def product_of(shop: Shop, kind: str, number: int = 0) -> str:
    """A product whose most specific category holds a word, by its index among them."""
    fits = shop.products["categories"].map(lambda names: kind in " ".join(names).lower())
    return str(shop.products.loc[fits, "id"].iloc[number])


def await_true(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain until {what}"
        time.sleep(0.1)


class ChangedShop:
    """A server whose state was written to, and what must hold from then on."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop = shop
        self.folder = folder
        self.deleted = product_of(shop, "pizza", 0)
        self.cheaper = product_of(shop, "soup", 3)
        self.bought = product_of(shop, "pet", 5)

    def start(self) -> TritonServer:
        return TritonServer(
            self.shop.options(self.folder, check_interval_s=0.2, canary_interval_s=1.0, profile="cpu")
        ).start()

    def check(self, client: Client) -> None:
        by_words = client.search("zebra lampshade", page_size=3)
        assert ids(by_words)[0] == NEW["id"]
        assert {"words", "dense"} <= set(by_words.results[0].sources)
        by_meaning = client.search("illuminating the bedroom", page_size=3)
        assert ids(by_meaning)[0] == NEW["id"]
        assert by_meaning.results[0].sources == ("dense",)
        for page in (
            client.search("frozen pizza", page_size=500),
            client.recommend("home-page", page_size=500),
            client.similar(product_of(self.shop, "pizza", 1), page_size=500),
        ):
            assert self.deleted not in ids(page)
        assert client.similar(self.deleted).missing_ids == (self.deleted,)
        cheap = client.search("soup", filter="price < 0.5")
        assert ids(cheap) == [self.cheaper]  # the lamp is as cheap, and no soup
        assert cheap.results[0].price == 0.125
        mine = client.recommend("home-page", user_id=USER, page_size=3)
        assert ids(mine)[0] == self.bought
        assert "repeat" in mine.results[0].sources


@pytest.fixture(scope="module")
def changed(_triton: None, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> ChangedShop:
    return ChangedShop(shop, tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def live_server(changed: ChangedShop) -> Iterator[TritonServer]:
    server = changed.start()
    yield server
    server.stop()


@pytest.fixture
def live(live_server: TritonServer) -> Iterator[Client]:
    with Client(live_server.grpc_address, timeouts=PATIENT) as client:
        yield client


# The tests of this file build on one another, in their order: one server is written to, killed in part, and restarted.


def test_upsert_is_found_by_words_and_by_meaning(live: Client) -> None:
    assert NEW["id"] not in ids(live.search("zebra lampshade", page_size=500))
    result = live.upsert_products([NEW])
    assert (result.accepted, result.rejected, result.sequence) == (1, (), 1)
    found = live.search("zebra lampshade", page_size=1)
    assert ids(found) == [NEW["id"]]
    assert found.results[0].fields["description"] == NEW["description"]
    assert ids(live.search("illuminating the bedroom", page_size=1)) == [NEW["id"]]
    assert NEW["title"].lower() in [one.text for one in live.suggest("zebra")]
    assert live.search("zebra lampshaed", page_size=1).corrected_query == "zebra lampshade"


def test_deleted_product_is_gone(live: Client, changed: ChangedShop) -> None:
    assert changed.deleted in ids(live.search("frozen pizza", page_size=500))
    before = live.recommend("home-page").total
    assert live.delete_products([changed.deleted]).accepted == 1
    assert changed.deleted not in ids(live.search("frozen pizza", page_size=500))
    assert live.recommend("home-page").total == before - 1
    again = live.delete_products([changed.deleted])
    assert (again.accepted, [item.index for item in again.rejected]) == (0, [0])


def test_price_change_passes_its_filter(live: Client, changed: ChangedShop) -> None:
    assert changed.cheaper not in ids(live.search("soup", filter="price < 0.5"))
    title = next(p.title for p in live.search("soup", page_size=500).results if p.id == changed.cheaper)
    assert live.patch_products([{"id": changed.cheaper, "price": 0.125}]).accepted == 1
    page = live.search("soup", filter="price < 0.5")
    assert (page.results[0].id, page.results[0].price, page.results[0].title) == (changed.cheaper, 0.125, title)
    assert changed.cheaper not in ids(live.search("soup", filter="price >= 0.5", page_size=500))


def test_a_variant_is_found_by_its_code_counted_and_changed_alone(live: Client) -> None:
    sizes = [("55102", "narrow", 4.5), ("55103", "wide", 5.0)]
    variants = [
        {"id": code, "price": price, "availability": "IN_STOCK", "attributes": {"brim": brim}}
        for code, brim, price in sizes
    ]
    assert live.upsert_products([{"id": "panama", "title": "Quokka panama", "variants": variants}]).accepted == 1
    assert live.patch_products([{"id": "55102", "availability": "OUT_OF_STOCK"}]).accepted == 1
    by_code = live.search("55102", page_size=1).results[0]
    assert by_code.id == "panama" and "words" in by_code.sources
    assert by_code.variant is not None
    assert (by_code.variant.id, by_code.variant.availability) == ("55102", "OUT_OF_STOCK")
    in_stock = live.search("quokka panama", filter='availability: ANY("IN_STOCK")', facets=["brim"], page_size=1)
    assert in_stock.results[0].price == 5.0  # the lowest that is in stock
    assert in_stock.results[0].variant == Variant(
        id="55103", price=5.0, availability="IN_STOCK", attributes={"brim": "wide"}
    )
    assert [(value.value, value.count) for value in in_stock.facets[0].values] == [("wide", 1)]
    assert ids(live.search("quokka panama", filter='brim: ANY("narrow") AND availability: ANY("IN_STOCK")')) == []
    assert live.similar("55103").variant_products == {"55103": "panama"}
    assert live.delete_products(["panama"]).accepted == 1


def test_purchase_changes_that_users_recommendations_alone(live: Client, changed: ChangedShop) -> None:
    context = {"time": time.time()}
    nobody = ids(live.recommend("home-page", page_size=5, context=context))
    assert ids(live.recommend("home-page", user_id=USER, page_size=5, context=context)) == nobody
    event = {"event_type": "purchase-complete", "user_id": USER, "product_id": changed.bought}
    result = live.write_events([event])
    assert (result.accepted, result.sequence) == (1, 1)
    mine = live.recommend("home-page", user_id=USER, page_size=5)
    assert ids(mine)[0] == changed.bought
    assert ids(mine) != nobody
    assert ids(live.recommend("home-page", user_id="another", page_size=5, context=context)) == nobody


def test_event_sent_twice_counts_once(live: Client) -> None:
    view = {"event_type": "detail-page-view", "visitor_id": "v1", "product_id": "lamp-1", "event_id": "view-1"}
    assert live.write_events([view]).sequence == live.write_events([view]).sequence == 2


def test_a_visitor_who_logs_in_takes_the_history_along_until_it_is_forgotten(
    live: Client, changed: ChangedShop
) -> None:
    def shows(**who: str) -> bool:
        return bought in ids(live.recommend("home-page", page_size=3, **who))  # type: ignore[arg-type]

    bought = product_of(changed.shop, "baby", 7)
    live.write_events([{"event_type": "purchase-complete", "visitor_id": "device", "product_id": bought}])
    assert (shows(visitor_id="device"), shows(user_id="account")) == (True, False)
    live.write_events([{"event_type": "home-page-view", "visitor_id": "device", "user_id": "account"}])
    assert shows(user_id="account") and shows(visitor_id="device") and shows(user_id="account", visitor_id="phone")
    assert not shows(user_id="somebody", visitor_id="device")
    store = open_state(f"sqlite:{changed.folder / 'state.db'}")  # as `mercato events forget` does, beside the server
    assert store.erase_events(Actor("account")) == 2
    store.close()
    assert not shows(user_id="account") and not shows(visitor_id="device")


def test_everything_holds_at_once(live: Client, changed: ChangedShop) -> None:
    changed.check(live)


def test_changes_outlive_a_kill_of_every_stub(live: Client, live_server: TritonServer, changed: ChangedShop) -> None:
    assert live_server.supervisor is not None
    last = live.write_events([{"event_type": "home-page-view", "user_id": USER}])
    victims = [
        stub
        for stub in list_stubs(live_server.pid, live_server.shared_memory_prefix)
        if stub.model in ("search", "recommend", "events", "catalog")
    ]
    assert {stub.model for stub in victims} == {"search", "recommend", "events", "catalog"}
    for stub in victims:
        os.kill(stub.pid, signal.SIGKILL)
    reloads = live_server.supervisor.reloads
    await_true(lambda: {stub.model for stub in victims} <= set(reloads), "every model was reloaded")
    await_true(lambda: live.health().ok, "the shop is healthy again")
    changed.check(live)
    assert live.write_events([]).sequence == last.sequence


def test_changes_outlive_a_kill_and_a_stop_of_the_server(live_server: TritonServer, changed: ChangedShop) -> None:
    server = live_server
    with ExitStack() as at_end:
        for blow in ("kill", "stop"):
            with Client(server.grpc_address, timeouts=PATIENT) as client:
                sequence = client.write_events([{"event_type": "home-page-view", "user_id": USER}]).sequence
                if blow == "kill":
                    os.kill(server.pid, signal.SIGKILL)
            server.stop()
            server = changed.start()
            at_end.callback(server.stop)
            with Client(server.grpc_address, timeouts=PATIENT) as client:
                changed.check(client)
                assert client.write_events([]).sequence == sequence
        with Client(server.grpc_address, timeouts=PATIENT) as client:
            assert client.patch_products([{"id": changed.cheaper, "price": 9.0}]).accepted == 1
            assert ids(client.search("soup", filter="price < 0.5")) == []
