"""Dimensions with a unit stay texts, and are numbers that filters can compare."""

from pathlib import Path

import pytest

from mercato.catalog.measures import find_measure
from mercato.catalog.product import Product
from mercato.catalog.read import open_products


def read(path: Path, text: str) -> list[Product]:
    path.write_text(text, encoding="utf-8")
    return [row for batch in open_products(path).read() for row in batch if isinstance(row, Product)]


def test_a_column_of_one_unit_is_text_and_number(tmp_path: Path) -> None:
    text = (
        "id,title,link,price,brand,weight,screen\n"
        '1,Mug,https://s.test/1,2,A,"0,4 kg","15.6"""\n2,Pan,https://s.test/2,3,A,"1,25 kg","24"""\n'
        "3,Lid,https://s.test/3,4,A,,\n"
    )
    mug, pan, lid = read(tmp_path / "a.csv", text)
    assert mug.attributes == {"weight": "0,4 kg", "weight (kg)": 0.4, "screen": '15.6"', 'screen (")': 15.6}
    assert pan.attributes["weight (kg)"] == 1.25
    assert lid.attributes == {}


@pytest.mark.parametrize("values", [["500 g", "1 kg"], ["5 red", "6 red"], ["12 cm", "about 12 cm"], ["40", "41"], []])
def test_other_columns_stay_as_they_are(values: list[str]) -> None:
    assert find_measure("size", values) is None


def test_a_value_of_another_unit_beyond_the_sample_stays_text() -> None:
    measure = find_measure("length", ["20 in", "32 IN"])
    assert measure is not None
    assert (measure.number_name, measure.read("12 in")) == ("length (in)", 12.0)
    assert [measure.read(value) for value in ("12 cm", "long", 12)] == [None, None, None]
