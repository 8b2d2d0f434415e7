"""The report of a real snapshot: document, page, table of findings, and the command."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mercato.catalog.product import parse_product
from mercato.catalog_report import plots
from mercato.catalog_report.finding import LEVELS, Thresholds
from mercato.catalog_report.report import CHECKS, EXAMPLES, describe_report, open_catalog, run_checks
from mercato.cli.main import app
from mercato.errors import InvalidInputError
from mercato.index.snapshot import Snapshot
from tests.stores import build, make_purchases, open_store
from tests.unit.catalog_report.shop import find, make_catalog, make_shop, plant


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop with two faults and one product written down in two orders of words."""
    shop = plant(
        Lamps_0={"title": "Lampe fÃ¼r <Büro>"},
        Lamps_1={"title": "White desk lamp, clamped", "description": None, "attributes": {"gtin": None}},
        Lamps_2={"title": "=1+1", "description": "{{ text }}"},
    )
    lamp = next(product for product in shop if product["id"] == "Lamps-1")
    twin = {**lamp, "id": "Lamps-x", "title": "Desk lamp, white, clamped"}
    folder = tmp_path_factory.mktemp("report") / "catalog"
    build(folder, [parse_product(product) for product in [*shop, twin]])
    return folder


def test_a_snapshot_is_read_and_near_ones_are_found_by_their_vectors(snapshot: Path) -> None:
    catalog = open_catalog(Snapshot(snapshot), Thresholds())
    findings = {finding.name: finding for finding in run_checks(catalog)}
    near = findings["near-duplicate"]
    assert {catalog.product(row)["id"] for row in near.rows} == {"Lamps-1", "Lamps-x"}
    assert near.groups == 1
    assert "misread" in findings


def test_prices_without_categories_are_compared_with_like_products(tmp_path: Path) -> None:
    shop = [{**product, "categories": None} for product in plant(Kettles_0={"price": 3000.0})]
    build(tmp_path / "catalog", [parse_product(product) for product in shop])
    catalog = open_catalog(Snapshot(tmp_path / "catalog"), Thresholds())
    found = next(finding for finding in run_checks(catalog) if finding.name == "price-unit")
    assert [catalog.product(row)["id"] for row in found.rows] == ["Kettles-0"]
    assert found.value(0).startswith("3,000.00, 111 times dearer than the usual 27.00 of 20 in like products")


def test_what_sells_hurts_more(tmp_path: Path) -> None:
    shop = plant(Lamps_0={"title": "test"}, Lamps_1={"description": "n/a"})
    demand = [90.0 if product["id"] == "Lamps-0" else 1.0 for product in shop]
    catalog = make_catalog(shop, demand)
    first = describe_report(catalog, run_checks(catalog), {})["findings"][0]
    assert first["name"] == "title-placeholder"
    assert first["demand_share"] == pytest.approx(90 / (90 + 89), abs=1e-6)
    assert first["hurt"] == pytest.approx(1.0 * (1 / 90 + 90 / 179) / 2, abs=1e-6)


def test_every_finding_says_harm_remedy_and_at_most_twenty_products() -> None:
    shop = [{**product, "title": product["title"].upper()} for product in make_shop()]
    catalog = make_catalog(shop)
    document = describe_report(catalog, run_checks(catalog), {"snapshot": "x"})
    json.dumps(document, allow_nan=False)
    capitals = next(one for one in document["findings"] if one["name"] == "title-in-capitals")
    assert (capitals["products"], len(capitals["examples"])) == (90, EXAMPLES)
    for finding in document["findings"]:
        assert finding["harm"].endswith(".") and finding["remedy"].endswith(".")
        assert finding["level"] in LEVELS.values()
    hurts = [finding["hurt"] for finding in document["findings"]]
    assert hurts == sorted(hurts, reverse=True)


def test_examples_show_each_thing_once_before_they_repeat() -> None:
    shop = make_shop()
    for number in range(40):
        shop[number]["attributes"]["colour"] = "Green" if number < 38 else "Black"
    for product in shop[40:]:
        product["attributes"]["colour"] = "green" if product["attributes"]["colour"] != "black" else "black"
    catalog = make_catalog(shop)
    document = describe_report(catalog, run_checks(catalog), {})
    found = next(one for one in document["findings"] if one["name"] == "value-spellings")
    values = [example["value"] for example in found["examples"]]
    assert len(values) == 20
    assert values.count("colour: Black beside black") == 1  # it is first at place 39


def test_the_command_writes_page_document_and_table(snapshot: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "report"
    done = CliRunner().invoke(app, ["catalog", "report", str(snapshot), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["products"] == 91
    written = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert written["findings"] == document["findings"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Lampe fÃ¼r &lt;Büro&gt;" in page
    assert '<a href="#misread">texts read in a wrong encoding</a> (1)' in page
    assert "src=" not in page and page.count("<svg") == 4
    rows = list(csv.DictReader((out / "findings.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == sum(finding["products"] for finding in document["findings"] if finding["examples"])
    # what a spreadsheet would take for a formula is text
    assert "'=1+1" in {row["title"] for row in rows if row["id"] == "Lamps-2"}


def test_the_command_tells_a_person_what_was_found_and_why(snapshot: Path) -> None:
    done = CliRunner().invoke(app, ["catalog", "report", str(snapshot)])
    assert done.exit_code == 0, done.output
    assert "texts read in a wrong encoding" in " ".join(done.stdout.split())
    assert "--out FOLDER" in done.stdout


def test_a_wrong_folder_or_threshold_is_refused_in_a_sentence(snapshot: Path, tmp_path: Path) -> None:
    missing = CliRunner().invoke(app, ["catalog", "report", str(tmp_path / "none"), "--json"])
    assert missing.exit_code == 1
    assert "no such folder" in json.loads(missing.stdout)["error"]
    (tmp_path / "file").write_text("")
    blocked = CliRunner().invoke(app, ["catalog", "report", str(snapshot), "--out", str(tmp_path / "file"), "--json"])
    assert "cannot be written" in json.loads(blocked.stdout)["error"]
    with pytest.raises(InvalidInputError, match="--price-factor: must be more than 1"):
        Thresholds(price_factor=1)
    with pytest.raises(InvalidInputError, match="--cosine"):
        Thresholds(cosine=1.5)


def test_events_make_products_nobody_saw(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state.db", make_purchases())
    build(tmp_path / "catalog", events=store.event_columns())
    catalog = open_catalog(Snapshot(tmp_path / "catalog"), Thresholds())
    never = next(finding for finding in run_checks(catalog) if finding.name == "never-seen")
    assert len(never.rows) == 40 - 4  # p04, p12, p20, p30 were bought


def test_a_shop_of_one_product_has_a_report() -> None:
    assert "missing-price" in find([{"id": "a", "title": "Oat milk drink"}])


def test_plots_are_drawn_of_what_there_is() -> None:
    figure = plots.draw_prices({"middles": [-1.0, 0.0, 1.0], "usual": [1, 5, 0], "far": [0, 0, 2]})
    bars = [bar.get_height() for container in figure.axes[0].containers for bar in container]
    assert bars == [1, 5, 0, 0, 0, 2]


def test_every_check_is_asked_once_and_named() -> None:
    assert len(set(CHECKS)) == len(CHECKS)
    assert all(check.__doc__ and check.__doc__.startswith("Find") for check in CHECKS)


TEXT = st.text(max_size=30)
ATTRIBUTE = (
    TEXT | st.integers(-5, 5) | st.floats(-1e9, 1e9) | st.booleans() | st.lists(TEXT | st.integers(0, 9), max_size=3)
)
PRODUCT = st.fixed_dictionaries(
    {"title": TEXT},
    optional={
        "description": TEXT,
        "brand": TEXT,
        "categories": st.lists(st.sampled_from(["A", "a", "B > C", "7", "Uncategorized", ""]) | TEXT, max_size=9),
        "price": st.floats(0, 1e15) | st.sampled_from([0, 1e-300, 5]),
        "currency": st.sampled_from(["EUR", "USD"]),
        "attributes": st.dictionaries(st.sampled_from(["gtin", "SKU", "size", "Size"]) | TEXT, ATTRIBUTE, max_size=4),
        "image_uri": TEXT,
        "uri": TEXT,
    },
)


@given(st.lists(PRODUCT, min_size=1, max_size=12), st.booleans(), st.integers(1, 3))
def test_whatever_products_there_are_a_report_is_made(products: list[dict[str, Any]], seen: bool, least: int) -> None:
    shop = []
    for number, product in enumerate(products):
        try:
            shop.append(parse_product({**product, "id": f"p{number}"}).as_dict())
        except InvalidInputError:
            continue  # it would not be in a snapshot
    if not shop:
        return
    catalog = make_catalog(
        shop, [float(number % 2) for number in range(len(shop))] if seen else None, least_category=least
    )
    findings = run_checks(catalog)
    for finding in findings:
        assert list(finding.rows) == sorted(set(finding.rows))
        assert all(finding.value(position) for position in range(len(finding.rows)))
    json.dumps(describe_report(catalog, findings, {}), allow_nan=False)


def test_pictures_of_the_page_are_xml() -> None:
    from mercato.catalog_report.page import render_page

    catalog = make_catalog(plant(Lamps_0={"title": "test"}))
    document = describe_report(catalog, run_checks(catalog), {"snapshot": "a & b", "created": "2026-01-01T00:00:00Z"})
    page = render_page(document)
    pictures = re.findall(r"<svg .*?</svg>", page, flags=re.DOTALL)
    assert len(pictures) == 4
    for picture in pictures:
        assert ET.fromstring(picture).attrib["aria-label"]
    assert "a &amp; b" in page
    assert np.isfinite(document["findings"][0]["hurt"])
