"""`mercato eval recommend` against a real server that knows the past and not the holdout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mercato.serving.server import TritonServer
from mercato.text.timestamps import parse_timestamp
from tests.integration.conftest import Shop, run_mercato

pytestmark = pytest.mark.triton

USERS = 12


def make_purchases(shop: Shop) -> pd.DataFrame:
    """Each user buys three products again and again in ten weeks of 2025, and one that is new in the last."""
    ids = shop.products["id"].tolist()
    rows = []
    for user in range(USERS):
        favourites = ids[user * 3 : user * 3 + 3]
        for week in range(10):
            day = pd.Timestamp("2025-01-06") + pd.Timedelta(days=7 * week)
            bought = [*favourites, ids[100 + user]] if week == 9 else favourites
            rows += [(f"u{user}", product, day.isoformat() + "Z", "UK" if user % 3 else "FR") for product in bought]
    return pd.DataFrame(rows, columns=["customer", "product_id", "time", "country"])


@pytest.fixture(scope="module")
def bought(shop: Shop, _triton: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, TritonServer]]:
    """A server that knows the first nine weeks; the folder holds before.csv and after.csv."""
    folder = tmp_path_factory.mktemp("bought")
    purchases = make_purchases(shop)
    known = purchases["time"] < "2025-03-10"
    purchases[known].to_csv(folder / "before.csv", index=False)
    purchases[~known].to_csv(folder / "after.csv", index=False)
    purchases.to_csv(folder / "all.csv", index=False)
    options = shop.options(folder, ranker=None)
    imported = run_mercato("events", "import", "before.csv", "--state", str(options.state), "--map", "user_id=customer",
                           "--event-type", "purchase-complete", cwd=folder)  # fmt: skip
    assert imported.returncode == 0, imported.stderr
    with TritonServer(options) as server:
        yield folder, server


def evaluate(bought: tuple[Path, TritonServer], *arguments: str) -> dict[str, Any]:
    folder, server = bought
    given = ("--map", "user_id=customer", "--server", server.grpc_address, "--json", *arguments)
    done = run_mercato("eval", "recommend", *given, cwd=folder)
    document: dict[str, Any] = json.loads(done.stdout)
    return {**document, "status": done.returncode}


def test_what_is_bought_again_is_found_and_groups_are_told_apart(bought: tuple[Path, TritonServer]) -> None:
    document = evaluate(bought, "--holdout", "after.csv", "--events", "before.csv", "--user-column", "country",
                        "--report", "report")  # fmt: skip
    assert document["status"] == 0, document
    assert document["queries"] == USERS
    # three of the four products of the last week were bought in every week before
    assert document["metrics"]["recall@10"] >= 3 / 4 - 1e-6
    assert document["metrics"]["hit_rate@5"] == 1.0
    assert {name: group["queries"] for name, group in document["groups"]["country"].items()} == {"UK": 8, "FR": 4}
    assert set(document["groups"]["history"]) == {"heavy"}  # all have bought equally much
    assert 0 < document["metrics"]["coverage@10"] <= 1
    assert document["metrics"]["novelty@10"] > 0
    assert (bought[0] / "report" / "report.html").is_file()
    assert (bought[0] / "report" / "by-country.png").is_file()


def test_stages_sources_and_reasons_are_measured(bought: tuple[Path, TritonServer]) -> None:
    arguments = ("--holdout", "after.csv", "--events", "before.csv", "--region-column", "country")
    document = evaluate(bought, *arguments, "--stages", "7", "--seed", "3", "--k", "10")
    assert document["status"] == 0, document
    assert list(document["stages"])[-2:] == ["fusion", "shown"]  # nothing ranks here
    assert document["stages"]["repeat"]["metrics"]["recall@10"] >= 3 / 4 - 1e-6
    assert document["sources"]["repeat"]["right_share"] > 0.9
    assert document["reasons"]["users"] == 7
    assert document["reasons"]["true_share"] == 1.0
    assert document["reasons"]["sentence_share"] == 1.0
    assert list(document["groups"]) == ["history"]  # a region is not a group unless it is asked for
    assert document["settings"]["seed"] == 3


def test_what_a_dial_costs_is_measured_at_each_setting(bought: tuple[Path, TritonServer]) -> None:
    arguments = ("--holdout", "after.csv", "--events", "before.csv", "--k", "10", "--time-limit", "0")
    document = evaluate(bought, *arguments, "--dial", "novelty=0,1", "--dial", "margin=1", "--dial-users", "6",
                        "--options", '{"relevance_floor": 0}')  # fmt: skip
    assert document["status"] == 0, document
    curves = document["curves"]
    assert (curves["users"], curves["k"], list(curves["dials"])) == (6, 10, ["novelty", "margin"])
    for points in curves["dials"].values():
        assert [point["setting"] for point in points] == [0.0, 1.0]
        assert points[0]["change"]["ndcg@10"]["difference"] == 0.0
    first, last = curves["dials"]["margin"]
    assert last["metrics"]["offer@10"] >= first["metrics"]["offer@10"]
    first, last = curves["dials"]["novelty"]
    # Everybody buys as much: no product is better known than another.
    assert last["metrics"]["novelty@10"] == first["metrics"]["novelty@10"]
    assert set(last["metrics"]) == {*last["change"], "coverage@10"}
    refused = evaluate(bought, *arguments, "--dial", "speed")
    assert refused["status"] == 1
    assert "--dial: must be one of novelty, diversity, coverage, margin" in refused["error"]


def test_a_server_is_asked_as_of_the_moment_before_the_holdout(bought: tuple[Path, TritonServer]) -> None:
    # Its state holds the purchases that are to be foretold, the first of them at the very moment of the split.
    document = evaluate(bought, "--holdout", "before.csv", "--split", "2025-02-03")
    assert document["status"] == 0, document
    assert not any("knows" in warning for warning in document["warnings"])


def test_a_catalogue_that_was_indexed_too_late_is_refused(bought: tuple[Path, TritonServer], shop: Shop) -> None:
    folder, _ = bought
    shop.products.to_parquet(folder / "products.parquet")
    for until, status in (("2025-03-10", 0), ("2025-03-20", 1)):
        imported = run_mercato("events", "import", "all.csv", "--state", "sqlite:all.db", "--map", "user_id=customer",
                               "--event-type", "purchase-complete", cwd=folder)  # fmt: skip
        indexed = run_mercato("index", "products.parquet", "--out", "late", "--state", "sqlite:all.db", "--until",
                              until, "--encoder", shop.encoder, cwd=folder)  # fmt: skip
        assert (imported.returncode, indexed.returncode) == (0, 0), indexed.stderr
        document = evaluate(bought, "--holdout", "after.csv", "--catalog", "late")
        assert document["status"] == status, document
    assert "events up to 2025-03-10T00:00:00Z, the holdout starts at 2025-03-10T00:00:00Z" in document["error"]


@pytest.mark.parametrize("profile", ["cpu", "cpu-bls"])
def test_a_ranker_that_was_trained_too_late_is_refused_by_what_the_server_says(
    bought: tuple[Path, TritonServer], shop: Shop, profile: str, tmp_path: Path
) -> None:
    folder, _ = bought
    shutil.copytree(shop.ranker, tmp_path / "ranker")
    manifest = json.loads((tmp_path / "ranker" / "manifest.json").read_text())
    manifest["serving"]["last_event_time"] = parse_timestamp("2025-03-03T00:00:00Z")
    (tmp_path / "ranker" / "manifest.json").write_text(json.dumps(manifest))
    options = shop.options(tmp_path, ranker=tmp_path / "ranker", profile=profile)
    with TritonServer(options) as server:
        late = evaluate((folder, server), "--holdout", "all.csv", "--split", "2025-03-03", "--time-limit", "0")
        early = evaluate((folder, server), "--holdout", "all.csv", "--split", "2025-03-10", "--time-limit", "0")
    assert late["status"] == 1
    assert "the ranker that is served has learned from events up to 2025-03-03T00:00:00Z" in late["error"]
    assert "the holdout starts at 2025-03-03T00:00:00Z" in late["error"]
    assert early["status"] == 0, early
    assert early["settings"]["learned_from"] == {
        "catalog": {"last_event_time": None},
        "ranker": {"last_event_time": "2025-03-03T00:00:00Z"},
    }


def test_a_ranker_that_does_not_say_it_is_warned_of(
    bought: tuple[Path, TritonServer], shop: Shop, tmp_path: Path
) -> None:
    with TritonServer(shop.options(tmp_path)) as server:
        document = evaluate((bought[0], server), "--holdout", "after.csv", "--time-limit", "0")
    assert document["status"] == 0, document
    [warning] = [warning for warning in document["warnings"] if "nobody checked that the ranker" in warning]
    assert warning.endswith("train and export it again")


def test_new_only_takes_known_products_out(bought: tuple[Path, TritonServer]) -> None:
    document = evaluate(bought, "--holdout", "all.csv", "--split", "2025-03-10", "--new-only")
    assert document["counts"]["ratings"] == USERS  # one new product each
    assert document["metrics"]["recall@5"] < 3 / 4


def test_last_rows_without_times_are_enough(bought: tuple[Path, TritonServer]) -> None:
    folder, _ = bought
    pd.read_csv(folder / "all.csv").drop(columns=["time"]).to_csv(folder / "ordered.csv", index=False)
    document = evaluate(bought, "--holdout", "ordered.csv", "--leave-last-out")
    assert document["queries"] == USERS
    assert document["counts"]["ratings"] == USERS
    assert any("no times" in warning for warning in document["warnings"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--holdout", "before.csv", "--events", "after.csv"), "the holdout starts at 2025-01-06T00:00:00Z"),
        (("--holdout", "before.csv", "--state", "sqlite:state.db"), "the server's state"),
        (("--holdout", "after.csv", "--placement", "attic"), "PLACEMENT"),
        (("--holdout", "after.csv", "--split", "soon"), "--split"),
        (("--holdout", "after.csv", "--user-column", "colour"), "no column for colour"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    bought: tuple[Path, TritonServer], arguments: tuple[str, ...], message: str
) -> None:
    document = evaluate(bought, *arguments)
    assert document["status"] == 1
    assert message in document["error"]


def test_users_and_products_that_nobody_knows_are_counted(bought: tuple[Path, TritonServer]) -> None:
    folder, _ = bought
    known = first_product(folder)
    (folder / "odd.csv").write_text(
        f"customer,product_id,time\nstranger,{known},2025-04-01\nstranger,gone,2025-04-01\nother,gone,2025-04-01\n"
    )
    document = evaluate(bought, "--holdout", "odd.csv", "--events", "before.csv")
    assert document["queries"] == 1
    assert document["counts"]["unknown_products"] == 1
    assert list(document["groups"]["history"]) == ["new"]
    assert any("1 users of the holdout bought nothing that counts" in warning for warning in document["warnings"])


def first_product(folder: Path) -> str:
    """A product that was bought."""
    return str(pd.read_csv(folder / "before.csv", dtype=str)["product_id"].iloc[0])
