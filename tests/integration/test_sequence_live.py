"""The sequence model on a real server: it weighs what its training chose, in both homes, and its reasons are true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mercato_client import Client

from mercato.serving.server import TritonServer
from tests.adapters.tiny_models import write_sequence
from tests.integration.conftest import PATIENT, Shop

pytestmark = pytest.mark.triton

USER = "u1"
BOUGHT = 1_700_000_000
ASKED = {"time": BOUGHT + 7 * 86_400}


def ask(server: TritonServer, shop: Shop) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """Let a user buy two products, and return what is recommended first after a week, its sources and reason."""
    ids = shop.products["id"].tolist()
    bought = [
        {"event_type": "purchase-complete", "user_id": USER, "product_id": ids[row], "time": BOUGHT + index}
        for index, row in enumerate((5, 9))
    ]
    with Client(server.grpc_address, timeouts=PATIENT) as client:
        assert client.write_events(bought).accepted == 2
        page = client.recommend("home-page", user_id=USER, context=ASKED, page_size=5, explain=True)
    assert page.degraded == ()
    first = page.results[0]
    assert first.explanation is not None
    return first.id, tuple(first.sources), dict(first.explanation.fields)


@pytest.mark.parametrize("profile", ["cpu", "cpu-bls"])
def test_a_model_that_shall_lead_leads_and_names_the_event(
    _triton: None, shop: Shop, tmp_path: Path, profile: str
) -> None:
    ids = shop.products["id"].tolist()
    sequence = write_sequence(tmp_path / "sequence", {ids[5]: ids[150]}, weight=1000.0)
    with TritonServer(shop.options(tmp_path, ranker=None, sequence=sequence, profile=profile)) as server:
        first, sources, explanation = ask(server, shop)
    assert first == ids[150]
    assert "sequence" in sources
    because = explanation["because"]
    assert (because["source"], because["product_id"]) == ("sequence", ids[5])
    assert explanation["text"].startswith("likely next, above all because of ")
