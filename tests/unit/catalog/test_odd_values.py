"""Values as exports hold them where nothing stands, where words are of another language, and where JSON nests them."""

import json
from pathlib import Path

import pytest

from mercato.catalog.problems import ProductReport
from mercato.catalog.product import Product
from mercato.catalog.read import open_products
from mercato.catalog.values import to_availability, to_currency


def read(path: Path, text: str) -> list[Product]:
    path.write_text(text, encoding="utf-8")
    report = ProductReport()
    rows = [row for batch in open_products(path).read(report) for row in batch]
    assert report.shown_left_out == []
    return [row for row in rows if isinstance(row, Product)]


@pytest.mark.parametrize("mark", ["#N/A", "NULL", "n/a", "-", "–", "#REF!", "#WERT!", "NaN"])
def test_marks_of_nothing_are_blank(tmp_path: Path, mark: str) -> None:
    text = f"id,title,brand,price,colour,width\n1,Jug,{mark},{mark},{mark},{mark}\n2,Cup,Kalla,9.50,none,12.5\n"
    jug, cup = read(tmp_path / "feed.csv", text)
    assert (jug.brand, jug.price, jug.attributes) == ("", None, {})
    assert (cup.brand, cup.price, cup.attributes) == ("Kalla", 9.5, {"colour": "none", "width": 12.5})


def test_a_column_of_marks_alone_holds_no_numbers(tmp_path: Path) -> None:
    (jug,) = read(tmp_path / "feed.csv", "id,title,width\n1,Jug,-\n")
    assert jug.attributes == {}


@pytest.mark.parametrize(
    ("written", "currency"),
    [("eur", "EUR"), ("Usd", "USD"), ("£", "GBP"), ("€", "EUR"), (" zł ", "PLN"), ("kr", "kr"), ("coins", "coins")],
)
def test_a_currency_in_a_column_of_its_own(written: str, currency: str) -> None:
    assert to_currency(written) == currency


@pytest.mark.parametrize(
    ("written", "state"),
    [
        ("Auf Lager", "IN_STOCK"),
        ("nicht lieferbar", "OUT_OF_STOCK"),
        ("Rupture de stock", "OUT_OF_STOCK"),
        ("I lager", "IN_STOCK"),
        ("在庫なし", "OUT_OF_STOCK"),
        ("vorbestellbar", "PREORDER"),
        ("perhaps", "PERHAPS"),
    ],
)
def test_availability_in_other_languages(written: str, state: str) -> None:
    assert to_availability(written) == state


def test_objects_of_json_are_what_they_are_called(tmp_path: Path) -> None:
    row = {
        "id": 1,
        "title": "Jug",
        "price": {"amount": "9.50", "currencyCode": "eur"},
        "brand": {"id": 7, "name": "Kalla"},
        "categories": [{"id": 3, "name": "Home"}, {"id": 4, "name": "Kitchen"}],
        "image_uri": [{"src": "https://shop.test/1.jpg"}],
        "attributes": [{"name": "Colour", "value": "Red"}, {"name": "Colour", "value": "Blue"}],
        "tags": [{"id": 1, "name": "new"}, {"id": 2, "name": "gift"}],
        "custom_attributes": [{"attribute_code": "width", "value": 12}],
    }
    (jug,) = read(tmp_path / "feed.json", json.dumps([row]))
    assert (jug.price, jug.currency, jug.brand) == (9.5, "EUR", "Kalla")
    assert (jug.categories, jug.image_uri) == (("Home", "Kitchen"), "https://shop.test/1.jpg")
    assert jug.attributes == {"Colour": ("Red", "Blue"), "custom_attributes.width": 12, "tags": ("new", "gift")}


def test_an_object_without_a_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "feed.json").write_text('[{"id": 1, "title": "Jug", "brand": {"x": [1]}, "categories": [{"x": 1}]}]')
    report = ProductReport()
    list(open_products(tmp_path / "feed.json").read(report))
    assert [one.field for _, one in report.shown_left_out] == ["brand", "categories"]
    assert all("got an object" in one.reason for _, one in report.shown_left_out)


def test_day_numbers_of_spreadsheets_where_the_column_holds_them_alone(tmp_path: Path) -> None:
    header = "id,title,available_time\n"
    jug, cup = read(tmp_path / "feed.csv", f"{header}1,Jug,45413\n2,Cup,45413.5\n")
    assert (jug.available_time, cup.available_time) == ("2024-05-01T00:00:00Z", "2024-05-01T12:00:00Z")
    assert [one.how for one in open_products(tmp_path / "feed.csv").understood][2] == "day numbers of a spreadsheet"
    jug, _ = read(tmp_path / "feed.csv", f"{header}1,Jug,1714557600\n2,Cup,1714557601\n")
    assert jug.available_time == "2024-05-01T10:00:00Z"
