"""What people and spreadsheets put around a table: titles, groups of columns, the header again, formulas of texts."""

from pathlib import Path
from typing import Any

import pytest

from mercato.tables.open import open_table
from mercato.tables.table import Table


def read(path: Path, text: str) -> tuple[list[dict[str, Any]], Table]:
    path.write_text(text, encoding="utf-8")
    table = open_table(path)
    batches = list(table.read())
    assert not [row for batch in batches for row in batch.rejected]
    return [dict(row) for batch in batches for row in batch.rows()], table


ROWS = [{"id": "1", "title": "Jug", "price": "9.5"}, {"id": "2", "title": "Cup", "price": "3"}]


@pytest.mark.parametrize(
    "above",
    [
        "Products,,\n",
        "Products\nof 1 May 2024\n",
        "Products,,\nof 1 May 2024,,\n\n",
        ",Sold as,\n",
        "Products,,\n,,Money\n",
    ],
)
def test_what_stands_above_the_header(tmp_path: Path, above: str) -> None:
    rows, _ = read(tmp_path / "feed.csv", f"{above}id,title,price\n1,Jug,9.5\n2,Cup,3\n")
    assert rows == ROWS


def test_a_title_says_nothing_of_the_delimiter(tmp_path: Path) -> None:
    rows, table = read(tmp_path / "feed.csv", "Products\nof May\n\nid;title;price\n1;Jug;9.5\n2;Cup;3\n")
    assert rows == ROWS and table.format == "text with semicolons"


def test_columns_of_an_index_without_a_name_are_no_group(tmp_path: Path) -> None:
    rows, _ = read(tmp_path / "feed.csv", ",id,title\na,1,Jug\nb,2,Cup\n")
    assert [row["id"] for row in rows] == ["1", "2"]


def test_the_header_again_is_no_row(tmp_path: Path) -> None:
    text = "id,title,price\n1,Jug,9.5\n\ufeffid,title,price\n2,Cup,3\nid,title,price\n"
    rows, table = read(tmp_path / "feed.csv", text)
    assert (rows, table.rows) == (ROWS, 2)
    assert any("2 rows repeat the header" in note for note in table.notes)


def test_texts_within_formulas_and_behind_apostrophes(tmp_path: Path) -> None:
    text = 'id,title,sku\n="007",\'90s jug,\'0071\n"=""a """"b""""""",="x",0072\n'
    rows, table = read(tmp_path / "feed.csv", text)
    assert [row["id"] for row in rows] == ["007", 'a "b"']
    # in a column of words an apostrophe stands for what was left out
    assert [(row["title"], row["sku"]) for row in rows] == [("'90s jug", "0071"), ("x", "0072")]
    assert any("id, title, sku" in note for note in table.notes)


@pytest.mark.parametrize(
    "text",
    [
        '{"data": {"products": {"edges": [{"cursor": "x", "node": {"id": "1", "n": 1.5}}, {"node": {"id": "2"}}]}}}',
        '{"took": 1, "hits": {"hits": [{"_id": "1", "_source": {"n": 1.5}}, {"_id": "2", "_source": {"n": 2}}]}}',
    ],
)
def test_rows_within_answers_of_interfaces(tmp_path: Path, text: str) -> None:
    rows, _ = read(tmp_path / "feed.json", text)
    assert [row["id"] for row in rows] == ["1", "2"]


def test_dumps_of_search_engines(tmp_path: Path) -> None:
    path = tmp_path / "feed.jsonl"
    path.write_text('{"_id": "1", "_source": {"title": "Jug"}}\n{"_id": "9", "_source": {"id": 10.10}}\n')
    table = open_table(path)
    assert [row for batch in table.read(as_written=["id"]) for row in batch.rows()] == [
        {"id": "1", "title": "Jug"},
        {"id": "10.10"},
    ]


def test_one_line_is_a_row_although_a_list_is_in_it(tmp_path: Path) -> None:
    rows, table = read(tmp_path / "events.jsonl", '{"event_name": "view_item", "items": [{"item_id": "A"}]}\n')
    assert rows == [{"event_name": "view_item", "items": [{"item_id": "A"}]}] and table.format == "JSON lines"
    rows, _ = read(tmp_path / "held.jsonl", '{"items": [{"id": "A"}]}\n')
    assert rows == [{"id": "A"}]


def test_codes_that_a_spreadsheet_cut_are_told(tmp_path: Path) -> None:
    rows, table = read(tmp_path / "feed.csv", "id;title;gtin\n1;Jug;4,00638E+12\n2;Cup;1e5\n")
    assert [row["gtin"] for row in rows] == ["4,00638E+12", "1e5"]
    assert [note for note in table.notes if "4,00638E+12" in note and "lost" in note]
