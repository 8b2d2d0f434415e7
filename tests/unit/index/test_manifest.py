import hashlib
import json
from pathlib import Path

import pytest

from mercato.errors import SnapshotError
from mercato.index.manifest import SCHEMA_VERSION, Manifest, check_files, read_manifest
from mercato.manifest import record_folder


def make_folder(folder: Path) -> Manifest:
    (folder / "words").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"12345")
    (folder / "words" / "b.bin").write_bytes(b"67")
    manifest = Manifest(
        created="2026-01-01T00:00:00+00:00", products=2, texts=1, dimension=4, encoder="e", files=record_folder(folder)
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return manifest


def test_every_file_but_the_manifest_is_listed_with_size_and_checksum(tmp_path: Path) -> None:
    make_folder(tmp_path)

    files = read_manifest(tmp_path).files

    assert list(files) == ["a.bin", "words/b.bin"]
    assert (files["a.bin"].bytes, files["words/b.bin"].bytes) == (5, 2)
    assert files["a.bin"].sha256 == hashlib.sha256(b"12345").hexdigest()


def test_a_missing_folder_and_an_unfinished_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"no such folder; make one with `mercato index PRODUCTS --out"):
        read_manifest(tmp_path / "gone")
    with pytest.raises(SnapshotError, match=r"no manifest\.json, so it is no finished snapshot; build it again"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "should be an object"),
        ('{"schema_version": "x"}', "schema_version: "),
        (f'{{"schema_version": {SCHEMA_VERSION}}}', "created: Field required; products: Field required"),
    ],
)
def test_an_unreadable_manifest_is_refused_in_one_line(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "manifest.json").write_text(content)

    with pytest.raises(SnapshotError, match=rf"manifest\.json is not a manifest .*{problem}.*build it again"):
        read_manifest(tmp_path)


def test_another_schema_version_is_named_whatever_else_changed(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"schema_version": 7, "rows": "other fields"}))

    with pytest.raises(SnapshotError, match=rf"schema version 7, this Mercato reads {SCHEMA_VERSION}; build it again"):
        read_manifest(tmp_path)


def test_a_whole_folder_passes(tmp_path: Path) -> None:
    manifest = make_folder(tmp_path)
    (tmp_path / "extra").write_bytes(b"harmless")

    check_files(tmp_path, manifest, checksums=True)


def test_every_damaged_file_is_named_with_how(tmp_path: Path) -> None:
    manifest = make_folder(tmp_path)
    (tmp_path / "a.bin").write_bytes(b"123")
    (tmp_path / "words" / "b.bin").unlink()

    with pytest.raises(SnapshotError, match=r"a\.bin has 3 bytes instead of 5; words/b\.bin is missing; build it"):
        check_files(tmp_path, manifest, checksums=False)


def test_an_altered_byte_is_found_by_its_checksum_only(tmp_path: Path) -> None:
    manifest = make_folder(tmp_path)
    (tmp_path / "a.bin").write_bytes(b"12346")

    check_files(tmp_path, manifest, checksums=False)
    with pytest.raises(SnapshotError, match=r"a\.bin has another checksum"):
        check_files(tmp_path, manifest, checksums=True)
