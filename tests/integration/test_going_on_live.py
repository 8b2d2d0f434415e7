"""Between two indexings on a real server: what ten shoppers buy is on the next page, until they return it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from mercato_client import Client

from mercato.events.event import Event
from mercato.serving.server import TritonServer
from mercato.state.sqlite import SqliteStateStore
from tests.integration.conftest import PATIENCE_S, PATIENT, Shop, run_mercato

pytestmark = pytest.mark.triton

DAY = 86_400.0
BUYERS = 10


def fill_state(path: Path, products: list[str], now: float) -> None:
    """Four shoppers buy each of some products, over four weeks."""
    store = SqliteStateStore(str(path))
    store.append_events(
        [
            Event(event_type="purchase-complete", user_id=f"u{who}", product_id=one, time=now - (2 + 8 * who) * DAY)
            for who in range(4)
            for one in products
        ]
    )
    store.close()


def show(client: Client, product_id: str) -> tuple[int, tuple[str, ...]]:
    """Where a product stands on a stranger's home page, and what brought it; the end where nothing did."""
    page = client.recommend("home-page", page_size=50)
    assert page.degraded == ()
    places = {found.id: (rank, tuple(found.sources)) for rank, found in enumerate(page.results)}
    return places.get(product_id, (len(places), ()))


def test_what_is_bought_now_is_on_the_next_page_until_it_is_returned(_triton: None, shop: Shop, tmp_path: Path) -> None:
    ids, now = shop.products["id"].tolist(), time.time()
    fill_state(tmp_path / "state.db", ids[:60], now)
    shop.products.to_parquet(tmp_path / "products.parquet")
    state = f"sqlite:{tmp_path / 'state.db'}"
    arguments = ("index", "products.parquet", "--out", "catalog", "--encoder", shop.encoder, "--state", state)
    indexed = run_mercato(*arguments, cwd=tmp_path)
    assert indexed.returncode == 0, indexed.stderr
    options = shop.options(tmp_path, catalog=tmp_path / "catalog", ranker=None, profile="cpu")
    with TritonServer(options) as server, Client(server.grpc_address, timeouts=PATIENT) as client:
        wanted = ids[180]
        assert "trending" not in show(client, wanted)[1]
        for kind, is_shown in (("purchase-complete", True), ("refund", False)):
            client.write_events(
                [{"event_type": kind, "user_id": f"n{number}", "product_id": wanted} for number in range(BUYERS)]
            )
            # Every process looks at the log once a second; each of the server's instances has to.
            deadline, agreed = time.monotonic() + PATIENCE_S, 0
            while agreed < 5 and time.monotonic() < deadline:
                rank, sources = show(client, wanted)
                shown = rank == 0 and {"popular", "trending"} <= set(sources)
                gone = rank > 20 and "trending" not in sources
                agreed = agreed + 1 if (shown if is_shown else gone) else 0
                time.sleep(0.3)
            assert agreed, (kind, rank, sources)
