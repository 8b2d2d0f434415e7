"""The manifest beside a reranker: how it reads a pair, and how much its score counts."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from mercato.checksum import hash_file
from mercato.errors import ModelError
from mercato.models.model_folder import ModelManifest, read_model_manifest

TOKENIZER_FILE = "tokenizer.json"


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


class RerankerManifest(ModelManifest):
    """The part of a reranker's ``manifest.json`` that serving reads."""

    serving: RerankerServing


def read_reranker_manifest(folder: Path) -> RerankerManifest:
    """Read a reranker's manifest and compare the tokenizer beside it with the one it was trained with.

    Args:
        folder: what ``mercato export reranker --out`` wrote.

    Raises:
        ModelError: the folder or its manifest is missing or malformed, or the tokenizer is another one.
    """
    remedy = f"export it again: mercato export reranker --weights DIR --out {folder}"
    manifest = read_model_manifest(folder, RerankerManifest, model="reranker", remedy=remedy)
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
