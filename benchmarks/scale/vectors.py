"""Vectors of generated titles: those of their halves by the real encoder, recombined as the titles are.

Encoding a million titles takes an hour of two cores and says nothing of an index. The mean of two halves is near what
the encoder makes of the whole, and lies as titles of a kind do: many near one another. A little noise keeps apart what
shares a half.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.scale.products import SEED, Source, pair_parts, write_title
from mercato.arrays import Float32
from mercato.index.arrays import write_arrays
from mercato.indexing.encode import TextEncoder, count_workers, hash_texts
from mercato.indexing.encoded_shards import Shard, ShardManifest
from mercato.manifest import record_file, write_manifest

NOISE = 0.2
"""Length of the noise beside a vector of length 1."""
TEXTS_AT_ONCE = 50_000


def encode_parts(source: Source, encoder: TextEncoder, path: Path) -> Float32:
    """Encode every head and tail, or read what was encoded before: float32 [parts, dimension], as `Source.parts`."""
    if path.exists():
        kept: Float32 = np.load(path)
        if kept.shape == (len(source.parts), encoder.dimension):
            return kept
    vectors = encoder.encode_many(source.parts, workers=count_workers(), progress=None)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, vectors)
    return vectors


def write_vectors(source: Source, count: int, encoder: TextEncoder, parts: Float32, folder: Path) -> None:
    """Write the vectors of the first ``count`` generated titles, as `mercato encode` writes a shard of one."""
    shard = Shard()
    manifest = folder / f"{shard.name}.json"
    if manifest.exists():
        return
    head_of, tail_of = pair_parts(source, count)
    numbers = {text: number for number, text in enumerate(source.parts)}
    heads = np.array([numbers[text] for text in source.heads], np.int64)[head_of]
    tails = np.array([numbers[text] for text in source.tails], np.int64)[tail_of]
    random = np.random.default_rng(SEED + 2)
    vectors = np.empty((count, encoder.dimension), np.float32)
    for start in range(0, count, TEXTS_AT_ONCE):
        step = slice(start, start + TEXTS_AT_ONCE)
        made = parts[heads[step]] + parts[tails[step]]
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        made += random.standard_normal(made.shape, np.float32) * np.float32(NOISE / encoder.dimension**0.5)
        vectors[step] = made / np.linalg.norm(made, axis=1, keepdims=True)
    hashes = hash_texts([write_title(source, head, tail) for head, tail in zip(head_of, tail_of, strict=True)])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{shard.name}.safetensors"
    write_arrays(path, {"hashes": hashes, "vectors": vectors})
    write_manifest(
        manifest,
        ShardManifest(encoder=encoder.identity, dimension=encoder.dimension, texts=count, vectors=record_file(path)),
    )
