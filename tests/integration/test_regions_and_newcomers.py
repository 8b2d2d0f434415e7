"""Strangers on a real server: what sells where they are, what was added minutes ago, and why it is shown."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from mercato_client import Client

from mercato.events.event import Event
from mercato.serving.server import TritonServer
from mercato.state.sqlite import SqliteStateStore
from tests.integration.conftest import PATIENT, Shop, run_mercato

pytestmark = pytest.mark.triton

DAY = 86_400.0
BUYERS = 12


def fill_state(path: Path, everywhere: str, lyon: str, now: float) -> None:
    """Forty shoppers of Metz buy one product, twelve of Lyon another."""
    bought = [("Metz", everywhere, 40), ("Lyon", lyon, BUYERS)]
    store = SqliteStateStore(str(path))
    store.append_events(
        [
            Event(
                event_type="purchase-complete",
                user_id=f"{region}-{number}",
                product_id=product,
                time=now - 2 * DAY - number,
                context={"region": region},
            )
            for region, product, shoppers in bought
            for number in range(shoppers)
        ]
    )
    store.close()


@pytest.mark.parametrize("profile", ["cpu", "cpu-bls"])
def test_a_stranger_is_shown_the_region_and_a_newcomer(_triton: None, shop: Shop, tmp_path: Path, profile: str) -> None:
    ids, now = shop.products["id"].tolist(), time.time()
    everywhere, lyon = ids[3], ids[150]
    fill_state(tmp_path / "state.db", everywhere, lyon, now)
    shop.products.to_parquet(tmp_path / "products.parquet")
    state = f"sqlite:{tmp_path / 'state.db'}"
    arguments = ("index", "products.parquet", "--out", "catalog", "--encoder", shop.encoder, "--state", state)
    indexed = run_mercato(*arguments, cwd=tmp_path)
    assert indexed.returncode == 0, indexed.stderr

    options = shop.options(tmp_path, catalog=tmp_path / "catalog", ranker=None, profile=profile)
    with TritonServer(options) as server, Client(server.grpc_address, timeouts=PATIENT) as client:
        nobody = client.recommend("home-page", page_size=20)
        assert nobody.results[0].id == everywhere
        here = client.recommend("home-page", page_size=20, context={"region": " lyon"}, explain=True)
        assert here.results[0].id == lyon
        assert "regional" in here.results[0].sources
        explanation = here.results[0].explanation
        assert explanation is not None
        assert explanation.fields["because"]["buyers"] == BUYERS
        assert explanation.text.startswith("popular in lyon in the week to ")  # the last purchase is two days old

        new = {"id": "new", "title": "Zebra lampshade", "price": 5.0}
        assert client.upsert_products([new]).accepted == 1
        for who in ({}, {"user_id": "Lyon-1"}, {"visitor_id": "tab"}):
            page = client.recommend("home-page", page_size=20, explain=True, **who)
            position = [product.id for product in page.results].index("new")
            assert position <= 9, who
            assert "arrival" in page.results[position].sources
            assert page.degraded == ()
        asked = run_mercato("recommend", "--region", "Lyon", "--server", server.grpc_address, "--json", cwd=tmp_path)
        assert json.loads(asked.stdout)["results"][0]["id"] == lyon
