"""An exported model's folder: its ``manifest.json``, and whether its files are still those that were exported."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from mercato.errors import ModelError
from mercato.manifest import MANIFEST_FILE, FileRecord, VersionedManifest, find_change, read_manifest

SCHEMA_VERSION = 1


class ModelManifest(VersionedManifest):
    """The part of ``manifest.json`` that serving reads of every model; the exporter writes more, for people.

    A model's own manifest adds ``serving``, what serving needs to know about it.
    """

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
    return read_manifest(path, kind, version=SCHEMA_VERSION, subject=model, remedy=remedy, error=ModelError)


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
    change = find_change(path, record, checksum=verify_hash)
    if change:
        raise ModelError(f"{model}: {path} {change}; {remedy}")
    return path
