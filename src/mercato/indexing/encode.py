"""Vectors of a catalogue's texts: reused where an earlier snapshot has them, resumed where a build was interrupted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from mercato.arrays import Float32, UInt64
from mercato.errors import ModelError
from mercato.progress import Progress, no_progress
from mercato.text import TextRole

CHUNK_TEXTS = 2048


class TextEncoder(Protocol):
    """What builds vectors from texts."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def identity(self) -> str:
        """Which encoder it is: vectors of one identity can be compared."""

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> Float32:
        """Encode queries, as a server does: float32 [texts, dimension], unit length."""

    def encode_many(
        self, texts: Sequence[str], *, role: TextRole = "product", workers: int, progress: Progress | None
    ) -> Float32:
        """Encode texts: float32 [texts, dimension], unit length."""


def hash_texts(texts: Sequence[str]) -> UInt64:
    """Return a 64-bit hash of each text, uint64 [texts]."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def encode_texts(
    texts: Sequence[str],
    encoder: TextEncoder,
    work: Path,
    *,
    known_hashes: UInt64,
    known_vectors: Float32,
    workers: int = 2,
    chunk_texts: int = CHUNK_TEXTS,
    progress: Progress = no_progress,
) -> Float32:
    """Encode distinct texts.

    Texts are encoded in chunks of similar length; each finished chunk is kept in ``work``, so that a build that was
    interrupted goes on where it stopped.

    Args:
        texts: distinct texts.
        encoder: the encoder.
        work: folder for finished chunks.
        known_hashes: uint64 [known], hashes of texts whose vectors are known from a snapshot of the same encoder.
        known_vectors: float32 [known, dimension].
        workers: threads to encode with.
        chunk_texts: texts of a chunk: what an interruption loses at most.
        progress: told of texts, known ones among them.

    Returns:
        float32 [texts, dimension], unit length.

    Raises:
        ModelError: the encoder returned a vector that is not finite; it is not kept.
    """
    vectors = np.zeros((len(texts), encoder.dimension), np.float32)
    hashes = hash_texts(texts)
    missing = np.arange(len(texts))
    if len(known_hashes):
        order = np.argsort(known_hashes)
        positions = np.minimum(np.searchsorted(known_hashes[order], hashes), len(order) - 1)
        found = known_hashes[order][positions] == hashes
        vectors[found] = known_vectors[order[positions[found]]]
        missing = np.flatnonzero(~found)
    missing = missing[np.argsort([len(texts[position]) for position in missing], kind="stable")]
    work.mkdir(parents=True, exist_ok=True)
    done = len(texts) - len(missing)
    for start in range(0, len(missing), chunk_texts):
        positions = missing[start : start + chunk_texts]
        vectors[positions] = _encode_chunk(
            [texts[position] for position in positions], hashes[positions], encoder, work, workers
        )
        done += len(positions)
        progress("encoding texts", done, len(texts))
    return vectors


def _encode_chunk(texts: list[str], hashes: UInt64, encoder: TextEncoder, work: Path, workers: int) -> Float32:
    name = hashlib.blake2b(encoder.identity.encode() + hashes.tobytes(), digest_size=16).hexdigest()
    path = work / f"{name}.npy"
    if path.exists():
        kept = _read_chunk(path)
        if kept is not None and kept.shape == (len(texts), encoder.dimension):
            return kept
    vectors = encoder.encode_many(texts, workers=workers, progress=None)
    if not np.isfinite(vectors).all():
        raise ModelError("encoder: a vector is not finite; export the encoder again with `mercato export encoder`")
    beside = path.with_suffix(".partial.npy")
    np.save(beside, vectors)
    beside.rename(path)
    return vectors


def _read_chunk(path: Path) -> Float32 | None:
    """Read a kept chunk; None where a power cut left half a file."""
    try:
        kept: Float32 = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return kept
