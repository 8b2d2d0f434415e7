"""`mercato eval search` against a real server: figures, stages, report, comparison, and ratings that are bad."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer
from tests.integration.conftest import Shop, run_mercato

pytestmark = pytest.mark.triton


def write_ratings(shop: Shop, file: Path, **columns: str) -> pd.DataFrame:
    """Ten queries, the kinds of the shop: products of the kind are rated 3, a few of the next kind 0."""
    products = shop.products.assign(kind=[names[-1] if len(names) else "" for names in shop.products["categories"]])
    kinds = list(products["kind"].unique())[:10]
    rows = []
    for number, kind in enumerate(kinds):
        other = kinds[(number + 1) % len(kinds)]
        rows += [(kind.lower(), product, 3) for product in products.loc[products["kind"] == kind, "id"]]
        rows += [(kind.lower(), product, 0) for product in products.loc[products["kind"] == other, "id"].head(3)]
    table = pd.DataFrame(rows, columns=["query", "docid", "rating"]).rename(columns=columns)
    table.to_csv(file, index=False)
    return table


def evaluate(folder: Path, server: TritonServer, *arguments: str | Path) -> dict[str, Any]:
    done = run_mercato("eval", "search", "--server", server.grpc_address, "--json", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr + done.stdout
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_ratings_become_figures_a_report_and_a_comparison(
    shop: Shop, shop_server: TritonServer, tmp_path: Path
) -> None:
    table = write_ratings(shop, tmp_path / "ratings.csv", docid="sku")
    given = ("--judgements", "ratings.csv", "--map", "docid=sku")
    document = evaluate(tmp_path, shop_server, *given, "--report", "first")

    assert document["queries"] == table["query"].nunique()
    assert document["counts"]["unknown_products"] == 0
    assert document["counts"]["catalogue"] == len(shop.products)
    assert 0.3 < document["metrics"]["ndcg@10"] <= 1.0
    low, high = document["intervals"]["ndcg@10"]
    assert low <= document["metrics"]["ndcg@10"] <= high
    assert document["latency_ms"]["p50"] <= document["latency_ms"]["p99"]
    assert document["latency_ms"]["server"]["total"]["p50"] > 0
    assert {"words", "dense", "fusion", "shown"} <= set(document["stages"])
    assert (tmp_path / "first" / "report.html").is_file()

    again = evaluate(tmp_path, shop_server, *given, "--against", "first", "--options", '{"rerank": false}')
    gain = again["against"]["gain"]["ndcg@10"]
    assert gain["queries"] == document["queries_of_metric"]["ndcg@10"]
    assert (gain["wins"], gain["losses"]) == (0, 0)
    assert gain["p_value"] == 1.0


def test_the_last_stage_is_what_was_shown(shop: Shop, shop_server: TritonServer, tmp_path: Path) -> None:
    """The order that is shown is the ranker's, since nothing comes after it here."""
    write_ratings(shop, tmp_path / "ratings.csv")
    document = evaluate(tmp_path, shop_server, "--judgements", "ratings.csv", "--stages")
    stages = document["stages"]
    assert stages["shown"]["metrics"]["ndcg@10"] == document["metrics"]["ndcg@10"]
    assert stages["ranker"]["metrics"]["ndcg@10"] == pytest.approx(document["metrics"]["ndcg@10"])
    assert list(stages)[-1] == "shown"
    assert all(0 < stages[name]["metrics"]["recall@100"] <= 1 for name in ("words", "dense", "fusion"))


def test_bad_ratings_are_reported_and_harm_nothing(shop: Shop, shop_server: TritonServer, tmp_path: Path) -> None:
    known = shop.products["id"].iloc[0]
    (tmp_path / "r.csv").write_text(
        f"query,docid,rating\npizza,{known},3\npizza,no-such-product,3\ncoffee,,\nsoup,{known},9999\ntea,gone,2\n"
    )
    document = evaluate(tmp_path, shop_server, "--judgements", "r.csv")
    assert document["queries"] == 3
    assert document["counts"]["unknown_products"] == 2
    assert document["counts"]["rejected_rows"] == 1
    assert document["counts"]["queries_without_ratings"] == 2
    warnings = " ".join(document["warnings"])
    assert "2 of 3 rated products are not in the catalogue" in warnings
    assert "gone, no-such-product" in warnings
    assert "1 of 5 rows are no ratings" in warnings


def test_a_catalogue_of_one_product_is_measured(_triton: None, encoder_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("id,title\np1,Rye bread\n")
    (tmp_path / "r.csv").write_text("query,docid,rating\nrye bread,p1,3\nxylophone,p1,0\n")
    indexed = run_mercato("index", "one.csv", "--out", "catalog", "--encoder", encoder_folder, cwd=tmp_path)
    assert indexed.returncode == 0, indexed.stderr
    options = ServerOptions(
        catalog=tmp_path / "catalog", encoder=encoder_folder, ports=Ports(grpc=0, http=0, metrics=0), stop_timeout_s=1.0
    )
    with TritonServer(options) as server:
        document = evaluate(tmp_path, server, "--judgements", "r.csv", "--report", "out")
    assert document["metrics"]["ndcg@10"] == 1.0
    assert document["intervals"]["ndcg@10"] == [None, None]  # one query has no spread
    assert document["metrics"]["coverage@10"] == 1.0
    assert document["counts"]["catalogue"] == 1


@pytest.mark.parametrize(("rating", "warning"), [(0, "there is nothing to measure"), (2, "all ratings are 2")])
def test_all_equal_ratings_are_measured_as_far_as_they_go(
    shop: Shop, shop_server: TritonServer, tmp_path: Path, rating: int, warning: str
) -> None:
    rows = "".join(f"pizza,{product},{rating}\n" for product in shop.products["id"].head(5))
    (tmp_path / "r.csv").write_text("query,docid,rating\n" + rows)
    document = evaluate(tmp_path, shop_server, "--judgements", "r.csv", "--report", "out")
    assert (document["metrics"]["ndcg@10"] is None) == (rating == 0)
    assert any(warning in line for line in document["warnings"])
    assert document["metrics"]["zero_result_share"] == 0.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q,sku,grade\npizza,1,2\n", "--map query=q --map docid=sku --map rating=grade"),
        ("query,docid,rating\n", "holds no ratings"),
    ],
)
def test_a_file_that_is_no_ratings_ends_the_command(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.csv").write_text(text)
    done = run_mercato("eval", "search", "--judgements", "r.csv", "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert message in json.loads(done.stdout)["error"]


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("query,docid,rating\npizza,1,2\n")
    done = run_mercato("eval", "search", "--judgements", "r.csv", "--server", "127.0.0.1:9", "--json", cwd=tmp_path)
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert "127.0.0.1:9" in error
    assert "mercato serve" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--k", "5,x"), "--k: must be whole numbers"),
        (("--k", "0"), "--k: must be numbers from 1"),
        (("--options", "[1]"), "--options: must be a JSON object"),
        (("--options", '{"colour": 1}'), "refuses every query"),
        (("--filter", "price <"), "--filter"),
        (("--against", "nothing.json"), "cannot be read as a report"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    shop: Shop, shop_server: TritonServer, tmp_path: Path, arguments: tuple[str, str], message: str
) -> None:
    write_ratings(shop, tmp_path / "r.csv")
    given = ("--judgements", "r.csv", "--server", shop_server.grpc_address, "--json", *arguments)
    done = run_mercato("eval", "search", *given, cwd=tmp_path)
    assert done.returncode == 1
    assert message in json.loads(done.stdout)["error"]
