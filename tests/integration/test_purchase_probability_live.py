"""Probabilities of purchase through a live server, with the ranker in process and behind a call."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mercato_client import Client

from mercato.models.ranker.calibration import Calibration
from mercato.serving.server import TritonServer
from tests.integration.conftest import PATIENT, Shop

pytestmark = pytest.mark.triton

CALIBRATION = Calibration(event="bought within 35 days", offset=-3.0, slope=2.0)
TIME = 1_700_000_000


@pytest.fixture(scope="module")
def calibrated(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's ranker, with a calibration in its manifest."""
    folder = tmp_path_factory.mktemp("calibrated") / "ranker"
    shutil.copytree(shop.ranker, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["serving"]["calibration"] = CALIBRATION.as_json()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module", params=["cpu", "cpu-bls"])
def likely(
    _triton: None,
    request: pytest.FixtureRequest,
    shop: Shop,
    calibrated: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp(f"likely-{request.param}")
    options = shop.options(folder, profile=request.param, ranker=calibrated)
    with TritonServer(options) as server, Client(server.grpc_address, timeouts=PATIENT) as client:
        yield client


def test_who_bought_before_is_told_of_and_nobody_else(likely: Client, shop: Shop) -> None:
    bought = [str(product_id) for product_id in shop.products["id"].iloc[:3]]
    likely.write_events(
        [
            {
                "event_type": "purchase-complete",
                "user_id": "buyer",
                "visitor_id": "v",
                "product_id": product,
                "time": TIME,
            }
            for product in bought
        ]
    )
    context = {"time": TIME + 86_400}
    page = likely.recommend("home-page", user_id="buyer", page_size=10, context=context)
    assert page.degraded == ()
    for product in page.results:
        expected = 1 / (1 + math.exp(3.0 - 2.0 * product.score))
        assert product.purchase_probability == pytest.approx(expected, abs=1e-5)
    stranger = likely.recommend("home-page", user_id="stranger", page_size=10, context=context)
    search = likely.search("coffee", user_id="buyer", page_size=10, context=context)
    for other in (stranger, search):
        assert other.results
        assert {product.purchase_probability for product in other.results} == {None}
