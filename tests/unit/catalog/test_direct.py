"""Tests: files read column by column give what the same rows give one by one."""

import csv
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.catalog import read as reading
from mercato.catalog.problems import ProductReport
from mercato.catalog.product import Product, make_products, parse_product
from mercato.errors import DataError
from mercato.incoming import Rejected

COLUMNS = (
    "id", "title", "description", "brand", "categories", "price", "currency", "availability", "available_time",
    "image_uri", "uri", "colour", "weight", " size ", "colour",
)  # fmt: skip
GOOGLE = (
    "id", "title", "description", "link", "image_link", "availability", "price", "sale_price", "gtin", "condition",
    "product type", "google product category", "size",
)  # fmt: skip
_ODD_TEXTS = (
    "", " ", "-", " - ", "N/A", "#REF!", "<b>Mug</b> &amp; lid", "[gallery]", "a\nb", "\x00", "\x85", "\u200b",
    "\ufeffA", "\u00a0A\u00a0", "12.50 EUR", "12,50", "1.234", "€ 5", "-3", "1e400", "USD", "usd", "$", "in stock",
    "0", "7", "sold", "A > B > A", '["A", "B"]', "[[[", "[1, null]", "2024-05-01", "01/05/2024", "nan", "inf", "007",
    "4006381333931", "https://a.example/x?a=1&b=2", "https://a.example/1.jpg, https://a.example/2.jpg", "x" * 501,
    "y" * 2_001, "é", "ID 1", "z" * 257,
)  # fmt: skip
_TEXTS = st.sampled_from(_ODD_TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[str, ...], list[list[str]]]:
    """Make tables: plain rows, some of their values replaced by odd ones."""
    header = draw(st.sampled_from([COLUMNS, GOOGLE, ("id", "title"), ("id", "title", "price", "weight")]))
    plain = {"id": "A{}", "price": "{}.50", "currency": "EUR", "weight": "{}", "availability": "in stock"}
    plain |= dict.fromkeys(["available_time", "sale_price"], "") | {"title": "Mug {}", "gtin": "0400638133393{}"}
    rows = [
        [plain.get(name, f"{name} {{}}").format(at % draw(st.sampled_from([2, 30])) if name != "id" else at)
         for name in header]
        for at in range(draw(st.integers(1, 12)))
    ]  # fmt: skip
    for _ in range(draw(st.integers(0, 12))):
        rows[draw(st.integers(0, len(rows) - 1))][draw(st.integers(0, len(header) - 1))] = draw(_TEXTS)
    return header, rows


def read_all(path: Path, mapping: dict[str, str]) -> tuple[list[Product | Rejected], ProductReport]:
    report = ProductReport()
    file = reading.open_products(path, mapping, encoding="utf-8", now=0.0)
    found: list[Product | Rejected] = []
    with suppress(DataError):  # a table of blank rows alone
        for batch in file.read(report):
            found += batch
    return found, report


@settings(deadline=None, max_examples=150)
@given(table=tables(), mapping=st.sampled_from([{}, {"price": "price/100"}, {"brand": "title"}]))
def test_both_ways_are_equal(
    table: tuple[tuple[str, ...], list[list[str]]],
    mapping: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("direct") / "products.csv"
    header, rows = table
    mapping = {target: source for target, source in mapping.items() if source.split("/")[0] in header}
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    with pytest.MonkeyPatch.context() as patch:
        directly, report = read_all(path, mapping)
        patch.setattr(reading, "can_read_directly", lambda plan: False)
        by_row, report_by_row = read_all(path, mapping)
    assert directly == by_row
    assert [type(item) for item in directly] == [type(item) for item in by_row]
    assert report == report_by_row
    for one, other in zip(directly, by_row, strict=True):
        if isinstance(one, Product) and isinstance(other, Product):
            assert one.document() == other.document()
            assert list(one.attributes.items()) == list(other.attributes.items())


def test_plain_files_are_read_directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError

    path = tmp_path / "products.csv"
    path.write_text("id,title,price,colour\nA,Mug,5 EUR,red\nB,<b>Lamp</b>,,\n", encoding="utf-8")
    monkeypatch.setattr(reading, "parse_leniently", refuse)
    found, report = read_all(path, {})
    assert found == [
        parse_product({"id": "A", "title": "Mug", "price": 5.0, "currency": "EUR", "attributes": {"colour": "red"}}),
        parse_product({"id": "B", "title": "Lamp"}),
    ]
    assert report.summary == "2 products whole, 0 in part, 0 not at all"


def test_products_of_columns_have_defaults() -> None:
    columns: dict[str, list[Any]] = {"id": ["A", "B"], "title": ["Mug", "Lamp"], "attributes": [{}, {}]}
    assert make_products(2, columns) == [
        parse_product({"id": "A", "title": "Mug"}),
        parse_product({"id": "B", "title": "Lamp"}),
    ]
