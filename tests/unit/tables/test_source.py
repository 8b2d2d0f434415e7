"""What packs a table: found by content, not by name; what holds no table is refused in one sentence."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from mercato.errors import DataError
from mercato.tables.open import open_table
from mercato.tables.source import find_source

CSV = b"id,title\n1,Pen\n2,Ink\n"
ROWS = [{"id": "1", "title": "Pen"}, {"id": "2", "title": "Ink"}]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read(path: Path) -> list[dict[str, str]]:
    return [dict(row) for batch in open_table(path).read() for row in batch.rows()]


def archive(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return held.getvalue()


@pytest.mark.parametrize("name", ["feed.csv.gz", "feed.csv", "FEED.CSV.GZ"])
def test_gzip_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    assert read(write(tmp_path / name, gzip.compress(CSV))) == ROWS


def test_a_download_that_was_unpacked_on_the_way_keeps_its_name(tmp_path: Path) -> None:
    assert read(write(tmp_path / "feed.csv.gz", CSV)) == ROWS


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_of_one_file(tmp_path: Path, method: int) -> None:
    path = write(tmp_path / "export.zip", archive({"out/products.csv": CSV}, method))
    assert (find_source(path).packing, find_source(path).suffix) == ("zip", ".csv")
    assert read(path) == ROWS


def test_what_a_mac_adds_to_an_archive_is_no_file_of_it(tmp_path: Path) -> None:
    files = {"__MACOSX/._products.csv": b"\0\5", "products.csv": CSV, ".DS_Store": b"\0"}
    assert read(write(tmp_path / "export.zip", archive(files))) == ROWS


def test_an_archive_of_several_files_is_refused_by_their_names(tmp_path: Path) -> None:
    path = write(tmp_path / "export.zip", archive({"a.csv": CSV, "b.csv": CSV}))
    with pytest.raises(DataError, match=r"export.zip holds 2 files \(a.csv, b.csv\); unpack it and give one of them"):
        open_table(path)


def test_an_empty_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 0 files"):
        open_table(write(tmp_path / "a.zip", archive({"folder/": b""})))


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(archive({"a.csv": CSV}, zipfile.ZIP_STORED))
    for magic, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the flag of encryption in both headers
        content[content.index(magic) + at] |= 1
    with pytest.raises(DataError, match="is encrypted; unpack it with its password"):
        open_table(write(tmp_path / "a.zip", bytes(content)))


def test_an_archive_of_another_method_is_refused(tmp_path: Path) -> None:
    content = bytearray(archive({"a.csv": CSV}, zipfile.ZIP_STORED))
    for magic, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        content[content.index(magic) + at] = 93  # zstd
    with pytest.raises(DataError, match="packed in a way that cannot be read here; unpack it"):
        open_table(write(tmp_path / "a.zip", bytes(content)))


LONG = CSV + b"".join(b"%d,Pen %d\n" % (at, at * at) for at in range(3, 2_000))


@pytest.mark.parametrize("packed", [gzip.compress(LONG)[:-20], archive({"a.csv": LONG})[:-200]], ids=["gz", "zip"])
def test_a_package_that_ends_too_soon_is_refused(tmp_path: Path, packed: bytes) -> None:
    with pytest.raises(DataError, match="truncated or damaged"):
        open_table(write(tmp_path / "a.csv.gz", packed))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xlsx", archive({"[Content_Types].xml": b"<a/>", "xl/workbook.xml": b"<a/>"}), "is a spreadsheet or doc"),
        ("a.ods", archive({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"}), "is a spreadsheet or doc"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), r"an old spreadsheet or document \(.xls\)"),
        ("a.pdf", b"%PDF-1.7\n", "is a PDF document"),
        ("a.csv", b"%PDF-1.7\n", "is a PDF document"),
        ("a.csv", b"\x89PNG\r\n\x1a\n", "is a picture"),
        ("a.csv", b"SQLite format 3\0", "is an SQLite database"),
        ("a.csv.bz2", b"BZh91AY&SY", "is packed by bzip2"),
        ("a.csv.xz", b"\xfd7zXZ\0\0", "is packed by xz"),
        ("a.csv", b"<!DOCTYPE html><html>", "is a web page; the download was refused or needs a login"),
        ("a.xml", b"\n<html><head>", "is a web page"),
        ("a.csv", b"", r"is empty \(0 bytes\)"),
        ("a.csv", b" \n\r\n", "is empty"),
        ("a.parquet", b"id,title\n", "cannot be read as .parquet; it is truncated, damaged or misnamed"),
        ("a.docx.txt", bytes(3_000) + b"a", "holds no text"),
        ("a.dat", CSV, "the format must be one of .parquet, .csv"),
    ],
)
def test_what_holds_no_table_is_refused_in_one_sentence(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        open_table(write(tmp_path / name, content))
    assert name in str(error.value) and "\n" not in str(error.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        open_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is no file"):
        open_table(tmp_path)


def test_what_a_file_begins_with_goes_before_its_suffix(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", b'{"id": "1", "title": "Pen"}\n{"id": "2", "title": "Ink"}\n')) == ROWS
    items = b"".join(
        b"<item><id>%d</id><title>%s</title></item>" % (at, name) for at, name in ((1, b"Pen"), (2, b"Ink"))
    )
    assert read(write(tmp_path / "b.txt", b"<?xml version='1.0'?><a>" + items + b"</a>")) == ROWS
