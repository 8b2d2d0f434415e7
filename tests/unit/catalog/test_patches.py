"""Files of ids and a few columns: which columns change a product, and what a row says."""

import csv
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.catalog.map_arguments import parse_mapping
from mercato.catalog.patches import Patch, PatchFile, read_patches
from mercato.catalog.read import open_products
from mercato.errors import DataError, InvalidInputError
from mercato.incoming import Rejected


def write(folder: Path, text: str, name: str = "prices.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_mapped_columns_and_those_named_as_fields_change_a_product_and_no_others(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "sku;net;availability;attributes.badge;warehouse\nA-1;1.299,00 €;out of stock;sale;W1\nA-2;;;;W2\n",
    )
    file = PatchFile(path, parse_mapping(["id=sku", "price=net"]))
    assert file.left_out == ["warehouse"]
    assert list(file.read()) == [
        Patch(
            2,
            "A-1",
            {"availability": "OUT_OF_STOCK", "price": 1299.0, "currency": "EUR", "attributes": {"badge": "sale"}},
        ),
        Patch(3, "A-2", {}),
    ], "an empty cell changes nothing"


def test_an_attribute_is_taken_where_it_is_mapped(tmp_path: Path) -> None:
    path = write(tmp_path, "id,warehouse\nA-1,W1\n")
    rows = list(read_patches(path, parse_mapping(["attributes.place=warehouse"])))
    assert rows == [Patch(2, "A-1", {"attributes": {"place": "W1"}})]


def test_json_lines_hold_patches_too(tmp_path: Path) -> None:
    text = (
        '{"id": "A", "price": 2, "attributes": {"badge": "new"}}\n\n[1]\n{"price": 3}\n{"id": "B", "price": "dear"}\n'
    )
    rows = list(read_patches(write(tmp_path, text, "prices.jsonl")))
    assert rows[0] == Patch(1, "A", {"price": 2, "attributes": {"badge": "new"}})
    assert [(row.position, row.reason[:20]) for row in rows[1:] if isinstance(row, Rejected)] == [
        (3, "must be a JSON objec"),
        (4, "id: must be given an"),
    ]
    last = rows[-1]
    assert isinstance(last, Patch)
    assert (last.line, last.product_id, last.fields) == (5, "B", {})
    assert [one.field for one in last.left_out] == ["price"], "and nothing else of the row is lost"


@pytest.mark.parametrize(
    ("text", "mapping", "message"),
    [
        ("sku,price\n1,2\n", [], r"no column for id; its columns: sku, price; .* --map id=sku"),
        ("id,warehouse\n1,2\n", [], r"no column that changes a product; .* --map price=COLUMN"),
        ("id,net\n1,2\n", ["price=brutto"], r"no column 'brutto'"),
        ("", [], "is empty"),
    ],
)
def test_a_file_that_changes_nothing_says_what_is_missing(
    tmp_path: Path, text: str, mapping: list[str], message: str
) -> None:
    with pytest.raises((DataError, InvalidInputError), match=message):
        PatchFile(write(tmp_path, text), parse_mapping(mapping))


@pytest.mark.parametrize("name", ["prices.csv", "prices.jsonl"])
@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.text("abcXYZ-_", min_size=1, max_size=8),
            st.floats(0, 1e6).map(lambda value: round(value, 2)),
            st.sampled_from(["IN_STOCK", "OUT_OF_STOCK", "BACKORDER", "PREORDER"]),
            st.text("abc ,;\"'", min_size=1, max_size=6).filter(str.strip),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_every_row_comes_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, rows: list[tuple[str, float, str, str]]
) -> None:
    path = tmp_path_factory.mktemp("patches") / name
    columns = ["id", "price", "availability", "attributes.badge"]
    with path.open("w", newline="") as file:
        if name.endswith(".csv"):
            csv.writer(file).writerows([columns, *rows])
        else:
            for row in rows:
                file.write(orjson.dumps(dict(zip(columns, row, strict=True))).decode() + "\n")

    def fields(row: tuple[str, float, str, str]) -> dict[str, Any]:
        return {"price": row[1], "availability": row[2], "attributes": {"badge": row[3]}}

    found = list(read_patches(path))
    assert [(row.product_id, row.fields) for row in found if isinstance(row, Patch)] == [
        (row[0], fields(row)) for row in rows
    ]


def test_fields_of_a_feed_are_those_of_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "id,name,availability,stock,colour\n1,Mug,,7,red\n")
    file = open_products(path, parse_mapping(["title=name", "attributes.tint=colour", "ignore=stock"]))
    assert file.mapping.fields == {
        "title",
        "availability",
        "attributes.tint",
    }
