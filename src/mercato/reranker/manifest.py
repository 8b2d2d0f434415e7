"""The manifest beside a reranker: how it reads a pair, and how much its score counts."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mercato.checksum import hash_file
from mercato.encoder.manifest import MANIFEST_FILE, FileRecord
from mercato.errors import ModelError

TOKENIZER_FILE = "tokenizer.json"
SCHEMA_VERSION = 1


class RerankerServing(BaseModel):
    """What serving needs to know about a reranker.

    Attributes:
        tokenizer_sha256: of the tokenizer that it was trained with; another one would give it other words.
        max_tokens: a pair is cut after this many tokens, the three special ones included.
        query_tokens: a query is cut after this many, so that the product always has room.
        weight: share of its score in the blend with the score of the stage before, 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    tokenizer_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    max_tokens: int = Field(ge=8)
    query_tokens: int = Field(ge=1)
    weight: float = Field(ge=0.0, le=1.0)


class RerankerManifest(BaseModel):
    """The part of ``manifest.json`` that serving reads; the exporter writes more, for people."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int
    serving: RerankerServing
    files: dict[str, FileRecord]


def read_reranker_manifest(folder: Path) -> RerankerManifest:
    """Read a reranker's manifest and compare the tokenizer beside it with the one it was trained with.

    Args:
        folder: what ``python -m export reranker --out`` wrote.

    Raises:
        ModelError: the folder or its manifest is missing or malformed, or the tokenizer is another one.
    """
    path = folder / MANIFEST_FILE
    remedy = f"export it again: python -m export reranker --weights DIR --out {folder}"
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise ModelError(f"reranker: {path} cannot be read ({exc.strerror}); {remedy}") from exc
    try:
        manifest = RerankerManifest.model_validate_json(content)
    except ValidationError as exc:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'document'}: {problem['msg']}" for problem in exc.errors()
        )
        raise ModelError(f"reranker: {path} is not a reranker's manifest ({problems}); {remedy}") from exc
    if manifest.schema_version != SCHEMA_VERSION:
        raise ModelError(
            f"reranker: {path} has schema_version {manifest.schema_version}, this reads {SCHEMA_VERSION}; {remedy}"
        )
    tokenizer = folder / TOKENIZER_FILE
    if not tokenizer.is_file():
        raise ModelError(f"reranker: {tokenizer} does not exist; {remedy}")
    found = hash_file(tokenizer)
    if found != manifest.serving.tokenizer_sha256:
        raise ModelError(
            f"reranker: {tokenizer} must have sha256 {manifest.serving.tokenizer_sha256}, the tokenizer it was trained "
            f"with, has {found}; another tokenizer gives it other words: put the right one there, or {remedy}"
        )
    return manifest
