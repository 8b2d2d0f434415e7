"""Vectors of a catalogue's texts: reused where an earlier snapshot has them, resumed where a build was interrupted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from mercato.arrays import Bool, Float32, Int64, UInt64
from mercato.errors import ModelError
from mercato.progress import Progress, no_progress
from mercato.text import TextRole

CHUNK_TEXTS = 2048
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


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


@dataclass(frozen=True, kw_only=True)
class KnownVectors:
    """Vectors of texts, known from an earlier run of the same encoder.

    Attributes:
        hashes: uint64 [known], of the texts; see `hash_texts`.
        vectors: float32 [known, dimension].
    """

    hashes: UInt64
    vectors: Float32

    def find(self, hashes: UInt64) -> tuple[Bool, Int64]:
        """Find texts by their hashes: which are known, bool [texts], and the positions of those in ``vectors``."""
        if not len(self.hashes):
            return np.zeros(len(hashes), np.bool_), np.zeros(0, np.int64)
        order = np.argsort(self.hashes)
        positions = np.minimum(np.searchsorted(self.hashes, hashes, sorter=order), len(order) - 1)
        found = self.hashes[order[positions]] == hashes
        return found, order[positions[found]]


def count_workers() -> int:
    """Return how many threads encode best: one for each core that this process may use, quotas of containers minded."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = _CPU_QUOTA.read_text(encoding="ascii").split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no control groups, or "max": no quota
        return cores


def encode_texts(
    texts: Sequence[str],
    encoder: TextEncoder,
    work: Path,
    *,
    known: Sequence[KnownVectors] = (),
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
        known: vectors that the same encoder made before; of a text that several have, the first counts.
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
    for one in known:
        found, positions = one.find(hashes[missing])
        vectors[missing[found]] = one.vectors[positions]
        missing = missing[~found]
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
