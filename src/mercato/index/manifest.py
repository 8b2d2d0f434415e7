"""The manifest of a catalogue snapshot: what is in it, what it was built with, and a checksum for each file."""

from __future__ import annotations

from pathlib import Path

from mercato.errors import SnapshotError
from mercato.manifest import MANIFEST_FILE, FileRecord, VersionedManifest, find_change
from mercato.manifest import read_manifest as read_any_manifest

SCHEMA_VERSION = 3
_REBUILD = "build it again with `mercato index`"


class Manifest(VersionedManifest):
    """What a snapshot holds.

    Attributes:
        schema_version: layout of the folder; a reader refuses any other than its own.
        created: RFC 3339 time of the build.
        products: number of products, the rows 0..products-1.
        texts: number of distinct encoded texts.
        dimension: length of a vector.
        encoder: identity of the encoder that made the vectors.
        product_sequence: last product change in state that the snapshot contains.
        event_sequence: last event in state when its signals were learned.
        last_event_time: of the events that they were learned from the latest time, seconds since 1970 UTC; None where
            there were none.
        files: every other file of the folder by relative path.
    """

    schema_version: int = SCHEMA_VERSION
    created: str
    products: int
    texts: int
    dimension: int
    encoder: str
    product_sequence: int = 0
    event_sequence: int = 0
    last_event_time: float | None = None
    files: dict[str, FileRecord]


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a snapshot.

    Raises:
        SnapshotError: no such folder, no manifest, or one of another schema version.
    """
    path = folder / MANIFEST_FILE
    if not folder.is_dir():
        raise SnapshotError(
            f"catalogue {folder}: no such folder; make one with `mercato index PRODUCTS --out {folder}`"
        )
    if not path.exists():
        raise SnapshotError(f"catalogue {folder}: no {MANIFEST_FILE}, so it is no finished snapshot; {_REBUILD}")
    return read_any_manifest(
        path, Manifest, version=SCHEMA_VERSION, subject="catalogue", remedy=_REBUILD, error=SnapshotError
    )


def check_files(folder: Path, manifest: Manifest, *, checksums: bool) -> None:
    """Check that every file of the manifest is there and whole.

    Args:
        folder: the snapshot.
        manifest: its manifest.
        checksums: compare the sha256 too (reads every byte), not only the size.

    Raises:
        SnapshotError: names every file that differs, and how.
    """
    changes = {name: find_change(folder / name, record, checksum=checksums) for name, record in manifest.files.items()}
    problems = [f"{name} {change}" for name, change in changes.items() if change]
    if problems:
        raise SnapshotError(f"catalogue {folder}: {'; '.join(problems)}; {_REBUILD}")
