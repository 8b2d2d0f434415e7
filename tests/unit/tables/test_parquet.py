"""Parquet: one bad value costs its row at most, never the file."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mercato.errors import DataError
from mercato.tables.open import open_table
from mercato.tables.table import Table


def open_columns(folder: Path, columns: dict[str, Any]) -> Table:
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return open_table(folder / "a.parquet")


def rows(table: Table) -> list[dict[str, Any]]:
    return [dict(row) for batch in table.read() for row in batch.rows()]


def test_types_come_through(tmp_path: Path) -> None:
    columns = {
        "id": [7, None],
        "tags": [["a", "b"], None],
        "size": [{"width": 2}, None],
        "made": [date(2026, 1, 2), None],
    }
    table = open_columns(tmp_path, columns)
    assert rows(table)[0] == {"id": 7, "tags": ["a", "b"], "size": {"width": 2}, "made": date(2026, 1, 2)}
    assert (table.rows, table.format, table.columns) == (2, "Parquet", ["id", "tags", "size", "made"])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_text_that_is_no_utf8_comes_as_bytes(tmp_path: Path, kind: pa.DataType) -> None:
    raw = pa.array([b"Mug", b"Caf\xe9", None], pa.large_binary() if kind == pa.large_string() else pa.binary())
    assert [row["title"] for row in rows(open_columns(tmp_path, {"title": raw.view(kind)}))] == [
        "Mug",
        b"Caf\xe9",
        None,
    ]


def test_dates_beyond_the_calendar_come_as_text(tmp_path: Path) -> None:
    made = pa.array([0, 10**8, None], pa.date32())
    assert [row["made"] for row in rows(open_columns(tmp_path, {"made": made}))][0] == date(1970, 1, 1)
    moments = pa.array([0, 2**62, None], pa.timestamp("us"))
    found = [row["moment"] for row in rows(open_columns(tmp_path, {"moment": moments}))]
    assert (isinstance(found[1], str), found[2]) == (True, None)


def test_bad_values_within_lists_and_objects(tmp_path: Path) -> None:
    raw = pa.array([b"Mug", b"Caf\xe9"], pa.binary()).view(pa.string())
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), raw)
    objects = pa.StructArray.from_arrays([raw, pa.array([0, 10**8], pa.date32())], ["name", "made"])
    found = rows(open_columns(tmp_path, {"tags": lists, "part": objects}))
    assert [row["tags"] for row in found] == [["Mug"], [b"Caf\xe9"]]
    assert found[0]["part"] == {"name": "Mug", "made": date(1970, 1, 1)}
    assert found[1]["part"]["name"] == b"Caf\xe9"


def test_pictures_and_the_index_of_pandas_are_no_columns(tmp_path: Path) -> None:
    table = open_columns(tmp_path, {"id": [1], "picture": [b"\xff\xd8"], "__index_level_0__": [0]})
    assert table.columns == ["id"]
    assert rows(table) == [{"id": 1}]


def test_lines_are_those_of_the_rows(tmp_path: Path) -> None:
    table = open_columns(tmp_path, {"id": list(range(10))})
    assert [line for batch in table.read(batch_rows=4) for line in batch.lines] == list(range(1, 11))


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + bytes(100), b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match="truncated, damaged or misnamed"):
        open_table(tmp_path / "a.parquet")
