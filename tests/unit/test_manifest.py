"""What every manifest has in common: version, records of files, and what is said of a bad one."""

import hashlib
from pathlib import Path

import pytest

from mercato.errors import ModelError
from mercato.manifest import (
    FileRecord,
    VersionedManifest,
    find_change,
    read_manifest,
    record_file,
    record_folder,
    write_manifest,
)


class Named(VersionedManifest):
    name: str


def read(path: Path) -> Named:
    return read_manifest(path, Named, version=2, subject="thing", remedy="make it again", error=ModelError)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.json", Named(schema_version=2, name="a"))
    assert read(tmp_path / "manifest.json") == Named(schema_version=2, name="a")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, r"cannot be read \(No such file or directory\)"),
        ("{", "is not a manifest .document: Invalid JSON.*"),
        ('{"schema_version": 2}', "is not a manifest .name: Field required."),
        ('{"schema_version": 7, "other": 1}', "has schema version 7, this Mercato reads 2"),
    ],
)
def test_a_bad_one_says_what_and_what_to_do(tmp_path: Path, content: str | None, problem: str) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ModelError, match=f"thing: .*manifest.json {problem}; make it again"):
        read(path)


def test_files_are_known_by_size_and_checksum(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    path = tmp_path / "below" / "a.bin"
    path.write_bytes(b"12345")
    (tmp_path / "manifest.json").write_text("{}")
    record = FileRecord(bytes=5, sha256=hashlib.sha256(b"12345").hexdigest())
    assert record_file(path) == record
    assert record_folder(tmp_path) == {"below/a.bin": record}
    assert find_change(path, record, checksum=True) == ""
    path.write_bytes(b"12346")
    assert find_change(path, record, checksum=False) == ""
    assert find_change(path, record, checksum=True) == "has another checksum"
    path.write_bytes(b"1234")
    assert find_change(path, record, checksum=False) == "has 4 bytes instead of 5"
    path.unlink()
    assert find_change(path, record, checksum=False) == "is missing"
