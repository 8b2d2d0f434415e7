"""Histories as shops have them: unknown products, clocks ahead, disorder, repetition, returns, all of it deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mercato_client import Client

from mercato.serving.server import TritonServer
from tests.integration.conftest import PATIENT, Shop, run_mercato

pytestmark = pytest.mark.triton

LONG = "i" * 10_000


def lines(shop: Shop) -> list[str]:
    """A header and ten rows, six of which are events."""
    first, second, third = shop.products["id"].iloc[[3, 50, 51]]
    return [
        "user_id,product_id,time,quantity,order_id",
        f"late,{second},2025-03-05T10:00:00Z,1,o3",
        f"late,{first},2025-02-05T10:00:00Z,1,o2",  # out of order
        f"late,{first},2025-02-05T10:00:00Z,1,o2",  # a line of the basket twice: two of them were bought
        "unknown,no such product,2025-01-05T10:00:00Z,1,o4",
        f"gone,{third},2025-01-05T10:00:00Z,1,o5",
        f"late,{first},2125-01-05T10:00:00Z,1,o6",
        f"late,{first},2025-01-06T10:00:00Z,0,o7",
        f"late,{first},2025-01-06T10:00:00Z,-3,o7",  # sent back
        f"{LONG},{first},2025-01-06T10:00:00Z,1,o8",
        f"late,{LONG},2025-01-06T10:00:00Z,1,o8",
    ]


@pytest.fixture(scope="module")
def odd(_triton: None, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Client]]:
    folder = tmp_path_factory.mktemp("odd")
    (folder / "events.csv").write_text("\n".join(lines(shop)) + "\n")
    (folder / "none.csv").write_text(lines(shop)[0] + "\n")
    with TritonServer(shop.options(folder, ranker=None)) as server:
        with Client(server.grpc_address, timeouts=PATIENT) as client:
            yield folder, client


def import_events(folder: Path, name: str, state: str = "sqlite:state.db") -> tuple[int, dict[str, Any]]:
    """Import into the server's state, or another; there again is nothing new."""
    done = run_mercato("events", "import", name, "--state", state, "--event-type", "purchase-complete",
                       "--json", cwd=folder)  # fmt: skip
    return done.returncode, json.loads(done.stdout)


def ask(client: Client, user: str, **options: Any) -> list[str]:
    return [product.id for product in client.recommend("home-page", user_id=user, **options).results]


def test_good_rows_count_once_and_bad_ones_are_named(odd: tuple[Path, Client]) -> None:
    status, first = import_events(odd[0], "events.csv", "sqlite:own.db")
    assert (status, first["accepted"], first["rejected"]) == (0, 6, 4)
    assert [error["line"] for error in first["errors"]] == [7, 8, 10, 11]
    assert first["rejected_by_field"] == {"time": 1, "quantity": 1, "user_id": 1, "product_id": 1}
    _, again = import_events(odd[0], "events.csv", "sqlite:own.db")
    assert (again["accepted"], again["duplicates"]) == (0, 6)


def test_a_file_of_no_rows_is_said_to_hold_no_event(odd: tuple[Path, Client]) -> None:
    status, report = import_events(odd[0], "none.csv")
    assert (status, report["rows"], report["accepted"]) == (1, 0, 0)


def test_an_index_of_no_events_is_an_index(odd: tuple[Path, Client], shop: Shop) -> None:
    folder, _ = odd
    run_mercato("events", "import", "none.csv", "--state", "sqlite:none.db", "--event-type", "purchase-complete",
                cwd=folder)  # fmt: skip
    shop.products.head(5).to_parquet(folder / "few.parquet")
    done = run_mercato("index", "few.parquet", "--out", "few", "--state", "sqlite:none.db", "--encoder", shop.encoder,
                       cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "few" / "manifest.json").read_text())["last_event_time"] is None


def test_what_is_known_of_unknown_products_is_nothing(odd: tuple[Path, Client]) -> None:
    folder, client = odd
    import_events(folder, "events.csv")
    assert ask(client, "unknown") == ask(client, "nobody at all")


def test_a_history_out_of_order_is_read_in_order(odd: tuple[Path, Client], shop: Shop) -> None:
    folder, client = odd
    import_events(folder, "events.csv")
    first, second = shop.products["id"].iloc[[3, 50]]
    assert set(ask(client, "late")[:2]) == {first, second}


def test_who_bought_only_what_is_deleted_is_a_stranger(odd: tuple[Path, Client], shop: Shop) -> None:
    folder, client = odd
    import_events(folder, "events.csv")
    only = str(shop.products["id"].iloc[51])
    assert ask(client, "gone")[0] == only
    client.delete_products([only])
    for placement in ("home-page", "category"):
        page = client.recommend(placement, user_id="gone", explain=True)
        assert [product.id for product in page.results] == [
            product.id for product in client.recommend(placement, user_id="nobody at all").results
        ]
        assert len(page.results) == 20
        assert only not in [product.id for product in page.results]
        assert not page.degraded
    assert len(ask(client, "gone", exclude_purchased_days=36_500)) == 20
    assert client.recommend("cart", user_id="gone", seed_product_ids=[only]).missing_ids == (only,)


def test_a_holdout_of_no_rows_is_refused(odd: tuple[Path, Client]) -> None:
    done = run_mercato("eval", "recommend", "--holdout", "none.csv", "--json", cwd=odd[0])
    assert done.returncode == 1
    assert "none.csv holds no purchase (0 rows, 0 of them bad)" in json.loads(done.stdout)["error"]
