"""An exported model's folder: its ``manifest.json``, and whether its files are still those that were exported."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mercato.checksum import hash_file
from mercato.errors import ModelError

MANIFEST_FILE = "manifest.json"
SCHEMA_VERSION = 1


class FileRecord(BaseModel):
    """Size and sha256 of one exported file."""

    model_config = ConfigDict(frozen=True)

    bytes: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class ModelManifest(BaseModel):
    """The part of ``manifest.json`` that serving reads of every model; the exporter writes more, for people.

    A model's own manifest adds ``serving``, what serving needs to know about it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int
    files: dict[str, FileRecord]


ManifestT = TypeVar("ManifestT", bound=ModelManifest)


def read_model_manifest(folder: Path, kind: type[ManifestT], *, model: str, remedy: str) -> ManifestT:
    """Read the manifest of a model's folder.

    Args:
        folder: what ``mercato export`` wrote.
        kind: the manifest's type.
        model: the model's name, for messages.
        remedy: what to do about a bad folder, for messages.

    Raises:
        ModelError: the folder or its manifest is missing or malformed.
    """
    path = folder / MANIFEST_FILE
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise ModelError(f"{model}: {path} cannot be read ({exc.strerror}); {remedy}") from exc
    try:
        manifest = kind.model_validate_json(content)
    except ValidationError as exc:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'document'}: {problem['msg']}" for problem in exc.errors()
        )
        raise ModelError(f"{model}: {path} is not a manifest ({problems}); {remedy}") from exc
    if manifest.schema_version != SCHEMA_VERSION:
        raise ModelError(
            f"{model}: {path} has schema_version {manifest.schema_version}, this reads {SCHEMA_VERSION}; {remedy}"
        )
    return manifest


def check_model_file(
    folder: Path, name: str, manifest: ModelManifest, *, model: str, remedy: str, verify_hash: bool
) -> Path:
    """Return the path of an exported file, once it is the one the manifest describes.

    Args:
        folder: the model's folder.
        name: the file's name, a key of ``manifest.files``.
        manifest: the folder's manifest.
        model: the model's name, for messages.
        remedy: what to do about a bad folder, for messages.
        verify_hash: compare the sha256 too (about 0.1 s for 23 MB), not only the size.

    Raises:
        ModelError: the file is not in the manifest, is missing, or is not the one described.
    """
    path = folder / name
    record = manifest.files.get(name)
    if record is None:
        raise ModelError(
            f"{model}: {name} is not in {folder / MANIFEST_FILE}, which has {sorted(manifest.files)}; {remedy}"
        )
    try:
        size_bytes = path.stat().st_size
    except OSError as exc:
        raise ModelError(f"{model}: {path} cannot be read ({exc.strerror}); {remedy}") from exc
    if size_bytes != record.bytes:
        raise ModelError(f"{model}: {path} must have {record.bytes} bytes, has {size_bytes}; {remedy}")
    if verify_hash and (digest := hash_file(path)) != record.sha256:
        raise ModelError(f"{model}: {path} must have sha256 {record.sha256}, has {digest}; {remedy}")
    return path
