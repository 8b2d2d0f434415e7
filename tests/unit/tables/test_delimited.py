"""CSV as people and spreadsheets save it: header, dialect, quotes, short and long rows, lines of what is wrong."""

from pathlib import Path

import pytest

from mercato.errors import DataError
from mercato.incoming import Rejected
from mercato.tables.open import open_table
from mercato.tables.table import Table

NOT_CLOSED = "holds a quote that is not closed; close it, or double quotes within values"


def open_text(folder: Path, text: str, name: str = "a.csv") -> Table:
    (folder / name).write_bytes(text.encode())
    return open_table(folder / name)


def rows(table: Table) -> list[dict[str, str]]:
    return [dict(row) for batch in table.read() for row in batch.rows()]


def rejected(table: Table) -> list[Rejected]:
    return [row for batch in table.read() for row in batch.rejected]


def lines(table: Table) -> list[int]:
    return [line for batch in table.read() for line in batch.lines]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_delimiters_are_found(tmp_path: Path, mark: str) -> None:
    table = open_text(tmp_path, f"id{mark}title\n1{mark}Mug\n2{mark}Lamp\n")
    assert rows(table) == [{"id": "1", "title": "Mug"}, {"id": "2", "title": "Lamp"}]


def test_a_decimal_comma_is_no_delimiter(tmp_path: Path) -> None:
    table = open_text(tmp_path, "id;title;price\n1;Mug, white;12,50\n2;Lamp, tall;8,00\n")
    assert rows(table)[0] == {"id": "1", "title": "Mug, white", "price": "12,50"}
    assert table.profiles["price"].is_number and table.profiles["price"].decimal_comma
    assert table.profiles["price"].to_number("1.234,5") == 1234.5


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\r\n', "SEP=;\r\n", "sep=;;;\r\n"])
def test_the_line_that_spreadsheets_write_for_themselves(tmp_path: Path, first: str) -> None:
    table = open_text(tmp_path, f"{first}id;title\r\n1;Mug\r\n")
    assert (table.columns, lines(table)) == (["id", "title"], [3])


@pytest.mark.parametrize(
    "above", ["\n\n", ";;\n", "Product list of May\n", "Product list;;\n\n", "Product list\n;;\n\n"]
)
def test_what_stands_above_the_header(tmp_path: Path, above: str) -> None:
    table = open_text(tmp_path, f"{above}id;title;price\n1;Mug;2\n2;Lamp;3\n")
    assert table.columns == ["id", "title", "price"]
    assert lines(table) == [above.count("\n") + 2, above.count("\n") + 3]


def test_blank_lines_and_rows_without_a_value_are_no_rows(tmp_path: Path) -> None:
    table = open_text(tmp_path, "id,title\n\n1,Mug\n,\n \n2,Lamp\n,,\n\n")
    assert rows(table) == [{"id": "1", "title": "Mug"}, {"id": "2", "title": "Lamp"}]
    assert (lines(table), rejected(table)) == ([3, 6], [])


def test_columns_without_a_name_and_without_values_are_left_out(tmp_path: Path) -> None:
    table = open_text(tmp_path, "id;title;;;\n1;Mug;;;\n2;Lamp\n")
    assert table.columns == ["id", "title"]
    assert table.notes[0] == "3 columns without a name and without values were left out"


def test_columns_without_a_name_and_with_values_get_one(tmp_path: Path) -> None:
    table = open_text(tmp_path, "id,,title\n1,red,Mug\n")
    assert rows(table) == [{"id": "1", "column 2": "red", "title": "Mug"}]
    assert "columns without a name are called column 2" in table.notes


def test_two_columns_of_one_name_are_both_there(tmp_path: Path) -> None:
    table = open_text(tmp_path, "id,title,tag,tag\n1,Mug,new,blue\n")
    assert rows(table) == [{"id": "1", "title": "Mug", "tag": "new", "tag (2)": "blue"}]
    assert table.repeated == {"tag (2)": "tag"}


def test_a_column_alone(tmp_path: Path) -> None:
    table = open_text(tmp_path, "id\n1\n2\n")
    assert rows(table) == [{"id": "1"}, {"id": "2"}]


def test_a_header_alone(tmp_path: Path) -> None:
    table = open_text(tmp_path, "id,title\n")
    assert (table.columns, rows(table), table.rows) == (["id", "title"], [], 0)


@pytest.mark.parametrize("text", ['""', '"', ",,\n;;", "sep=;\n", '"",""\n'])
def test_no_header_at_all(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="holds no rows; its first line must name the columns"):
        open_text(tmp_path, text)


def test_values_of_several_lines(tmp_path: Path) -> None:
    table = open_text(tmp_path, 'id,title,text\n1,Mug,"one\r\ntwo, ""three""\n\nfour"\n2,Lamp,x\n')
    assert rows(table)[0]["text"] == 'one\r\ntwo, "three"\n\nfour'
    assert lines(table) == [2, 6]


def test_lines_of_a_quoted_value_that_look_like_rows_stay_in_it(tmp_path: Path) -> None:
    table = open_text(tmp_path, 'id,title,text\n1,Mug,"sizes:\nS,M,L\n1,2,3\nend"\n2,Lamp,x\n')
    assert [row["text"] for row in rows(table)] == ["sizes:\nS,M,L\n1,2,3\nend", "x"]


def test_short_rows_are_filled_up_and_said(tmp_path: Path) -> None:
    table = open_text(tmp_path, "id,title,price\n1,Mug\n2,Lamp,3\n")
    assert rows(table)[0] == {"id": "1", "title": "Mug", "price": ""}
    assert "1 rows have fewer values than the header has columns; what they lack is blank" in table.notes


def test_a_short_row_of_several_lines(tmp_path: Path) -> None:
    table = open_text(tmp_path, 'id,title,price\n1,"a\nb"\n2,Lamp,3\n')
    assert rows(table)[0] == {"id": "1", "title": "a\nb", "price": ""}


def test_long_rows_are_told_with_their_line(tmp_path: Path) -> None:
    table = open_text(tmp_path, "id,title\n1,Mug,\n2,Lamp, tall\n3,Pen\n")
    assert [row["id"] for row in rows(table)] == ["1", "3"]
    assert rejected(table) == [
        Rejected(3, "has 3 values, the header has 2 columns; put values that hold ',' in quotes")
    ]


def test_a_quote_that_is_not_closed_costs_its_row_alone(tmp_path: Path) -> None:
    text = 'id,title,price\n1,"Mug,2\n2,Lamp,3\n3,Pen,4\n4,"Ink",5\n5,Cup,6\n'
    table = open_text(tmp_path, text)
    assert rejected(table) == [Rejected(2, NOT_CLOSED)]
    assert [row["id"] for row in rows(table)] == ["2", "3", "4", "5"]
    assert lines(table) == [3, 4, 5, 6]


def test_a_quote_that_is_never_closed_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a.csv: the quote that opens on line 3 is never closed; close it, or double"):
        open_text(tmp_path, 'id,title,price\n1,"Cup, white",1\n2,"Mug,2\n3,Lamp,3\n4,Pen,4\n')


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_file_that_ends_within_a_value_loses_that_row(tmp_path: Path, end: str) -> None:
    table = open_text(tmp_path, f'"id","title"\n"1","Mug"\n"2","Lamp, ta{end}')
    assert (rows(table), rejected(table)) == ([{"id": "1", "title": "Mug"}], [Rejected(3, NOT_CLOSED)])


def test_a_quote_that_is_never_closed_costs_nothing_where_every_line_is_a_row(tmp_path: Path) -> None:
    # The quotes around other values have a meaning, so those of the file are no letters.
    table = open_text(tmp_path, '"id","title"\n"1","Mug"\n"2","Lamp\n3,Pen\n')
    assert [row["title"] for row in rows(table)] == ["Mug", "Lamp", "Pen"]
    assert lines(table) == [2, 3, 4]


def test_inch_marks_in_a_file_that_knows_no_quotes(tmp_path: Path) -> None:
    table = open_text(tmp_path, 'id\ttitle\n1\tMonitor 27"\n2\t"15 screen\n3\tCable\n', "a.tsv")
    assert [row["title"] for row in rows(table)] == ['Monitor 27"', '"15 screen', "Cable"]
    assert "quotes in it are taken as they stand, for one is never closed" in table.notes


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path: Path, line_end: str) -> None:
    table = open_text(tmp_path, line_end.join(["id,title", "1,Mug", "2,Lamp"]))
    assert [row["title"] for row in rows(table)] == ["Mug", "Lamp"]


@pytest.mark.parametrize(
    ("name", "values", "is_number"),
    [
        ("width", ["1", "2.5", "-3", ".5", ""], True),
        ("width", ["1,5", "1.234,5"], True),
        ("width", ["007"], False),
        ("width", ["4006381333931"], False),
        ("width", ["1", "x"], False),
        ("width", ["", " "], False),
        ("article_id", ["1", "2"], False),
        ("SKU", ["1", "2"], False),
    ],
)
def test_columns_of_numbers(tmp_path: Path, name: str, values: list[str], is_number: bool) -> None:
    table = open_text(tmp_path, "".join(f"{line}\n" for line in (f"a;{name}", *(f"x;{value}" for value in values))))
    assert table.profiles[name].is_number == is_number
    assert list(table.profiles[name].sample) == [value for value in values if value.strip()]


def test_rows_that_cross_the_blocks_in_which_a_file_is_read(tmp_path: Path) -> None:
    long = "wide, soft\n" * 20_000  # 220,000 characters a value
    text = "id,title,text\n" + "".join(f'{at},Mug,"{long}"\n' for at in range(12))
    table = open_text(tmp_path, text)
    assert [(row["id"], row["text"] == long) for row in rows(table)] == [(str(at), True) for at in range(12)]
    assert lines(table) == [2 + at * 20_001 for at in range(12)]


@pytest.mark.parametrize("batch_rows", [1, 2, 3])
def test_an_open_quote_at_the_end_of_a_batch(tmp_path: Path, batch_rows: int) -> None:
    table = open_text(tmp_path, 'id,title\n1,Mug\n2,"Lamp, tall')
    batches = list(table.read(batch_rows=batch_rows))
    assert [row["id"] for batch in batches for row in batch.rows()] == ["1"]
    assert [row for batch in batches for row in batch.rejected] == [Rejected(3, NOT_CLOSED)]
