"""Exact codes: which fields hold them, and what a query that is one finds."""

import string
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.index.codes import (
    MOST_HOLDERS,
    build_codes,
    find_code_fields,
    is_code_name,
    list_codes,
    looks_like_code,
    read_codes,
    squeeze,
    write_codes,
)
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.state.values import ProductChange
from tests.stores import build, delete, open_store, product, upsert


@pytest.mark.parametrize("text", ["#LC-51 C", "lc51c", "LC 51/C", "  lc_51-c. "])
def test_signs_spaces_and_case_do_not_matter(text: str) -> None:
    assert squeeze(text) == "lc51c"


@pytest.mark.parametrize(
    "name",
    ["EAN", "t_ean_upc_gtin", "GTIN-13", "model", "Model Number", "SKU", "Artikelnummer", "isbn13", "part no"],
)
def test_attributes_that_are_called_codes(name: str) -> None:
    assert is_code_name(name)


@pytest.mark.parametrize("name", ["easy_to_clean", "colour", "supermodel", "janitor", "size"])
def test_attributes_that_are_not_called_codes(name: str) -> None:
    assert not is_code_name(name)


@pytest.mark.parametrize("text", ["UE40ES7000", "SPA-9xx", "4006381333931", "i5-8250U", "TN-2110"])
def test_what_looks_like_a_code(text: str) -> None:
    assert looks_like_code(text)


@pytest.mark.parametrize("text", ["16GB", "10.5kg", "1920x1080", "2019", "12-34-2018", "A6", "iPhone 11", "1,024,000"])
def test_measures_dates_and_names_are_no_codes(text: str) -> None:
    assert not looks_like_code(text)


def test_a_field_of_codes_is_known_by_its_values() -> None:
    items = [
        product(f"p{n}", "Lamp", attributes={"key": f"AB-{n}27X", "fits": "AB-127X", "size": "16GB", "year": 2019})
        for n in range(10)
    ]
    assert find_code_fields(items) == ["key"]


def test_a_value_without_a_digit_is_a_name() -> None:
    item = product("p1", "Headset", attributes={"model": "Headset", "mpn": "HS-1000"})
    assert list(list_codes(item, ["model", "mpn"])) == ["p1", "hs1000"]


@given(st.lists(st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12), min_size=1, unique=True))
def test_every_id_is_found_and_nothing_else(ids: list[str]) -> None:
    codes = build_codes([product(one, "Thing") for one in ids], [])
    for row, one in enumerate(ids):
        assert codes.find(one).tolist() == [row]
    assert codes.find("not one of them").tolist() == []


def test_codes_come_back_from_a_file_and_none_from_no_file(tmp_path: Path) -> None:
    codes = build_codes([product("a1", "Thing"), product("b2", "Thing")], [])
    write_codes(tmp_path / "codes", codes)
    np.testing.assert_array_equal(read_codes(tmp_path / "codes").hashes, codes.hashes)
    assert read_codes(tmp_path / "missing").find("a1").tolist() == []


def test_a_query_that_is_a_code_finds_its_product_through_changes(tmp_path: Path) -> None:
    items = [
        product(f"p{n}", f"Lamp {n}", attributes={"gtin": f"40063813339{n:02d}", "series": f"LUX {n}00"})
        for n in range(MOST_HOLDERS + 1)
    ]
    build(tmp_path / "catalog", items)
    store = open_store(tmp_path / "state.db")
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), store)

    def find(text: str) -> list[str]:
        catalog.refresh()
        return [catalog.id_of(row) for row in catalog.find_code(text).tolist()]

    assert find("4006381333903") == find("#4006381-3339 03") == ["p3"]
    assert find("P7") == ["p7"]
    assert find("lux") == find("lamp 7") == find("-") == []
    store.append_product_changes(
        [
            delete("p3"),
            ProductChange("patch", "p4", orjson.dumps({"price": 3})),
            upsert(product("new", "x", attributes={"gtin": "96385074"})),
        ]
    )
    assert find("4006381333903") == []
    assert find("4006381333904") == ["p4"]
    assert find("9638 5074") == ["new"]
    store.append_product_changes([upsert(product("new", "x", attributes={"gtin": "73513537"}))])
    assert (find("96385074"), find("73513537")) == ([], ["new"])
