"""Whatever lies in a file: rows, or one sentence that says what to do. Never a traceback, never another exception."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mercato.catalog.product import Product
from mercato.catalog.read import open_products
from mercato.cli.main import app
from mercato.errors import DataError, InvalidInputError
from mercato.incoming import Rejected

SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".xml", ".rss", ".parquet", ".csv.gz", ".zip", ".xlsx", "")
# Pieces of which files are made, so that the interesting places are reached.
PIECES = (
    b"id,title\n", b"id;title;price\r\n", b"id\ttitle\r", b"sep=;\n", b'"', b'""', b",", b"\n", b"\r\n", b"\0", b"\xff",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"1,a\n", b"1;a;2\n", b'{"id": 1, "title": "a"}', b"[",
    b"]", b"{", b"}", b"NaN", b"1e999", b'"\\ud800"', b"<?xml version='1.0' encoding='shift_jis'?>", b"<rss>",
    b"<item>", b"<id>1</id><title>a</title>", b"</item>", b"</rss>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;",
    b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"\x80\x81", "é".encode(), "日本".encode("shift_jis"),
)  # fmt: skip
any_bytes = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))


def read(path: Path) -> list[Product | Rejected] | str:
    """Read a file as the command does; the sentence where it is refused."""
    try:
        return [item for batch in open_products(path).read() for item in batch]
    except (DataError, InvalidInputError) as exc:
        return str(exc)


def check(path: Path) -> None:
    answer = read(path)
    sentences = [answer] if isinstance(answer, str) else [item.reason for item in answer if isinstance(item, Rejected)]
    for sentence in sentences:
        assert sentence.strip() and "\n" not in sentence and len(sentence) < 2_000, sentence
        assert "Traceback" not in sentence


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=any_bytes, suffix=st.sampled_from(SUFFIXES))
@example(content=b'""', suffix=".csv")
@example(content=b"id,title\n" + b'1,"a\n' * 3, suffix=".csv")
def test_any_bytes_give_rows_or_one_sentence(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"feed{suffix}"
    path.write_bytes(content)
    check(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=any_bytes, suffix=st.sampled_from(SUFFIXES), packing=st.sampled_from(["gz", "zip"]))
def test_any_bytes_in_a_package(tmp_path: Path, content: bytes, suffix: str, packing: str) -> None:
    path = tmp_path / f"feed{suffix}.{packing}"
    path.write_bytes(pack(content, packing, f"feed{suffix}"))
    check(path)


def pack(content: bytes, packing: str, name: str = "feed.csv") -> bytes:
    if packing == "gz":
        return gzip.compress(content)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name or "feed", content)
    return held.getvalue()


ROWS = [
    {"id": f"A{at}", "title": f"Tasse {at}, groß", "price": "12,50 €", "description": 'Two\nlines, 15" wide'}
    for at in range(8)
]


def make_csv(encoding: str = "utf-8") -> bytes:
    held = io.StringIO(newline="")
    writer = csv.DictWriter(held, list(ROWS[0]))
    writer.writeheader()
    writer.writerows(ROWS)
    return held.getvalue().encode(encoding)


def make_xml() -> bytes:
    items = "".join(
        "<item>" + "".join(f"<{name}>{value}</{name}>" for name, value in row.items()) + "</item>" for row in ROWS
    )
    return f"<?xml version='1.0'?><rss><channel>{items}</channel></rss>".encode()


def make_parquet() -> bytes:
    held = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), held)
    return held.getvalue()


VALID: dict[str, Callable[[], bytes]] = {
    ".csv": make_csv,
    ".wide.csv": lambda: make_csv("utf-16"),
    ".latin.csv": lambda: make_csv("cp1252"),
    ".jsonl": lambda: "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode(),
    ".json": lambda: json.dumps({"products": ROWS}, indent=1).encode(),
    ".xml": make_xml,
    ".parquet": make_parquet,
    ".csv.gz": lambda: pack(make_csv(), "gz"),
    ".zip": lambda: pack(make_csv(), "zip"),
}
FILES = {suffix: make() for suffix, make in VALID.items()}


@pytest.mark.parametrize("suffix", FILES)
def test_files_that_are_mutated_below_are_read_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"feed{suffix}"
    path.write_bytes(FILES[suffix])
    answer = read(path)
    assert [item.id for item in answer if isinstance(item, Product)] == [row["id"] for row in ROWS], answer


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from(sorted(FILES)))
def test_a_damaged_file_gives_rows_or_one_sentence(tmp_path: Path, data: st.DataObject, suffix: str) -> None:
    content = bytearray(FILES[suffix])
    at = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "double", "drop", "insert"]))
    if kind == "flip":
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[place] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del content[at:]
    elif kind == "double":
        content += content[at:]
    elif kind == "drop":
        del content[at : at + data.draw(st.integers(1, 40))]
    else:
        content[at:at] = data.draw(st.sampled_from(PIECES))
    path = tmp_path / f"feed{suffix}"
    path.write_bytes(bytes(content))
    check(path)


def test_each_byte_of_a_parquet_file_may_be_wrong(tmp_path: Path) -> None:
    # Names of columns among them, which a damaged file need not hold in UTF-8.
    path = tmp_path / "feed.parquet"
    for place in range(len(FILES[".parquet"])):
        content = bytearray(FILES[".parquet"])
        content[place] ^= 0x80
        path.write_bytes(bytes(content))
        check(path)


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("whole.csv", FILES[".csv"], 0),
        ("wide.csv", FILES[".wide.csv"], 0),
        ("array.json", FILES[".json"], 0),
        ("feed.xml", FILES[".xml"], 0),
        ("table.parquet", FILES[".parquet"], 0),
        ("some.csv", FILES[".csv"] + b",no id\n", 3),
        ("long.csv", FILES[".csv"] + b"9,a,b,c,d,e\n", 3),
        ("none.csv", b"id,title\n", 1),
        ("blank.csv", b'""', 1),
        ("open.csv", b'id,title,a\n1,"Pen,2\n3,4\n', 1),
        ("half.xml", FILES[".xml"][:-30], 1),
        ("half.csv.gz", FILES[".csv.gz"][:-30], 1),
        ("half.parquet", FILES[".parquet"][:-30], 1),
        ("half.json", FILES[".json"][:-30], 1),
        ("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), 1),
        ("zeros.csv", bytes(5_000), 1),
        ("deep.jsonl", b'{"id": 1, "title": "a", "x": ' + b'{"a":' * 990 + b"1" + b"}" * 990 + b"}", 3),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_command_says_what_became_of_a_file(
    tmp_path: Path, name: str, content: bytes, status: int, as_json: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = CliRunner().invoke(app, ["index", str(path), "--dry-run", *(["--json"] if as_json else [])])
    assert (result.exit_code, isinstance(result.exception, SystemExit) or result.exception is None) == (status, True)
    assert "Traceback" not in result.output
    if as_json:
        answer = json.loads(result.stdout)
        assert ("error" in answer) == (status == 1)
