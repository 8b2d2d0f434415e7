"""The manifest of a catalogue snapshot: what is in it, what it was built with, and a checksum for each file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mercato.checksum import hash_file
from mercato.errors import SnapshotError

SCHEMA_VERSION = 3
MANIFEST_NAME = "manifest.json"
_REBUILD = "build it again with `mercato index`"


class FileEntry(BaseModel):
    """Size and checksum of one file of a snapshot."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str


class Manifest(BaseModel):
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

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    created: str
    products: int
    texts: int
    dimension: int
    encoder: str
    product_sequence: int = 0
    event_sequence: int = 0
    last_event_time: float | None = None
    files: dict[str, FileEntry]


class _SchemaVersion(BaseModel):
    """The one field that manifests of all versions have."""

    schema_version: int


def record_file(path: Path) -> FileEntry:
    """Return size and sha256 of a file."""
    return FileEntry(bytes=path.stat().st_size, sha256=hash_file(path))


def hash_folder(folder: Path) -> dict[str, FileEntry]:
    """Return an entry for every file below a folder but the manifest itself."""
    paths: Iterable[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): record_file(p) for p in paths if p.name != MANIFEST_NAME}


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a snapshot.

    Raises:
        SnapshotError: no such folder, no manifest, or one of another schema version.
    """
    path = folder / MANIFEST_NAME
    if not folder.is_dir():
        raise SnapshotError(
            f"catalogue {folder}: no such folder; make one with `mercato index PRODUCTS --out {folder}`"
        )
    try:
        document = path.read_bytes()
        version = _SchemaVersion.model_validate_json(document).schema_version
        manifest = Manifest.model_validate_json(document) if version == SCHEMA_VERSION else None
    except FileNotFoundError as exc:
        raise SnapshotError(
            f"catalogue {folder}: no {MANIFEST_NAME}, so it is no finished snapshot; {_REBUILD}"
        ) from exc
    except (ValidationError, OSError) as exc:
        problem = _describe(exc) if isinstance(exc, ValidationError) else str(exc)
        raise SnapshotError(f"catalogue {folder}: {MANIFEST_NAME} cannot be read ({problem}); {_REBUILD}") from exc
    if manifest is None:
        raise SnapshotError(
            f"catalogue {folder}: schema version {version}, this Mercato reads {SCHEMA_VERSION}; {_REBUILD}"
        )
    return manifest


def check_files(folder: Path, manifest: Manifest, *, checksums: bool) -> None:
    """Check that every file of the manifest is there and whole.

    Args:
        folder: the snapshot.
        manifest: its manifest.
        checksums: compare the sha256 too (reads every byte), not only the size.

    Raises:
        SnapshotError: names every file that differs, and how.
    """
    problems = []
    for name, entry in manifest.files.items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size is None:
            problems.append(f"{name} is missing")
        elif size != entry.bytes:
            problems.append(f"{name} has {size} bytes instead of {entry.bytes}")
        elif checksums and hash_file(path) != entry.sha256:
            problems.append(f"{name} has another checksum")
    if problems:
        raise SnapshotError(f"catalogue {folder}: {'; '.join(problems)}; {_REBUILD}")


def _describe(error: ValidationError) -> str:
    """Say in one line what is wrong with which field."""
    problems = [(".".join(map(str, item["loc"])), item["msg"]) for item in error.errors(include_url=False)]
    return "; ".join(f"{place}: {message}" if place else message for place, message in problems)
