"""JSON: lines, an array, an object that holds one; ids as they are written; bad rows told with where they stand."""

import json
from pathlib import Path
from typing import Any

import pytest

from mercato.errors import DataError
from mercato.incoming import Rejected
from mercato.tables.open import open_table
from mercato.tables.table import Table

PRODUCTS: list[dict[str, Any]] = [{"id": "1", "title": "Mug"}, {"id": "2", "title": "Lamp", "price": 3}]


def open_text(folder: Path, text: str, name: str = "a.json") -> Table:
    (folder / name).write_text(text)
    return open_table(folder / name)


def rows(table: Table, *as_written: str) -> list[dict[str, Any]]:
    return [dict(row) for batch in table.read(as_written=as_written) for row in batch.rows()]


def rejected(table: Table) -> list[Rejected]:
    return [row for batch in table.read() for row in batch.rejected]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("holder", ["", "products", "items", "data"])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_one_document(tmp_path: Path, indent: int | None, holder: str, name: str) -> None:
    text = json.dumps({"total": 2, holder: PRODUCTS} if holder else PRODUCTS, indent=indent)
    table = open_text(tmp_path, text, name)
    assert (rows(table), table.columns, table.rows) == (PRODUCTS, ["id", "title", "price"], 2)


@pytest.mark.parametrize("indent", [None, 2])
def test_one_product_alone(tmp_path: Path, indent: int | None) -> None:
    product = {"id": "1", "title": "Set", "items": [{"id": "2"}]}
    assert rows(open_text(tmp_path, json.dumps(product, indent=indent))) == [product]


def test_lines(tmp_path: Path) -> None:
    table = open_text(tmp_path, "\n".join(map(json.dumps, PRODUCTS)) + "\n\n", "a.jsonl")
    assert (rows(table), table.format) == (PRODUCTS, "JSON lines")


@pytest.mark.parametrize("written", ["10.10", "1e5", "12345678901234567890123", "0.50", "-0.0001"])
@pytest.mark.parametrize("shape", ["{}\n", "[{}]", '{{"products": [{}]}}', "[\n{}\n]"])
def test_numbers_that_stand_for_texts_stay_as_they_are_written(tmp_path: Path, written: str, shape: str) -> None:
    product = f'{{"id": {written}, "title": "Mug", "width": {written}}}'
    (row,) = rows(open_text(tmp_path, shape.format(product)), "id")
    assert (str(row["id"]), row["width"]) == (written, float(written))


def test_numbers_that_are_none_cost_no_row(tmp_path: Path) -> None:
    table = open_text(tmp_path, '{"id": "1", "price": NaN}\n{"id": "2", "price": -Infinity}\n', "a.jsonl")
    assert [row["id"] for row in rows(table)] == ["1", "2"]


def test_bad_lines_are_told(tmp_path: Path) -> None:
    table = open_text(tmp_path, '{"id": "1"}\n{"id": \n[1]\n"a"\n{"id": "5"}\n', "a.jsonl")
    assert [row["id"] for row in rows(table)] == ["1", "5"]
    assert [(row.position, row.reason.partition(",")[0].partition(":")[0]) for row in rejected(table)] == [
        (2, "is not JSON"),
        (3, "must be a JSON object"),
        (4, "must be a JSON object"),
    ]


def test_bad_items_of_an_array_are_told(tmp_path: Path) -> None:
    table = open_text(tmp_path, '[{"id": "1"}, 7, {"id": "3"}]')
    assert rejected(table) == [Rejected(2, "must be a JSON object, got '7'")]
    assert [line for batch in table.read() for line in batch.lines] == [1, 3]


@pytest.mark.parametrize("text", ["[]", "{}", "[1, 2]", "[{", '"a"', '{"products": [', "[{}]"])
def test_no_object_at_all(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="holds no JSON objects, one a line or in one array"):
        open_text(tmp_path, text)
