"""Answers are given again under load, and none of them is older than what was acknowledged before it was asked for."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mercato_client import Client

from mercato.serving.server import TritonServer
from tests.integration.conftest import PATIENT, Shop

pytestmark = pytest.mark.triton

LAMP = {"id": "lamp-1", "title": "Zebra lampshade", "description": "A bedside light", "price": 1.0}
QUERY = "zebra lampshade"
CALLERS = 6
CHANGES = 25


@pytest.fixture(scope="module")
def server(_triton: None, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    folder: Path = tmp_path_factory.mktemp("again")
    with TritonServer(shop.options(folder, profile="cpu")) as server:
        yield server


def test_a_changed_price_is_in_every_answer_from_then_on(server: TritonServer) -> None:
    known, stop, wrong = [1.0], threading.Event(), list[str]()
    tokens, again = set[str](), [0]
    lock = threading.Lock()

    def ask() -> None:
        with Client(server.grpc_address, timeouts=PATIENT) as client:
            while not stop.is_set():
                least = known[0]
                page = client.search(QUERY, page_size=3)
                price = page.results[0].price
                with lock:
                    again[0] += "cache_us" in page.timings
                    if page.results[0].id != LAMP["id"] or price is None or price < least:
                        wrong.append(f"{page.results[0].id} for {price}, {least} was acknowledged")
                    if page.token in tokens:
                        wrong.append(f"token {page.token} twice")
                    tokens.add(page.token)

    with Client(server.grpc_address, timeouts=PATIENT) as client:
        client.upsert_products([LAMP])
        callers = [threading.Thread(target=ask) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        try:
            for step in range(2, CHANGES + 2):
                client.upsert_products([{**LAMP, "price": float(step)}])
                known[0] = float(step)
                stop.wait(0.05)
        finally:
            stop.set()
            for caller in callers:
                caller.join()
    assert wrong == []
    assert again[0] > CALLERS  # most are given again, or the test shows nothing
    assert len(tokens) > CHANGES
