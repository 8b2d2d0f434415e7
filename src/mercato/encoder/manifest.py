"""The manifest of an exported encoder: what it was made of, and whether its files are still those."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mercato.checksum import hash_file
from mercato.errors import ModelError

MANIFEST_FILE = "manifest.json"
REBUILD = "export it again: python -m export encoder --out {folder}"


class FileRecord(BaseModel):
    """Size and sha256 of one exported file."""

    model_config = ConfigDict(frozen=True)

    bytes: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class ServingRecord(BaseModel):
    """What serving needs to know about an encoder.

    Attributes:
        identity: hash of weights, tokenizer and pooling. Two encoders of one identity make comparable vectors.
        dimension: length of a vector.
        max_tokens: a text is cut after this many tokens, the two special ones included.
        pooling: how token states become one vector.
    """

    model_config = ConfigDict(frozen=True)

    identity: str = Field(min_length=8)
    dimension: int = Field(gt=0)
    max_tokens: int = Field(gt=2)
    pooling: str


class EncoderManifest(BaseModel):
    """The part of ``manifest.json`` that serving reads; the exporter writes more, for people."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int
    serving: ServingRecord
    files: dict[str, FileRecord]


def read_manifest(folder: Path) -> EncoderManifest:
    """Read the manifest of an encoder folder.

    Args:
        folder: what ``python -m export encoder --out`` wrote.

    Raises:
        ModelError: the folder or its manifest is missing or malformed.
    """
    path = folder / MANIFEST_FILE
    remedy = REBUILD.format(folder=folder)
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise ModelError(f"encoder: {path} cannot be read ({exc.strerror}); {remedy}") from exc
    try:
        manifest = EncoderManifest.model_validate_json(content)
    except ValidationError as exc:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'document'}: {problem['msg']}" for problem in exc.errors()
        )
        raise ModelError(f"encoder: {path} is not a manifest ({problems}); {remedy}") from exc
    if manifest.schema_version != 1:
        raise ModelError(f"encoder: {path} has schema_version {manifest.schema_version}, this reads 1; {remedy}")
    return manifest


def check_file(folder: Path, name: str, manifest: EncoderManifest, *, verify_hash: bool) -> Path:
    """Return the path of an exported file, once it is the one the manifest describes.

    Args:
        folder: the encoder's folder.
        name: the file's name, a key of ``manifest.files``.
        manifest: the folder's manifest.
        verify_hash: compare the sha256 too (about 0.1 s for 23 MB), not only the size.

    Raises:
        ModelError: the file is not in the manifest, is missing, or is not the one described.
    """
    remedy = REBUILD.format(folder=folder)
    path = folder / name
    record = manifest.files.get(name)
    if record is None:
        raise ModelError(
            f"encoder: {name} is not in {folder / MANIFEST_FILE}, which has {sorted(manifest.files)}; {remedy}"
        )
    try:
        size_bytes = path.stat().st_size
    except OSError as exc:
        raise ModelError(f"encoder: {path} cannot be read ({exc.strerror}); {remedy}") from exc
    if size_bytes != record.bytes:
        raise ModelError(f"encoder: {path} must have {record.bytes} bytes, has {size_bytes}; {remedy}")
    if verify_hash and (digest := hash_file(path)) != record.sha256:
        raise ModelError(f"encoder: {path} must have sha256 {record.sha256}, has {digest}; {remedy}")
    return path
