"""Any table, written in any of the formats, encodings, dialects and packings, comes back equal.

Equal means: the same columns in the same order (white space in a name is one space), as many rows, and in each the same
texts, character for character. What a format cannot hold is left out before: rows without any value (nobody can
tell them from blank lines) or equal to the header (as in files put one behind another),
in XML control characters and white space around a text (which is layout there).
"""

import csv
import gzip
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mercato.tables.open import open_table

Rows = list[dict[str, str]]

# Names of columns are words of any script; digits and spaces may follow.
names = st.text(st.sampled_from("abcXYZéßжд日本語한글עב"), min_size=1, max_size=8)
# Quotes, delimiters and line ends are drawn more often than others; no NUL, and no half of a surrogate pair.
texts = st.lists(
    st.one_of(
        st.sampled_from(
            ['"', '""', ",", ";", "\t", "|", "\n", "\r\n", "\r", " ", "'", "\\", "a", "12,5", "007", "é", "日"]
        ),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=8,
).map("".join)
quick = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def tables(draw: st.DrawFn, values: st.SearchStrategy[str] = texts, least: int = 2) -> Rows:
    columns = draw(st.lists(names, min_size=least, max_size=5, unique_by=lambda name: name.casefold()))
    rows = draw(st.lists(st.tuples(*(values for _ in columns)), min_size=1, max_size=6))
    return [dict(zip(columns, row, strict=True)) for row in rows if any(map(str.strip, row)) and list(row) != columns]


def read(path: Path, encoding: str = "") -> list[dict[str, Any]]:
    found = []
    for batch in open_table(path, encoding=encoding).read():
        assert list(batch.rejected) == []
        found += [dict(row) for row in batch.rows()]
    return found


def pack(path: Path, content: bytes, packing: str) -> Path:
    if packing == "zip":
        with zipfile.ZipFile(path.with_name(f"{path.name}.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path.name, content)
        return path.with_name(f"{path.name}.zip")
    path = path.with_name(f"{path.name}.gz") if packing else path
    path.write_bytes(gzip.compress(content) if packing else content)
    return path


def write_csv(rows: Rows, **options: Any) -> str:
    held = io.StringIO(newline="")
    writer = csv.DictWriter(held, list(rows[0]), **options)
    writer.writeheader()
    writer.writerows(rows)
    return held.getvalue()


packings = st.sampled_from(["", "gz", "zip"])


@quick
@given(
    rows=tables().filter(bool),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    packing=packings,
)
@example(
    rows=[{"id": "1", "text": '\na,b,"c"\nd,e,f\ng,h,i\n', "x": ""}],
    delimiter=",",
    line_end="\n",
    quoting=csv.QUOTE_MINIMAL,
    encoding="utf-8",
    packing="",
)
def test_text_with_delimiters(
    tmp_path: Path, rows: Rows, delimiter: str, line_end: str, quoting: Any, encoding: str, packing: str
) -> None:
    if line_end != "\r\n":
        quoting = csv.QUOTE_ALL  # Python's writer before 3.13 leaves the other line end in a value without quotes
    text = write_csv(rows, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    assert read(pack(tmp_path / "feed.csv", text.encode(encoding), packing)) == rows


@quick
@given(
    rows=tables(st.text(st.characters(codec="cp1252", exclude_characters="\0"), max_size=12)).filter(bool),
    delimiter=st.sampled_from([",", ";"]),
)
def test_an_encoding_that_is_said(tmp_path: Path, rows: Rows, delimiter: str) -> None:
    rows = [{f"column{at}": value for at, value in enumerate(row.values())} for row in rows]
    (tmp_path / "feed.csv").write_bytes(write_csv(rows, delimiter=delimiter).encode("cp1252"))
    assert read(tmp_path / "feed.csv", "windows-1252") == rows


@quick
@given(rows=tables().filter(bool), stated=st.booleans(), columns=st.integers(0, 3))
@example(rows=[{"X": "", "XX": ",12,5"}, {"X": "", "XX": ",12,5"}], stated=False, columns=0)
def test_what_spreadsheets_add(tmp_path: Path, rows: Rows, stated: bool, columns: int) -> None:
    text = ("sep=;\r\n" if stated else "") + write_csv(rows, delimiter=";")
    if columns:
        wide = [[*row, *[""] * columns] for row in csv.reader(io.StringIO(text, newline=""), delimiter=";")]
        held = io.StringIO(newline="")
        csv.writer(held, delimiter=";").writerows(wide[1:] if stated else wide)
        text = ("sep=;" + ";" * columns + "\r\n" if stated else "") + held.getvalue()
    (tmp_path / "feed.csv").write_bytes(text.encode())
    assert read(tmp_path / "feed.csv") == rows


@quick
@given(
    rows=tables(least=1).filter(bool),
    indent=st.sampled_from([None, 1]),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
    holder=st.sampled_from(["", "products"]),
    packing=packings,
    is_ascii=st.booleans(),
)
def test_json_in_one_document(
    tmp_path: Path, rows: Rows, indent: int | None, encoding: str, holder: str, packing: str, is_ascii: bool
) -> None:
    text = json.dumps({holder: rows} if holder else rows, indent=indent, ensure_ascii=is_ascii)
    assert read(pack(tmp_path / "feed.json", text.encode(encoding), packing)) == rows


@quick
@given(rows=tables(least=1).filter(bool), line_end=st.sampled_from(["\n", "\r\n", "\n\n"]), packing=packings)
def test_json_lines(tmp_path: Path, rows: Rows, line_end: str, packing: str) -> None:
    text = line_end.join(json.dumps(row, ensure_ascii=False) for row in rows)
    assert read(pack(tmp_path / "feed.jsonl", text.encode(), packing)) == rows


xml_texts = texts.map(lambda text: re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]", "", text).strip())


@quick
@given(
    rows=tables(xml_texts).filter(bool),
    encoding=st.sampled_from(["utf-8", "utf-16", "iso-8859-1", "windows-1252", "shift_jis", "gb18030"]),
    row_name=st.sampled_from(["item", "entry", "product"]),
    packing=packings,
)
def test_xml(tmp_path: Path, rows: Rows, encoding: str, row_name: str, packing: str) -> None:
    def keep(text: str) -> str:
        # Python writes the yen of Shift JIS as the backslash that it reads.
        return "".join(char for char in text if char.encode(encoding, "ignore").decode(encoding) in ("", char)).strip()

    # As names of elements only plain words will do; a line end alone is not kept by any parser of XML.
    rows = [
        {f"field{at}": keep(value.replace("\r\n", "\n").replace("\r", "\n")) for at, value in enumerate(row.values())}
        for row in rows
    ]
    root = ElementTree.Element("feed")
    for row in rows:
        element = ElementTree.SubElement(root, row_name)
        for name, value in row.items():
            ElementTree.SubElement(element, name).text = value
    content = ElementTree.tostring(root, encoding=encoding, xml_declaration=True)
    expected = [{name: value for name, value in row.items() if value} for row in rows]
    assert read(pack(tmp_path / "feed.xml", content, packing)) == expected


@quick
@given(rows=tables(least=1).filter(bool))
def test_parquet(tmp_path: Path, rows: Rows) -> None:
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "feed.parquet")
    assert read(tmp_path / "feed.parquet") == rows


@pytest.mark.parametrize("size", [1, 2, 3, 7, 4_096])
def test_batches_are_of_the_size_that_is_asked_for(tmp_path: Path, size: int) -> None:
    rows = [{"id": str(at), "text": "two\nlines" if at % 3 == 0 else "one"} for at in range(20)]
    (tmp_path / "feed.csv").write_text(write_csv(rows))
    batches = list(open_table(tmp_path / "feed.csv").read(batch_rows=size))
    assert [len(batch.lines) for batch in batches] == [min(size, 20 - start) for start in range(0, 20, size)]
    assert [dict(row) for batch in batches for row in batch.rows()] == rows
    lines = [line for batch in batches for line in batch.lines]
    assert lines == [2 + at + (at + 2) // 3 for at in range(20)]
