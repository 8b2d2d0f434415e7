"""`mercato catalog apply` of a table into state: what changes is written, the rest counted, and nothing encoded."""

import json
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from mercato.cli.catalog import catalog_app
from mercato.index.current import CurrentProducts
from mercato.index.snapshot import Snapshot
from mercato.ingest import change_file
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange

PRICES = "sku,net,stock,warehouse\np04,5,in stock,W1\np05,7.5,out of stock,W1\nnone,1,in stock,W2\np06,cheap,,W2\n"


class Shop:
    def __init__(self, folder: Path, snapshot: Path) -> None:
        self.folder = folder
        self.snapshot = snapshot
        self.url = f"sqlite:{folder / 'state.db'}"
        self.store = SqliteStateStore(str(folder / "state.db"))

    def apply(self, text: str, *arguments: str, name: str = "prices.csv") -> tuple[int, dict[str, Any]]:
        path = self.folder / name
        path.write_text(text)
        given = ["apply", str(path), "--state", self.url, "--encoder", str(self.folder / "none"), "--json"]
        result = CliRunner().invoke(catalog_app, [*given, *arguments])
        return result.exit_code, json.loads(result.stdout)

    def price(self, product_id: str) -> float | None:
        current = CurrentProducts(Snapshot(self.snapshot), self.store)
        current.refresh()
        product = current.product(product_id)
        assert product is not None
        return product.price


MAPPED = ("--map", "id=sku", "--map", "price=net", "--map", "availability=stock")


@pytest.fixture
def shop(tmp_path: Path, ingest_snapshot: Path) -> Shop:
    shop = Shop(tmp_path, ingest_snapshot)
    shop.store.note_catalog(str(ingest_snapshot))
    return shop


def test_what_changes_is_written_and_the_rest_is_counted_and_named(shop: Shop) -> None:
    status, result = shop.apply(PRICES, *MAPPED)
    assert status == 1, "a price cannot be read"
    assert (result["accepted"], result["changed"], result["unchanged"]) == (2, 1, 1)
    assert (result["unknown"], result["rejected"]) == (1, 1)
    assert [(error["line"], error["reason"][:27]) for error in result["errors"]] == [
        (4, "id: there is no product 'no"),
        (5, "price left out: expected a "),
    ]
    [change] = shop.store.product_changes_since(0)
    assert (change.operation, change.product_id, change.vector) == ("patch", "p05", None)
    assert orjson.loads(change.document or b"") == {"price": 7.5, "availability": "OUT_OF_STOCK"}


def test_the_same_file_again_writes_nothing(shop: Shop) -> None:
    text = "id,price\np04,1.5\np05,2.5\n"
    assert shop.apply(text)[1]["changed"] == 2
    status, again = shop.apply(text)
    assert (status, again["changed"], again["unchanged"], again["sequence"]) == (0, 0, 2, 2)
    assert [shop.price("p04"), shop.price("p05")] == [1.5, 2.5]


def test_only_the_columns_that_differ_are_written(shop: Shop) -> None:
    shop.apply("id,price,currency\np04,5,EUR\n")
    [change] = shop.store.product_changes_since(0)
    assert orjson.loads(change.document or b"") == {"currency": "EUR"}


def test_a_later_row_of_one_product_counts(shop: Shop) -> None:
    assert shop.apply("id,price\np04,1\np04,2\np04,2\n")[1]["changed"] == 2
    assert shop.price("p04") == 2


def test_unknown_products_alone_are_a_failure(shop: Shop) -> None:
    status, result = shop.apply("id,price\nx,1\ny,2\n")
    assert (status, result["accepted"], result["unknown"], result["rejected"]) == (1, 0, 2, 0)


def test_a_text_that_changes_asks_for_the_encoder_and_what_was_before_stays(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_file, "TEXT_OPERATIONS", 1)
    monkeypatch.setattr(change_file, "PATCH_OPERATIONS", 1)
    text = '{"id": "p04", "price": 1}\n{"id": "p05", "brand": "Third"}\n'
    status, result = shop.apply(text, name="patches.jsonl")
    assert status == 1
    assert "patches.jsonl was applied up to line 1, go on from there" in result["error"]
    assert shop.price("p04") == 1
    assert shop.store.product_sequence() == 1
    same = '{"id": "p04", "price": 1, "title": "Small frozen pizza"}\n'
    assert shop.apply(same, name="patches.jsonl")[1]["unchanged"] == 1, "the same text needs no encoder"


def test_operations_go_into_state_too(shop: Shop) -> None:
    status, result = shop.apply('{"operation": "delete", "id": "p04"}\n', name="changes.jsonl")
    assert (status, result["accepted"], "unchanged" in result) == (0, 1, False)
    assert [change.operation for change in shop.store.product_changes_since(0)] == ["delete"]


def test_changes_of_a_running_server_are_seen(shop: Shop) -> None:
    shop.store.append_product_changes([ProductChange("patch", "p04", b'{"price": 8}'), ProductChange("delete", "p05")])
    _, result = shop.apply("id,price\np04,8\np05,8\n")
    assert (result["unchanged"], result["unknown"]) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--server", "shop:8001"), "must not be given together with --server"),
        (("--map", "price=net"), "no column 'net'"),
        (("--catalog", "nowhere"), "catalogue .*nowhere: no such folder"),
    ],
)
def test_wrong_use_says_what_to_do(shop: Shop, arguments: tuple[str, ...], message: str) -> None:
    status, result = shop.apply("id,price\np04,1\n", *arguments)
    assert status == 1
    assert re.search(message, result["error"])


def test_a_state_without_a_catalogue_asks_for_one(tmp_path: Path, ingest_snapshot: Path) -> None:
    shop = Shop(tmp_path, ingest_snapshot)
    status, result = shop.apply("id,price\np04,1\n")
    assert status == 1
    assert "no catalogue was indexed with it; give the one it belongs to, --catalog DIR" in result["error"]
    shop.store.note_catalog(str(tmp_path / "gone"))
    assert "is not there; give the one that is served" in shop.apply("id,price\np04,1\n")[1]["error"]
    assert shop.apply("id,price\np04,1\n", "--catalog", str(ingest_snapshot))[0] == 0
