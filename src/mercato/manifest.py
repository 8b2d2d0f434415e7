"""Manifests: JSON beside files that says what they are, of which version, and by which checksum they are known.

One kind for catalogue snapshots, exported models and engines; each adds its own fields, and says where a bad one shows
up and what to do about it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mercato.checksum import hash_file
from mercato.errors import MercatoError

MANIFEST_FILE = "manifest.json"


class FileRecord(BaseModel):
    """Size and checksum of one file."""

    model_config = ConfigDict(frozen=True)

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class VersionedManifest(BaseModel):
    """What every manifest has; fields that it does not know are for people, and ignored.

    Attributes:
        schema_version: of the manifest's own layout; a reader refuses any other than its own.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int


ManifestT = TypeVar("ManifestT", bound=VersionedManifest)


class _Version(BaseModel):
    """The one field that manifests of all versions have."""

    schema_version: int | None = None


def read_manifest(
    path: Path, kind: type[ManifestT], *, version: int, subject: str, remedy: str, error: type[MercatoError]
) -> ManifestT:
    """Read a manifest.

    Args:
        path: the file.
        kind: the manifest's type.
        version: the schema version that this reads.
        subject: whose manifest it is, for messages.
        remedy: what to do about a bad one, for messages.
        error: raised for a bad one.

    Raises:
        MercatoError: ``error``, where the file is missing, malformed, or of another schema version.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise error(f"{subject}: {path} cannot be read ({exc.strerror}); {remedy}") from exc
    try:
        found = _Version.model_validate_json(content).schema_version
        manifest = kind.model_validate_json(content) if found in (None, version) else None
    except ValidationError as exc:
        raise error(f"{subject}: {path} is not a manifest ({describe_problems(exc)}); {remedy}") from exc
    if manifest is None:
        raise error(f"{subject}: {path} has schema version {found}, this Mercato reads {version}; {remedy}")
    return manifest


def write_manifest(path: Path, manifest: VersionedManifest) -> None:
    """Write a manifest as JSON that people can read."""
    path.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def record_file(path: Path) -> FileRecord:
    """Return size and sha256 of a file."""
    return FileRecord(bytes=path.stat().st_size, sha256=hash_file(path))


def record_folder(folder: Path) -> dict[str, FileRecord]:
    """Return a record of every file below a folder but the manifest itself, by relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): record_file(path) for path in paths if path.name != MANIFEST_FILE}


def find_change(path: Path, record: FileRecord, *, checksum: bool) -> str:
    """Say how a file differs from its record, as a clause; empty where it does not.

    Args:
        path: the file.
        record: what its manifest says of it.
        checksum: compare the sha256 too (reads every byte), not only the size.
    """
    size = path.stat().st_size if path.is_file() else None
    if size is None:
        return "is missing"
    if size != record.bytes:
        return f"has {size} bytes instead of {record.bytes}"
    if checksum and hash_file(path) != record.sha256:
        return "has another checksum"
    return ""


def describe_problems(error: ValidationError) -> str:
    """Say in one line what is wrong with which field."""
    problems = [(".".join(map(str, item["loc"])), item["msg"]) for item in error.errors(include_url=False)]
    return "; ".join(f"{where or 'document'}: {message}" for where, message in problems)
