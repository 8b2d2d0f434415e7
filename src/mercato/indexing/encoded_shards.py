"""Vectors of a catalogue's texts in files of their own: shards that many machines encode, and one index takes.

A text belongs to the shard that its hash says, wherever it stands in the file. So shards share no text, need nothing of
one another, and may be encoded in any order by whatever runs commands: a loop, jobs of Kubernetes, Spark, Ray.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mercato.arrays import Bool, UInt64
from mercato.errors import DataError, InvalidInputError, SnapshotError
from mercato.index import layout
from mercato.index.arrays import map_arrays, write_arrays
from mercato.indexing.encode import KnownVectors, TextEncoder, encode_texts, hash_texts
from mercato.manifest import FileRecord, VersionedManifest, find_change, read_manifest, record_file, write_manifest
from mercato.progress import Progress, no_progress

SCHEMA_VERSION = 1
MAX_SHARDS = 10_000
_SHARD = re.compile(r"([0-9]{1,5})/([0-9]{1,5})")
_NAME = re.compile(r"vectors-([0-9]+)-of-([0-9]+)\.json")
_REMEDY = "run `mercato encode` for it again"


@dataclass(frozen=True, kw_only=True, order=True)
class Shard:
    """One of so many shards.

    Attributes:
        of: how many there are.
        number: which one, from 1.
    """

    of: int = 1
    number: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read an option such as ``2/8``.

        Raises:
            InvalidInputError: it is not of that form.
        """
        found = _SHARD.fullmatch(text.strip())
        number, of = (int(part) for part in found.groups()) if found else (0, 0)
        if not 1 <= number <= of <= MAX_SHARDS:
            raise InvalidInputError(
                "--shard",
                f"must be I/N with I from 1 to N and N at most {MAX_SHARDS}, got {text[:40]!r}",
                "such as 2/8",
            )
        return cls(of=of, number=number)

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"vectors-{self.number}-of-{self.of}"

    def select(self, hashes: UInt64) -> Bool:
        """Return which texts are in it, bool [texts]."""
        selected: Bool = hashes % np.uint64(self.of) == self.number - 1
        return selected


class ShardManifest(VersionedManifest):
    """What the vectors of a shard are.

    Attributes:
        encoder: identity of what encoded them.
        dimension: length of a vector.
        texts: how many there are.
        vectors: the file with the arrays ``hashes`` and ``vectors``.
    """

    schema_version: int = SCHEMA_VERSION
    encoder: str
    dimension: int
    texts: int
    vectors: FileRecord


def encode_shard(
    texts: Iterable[str],
    shard: Shard,
    encoder: TextEncoder,
    folder: Path,
    *,
    workers: int,
    progress: Progress = no_progress,
) -> ShardManifest:
    """Encode the texts of a shard and write their vectors.

    What an earlier run of the same shard and encoder wrote there is taken; an interrupted run goes on where it stopped.

    Args:
        texts: of the whole catalogue, in any order, repeated or not.
        shard: which of them are encoded.
        encoder: the encoder.
        folder: where the files of all shards may lie together; made where it is missing.
        workers: threads to encode with.
        progress: told of it.

    Returns:
        What was written.

    Raises:
        MercatoError: the encoder failed.
    """
    distinct = list(dict.fromkeys(texts))
    hashes = hash_texts(distinct)
    chosen = np.flatnonzero(shard.select(hashes))
    chunks = folder / f".{shard.name}.building"
    vectors = encode_texts(
        [distinct[position] for position in chosen],
        encoder,
        chunks,
        known=_read_earlier(folder, shard, encoder),
        workers=workers,
        progress=progress,
    )
    path = folder / f"{shard.name}.safetensors"
    _replace(path, lambda beside: write_arrays(beside, {"hashes": hashes[chosen], "vectors": vectors}))
    manifest = ShardManifest(
        encoder=encoder.identity, dimension=encoder.dimension, texts=len(chosen), vectors=record_file(path)
    )
    _replace(folder / f"{shard.name}.json", lambda beside: write_manifest(beside, manifest))
    shutil.rmtree(chunks, ignore_errors=True)
    return manifest


def read_shards(folders: Sequence[Path], encoder: TextEncoder) -> tuple[list[KnownVectors], list[Shard]]:
    """Map the vectors of all shards in some folders.

    Args:
        folders: what `encode_shard` wrote to.
        encoder: the encoder that must have made them.

    Returns:
        The vectors of each shard, and the shards that are in none of the folders though others of as many are.

    Raises:
        DataError: a folder has no shard, one is of another encoder, or a file is missing or altered.
    """
    known: dict[Shard, KnownVectors] = {}
    for folder in folders:
        found = [
            Shard(number=int(name[1]), of=int(name[2]))
            for path in folder.glob("vectors-*.json")
            if (name := _NAME.fullmatch(path.name))
        ]
        if not found:
            raise DataError(f"--vectors {folder}: has no vectors; write them with `mercato encode FILE --out {folder}`")
        known.update((shard, _read_shard(folder, shard, encoder)) for shard in sorted(found))
    missing = {Shard(number=number, of=shard.of) for shard in known for number in range(1, shard.of + 1)}
    return list(known.values()), sorted(missing.difference(known))


def count_known(snapshot: Path, known: Sequence[KnownVectors]) -> int:
    """Return how many texts of a snapshot are among those that were encoded before."""
    hashes = map_arrays(snapshot / layout.TEXTS)["hashes"]
    return int(np.isin(hashes, np.concatenate([np.zeros(0, np.uint64), *(one.hashes for one in known)])).sum())


def _read_earlier(folder: Path, shard: Shard, encoder: TextEncoder) -> list[KnownVectors]:
    """Read what an earlier run wrote; nothing where there is none, or none that can be used."""
    try:
        return [_read_shard(folder, shard, encoder)]
    except DataError:
        return []


def _read_shard(folder: Path, shard: Shard, encoder: TextEncoder) -> KnownVectors:
    subject = f"--vectors {folder}: {shard.name}"
    manifest = read_manifest(
        folder / f"{shard.name}.json",
        ShardManifest,
        version=SCHEMA_VERSION,
        subject=subject,
        remedy=_REMEDY,
        error=DataError,
    )
    if manifest.encoder != encoder.identity:
        raise DataError(
            f"{subject}: was made by encoder {manifest.encoder}, this is {encoder.identity}; {_REMEDY}, or index "
            "with the encoder that made it"
        )
    path = folder / f"{shard.name}.safetensors"
    change = find_change(path, manifest.vectors, checksum=True)  # an altered vector would be handed on for ever
    if change:
        raise DataError(f"{subject}: {path.name} {change}; {_REMEDY}")
    try:
        arrays = map_arrays(path)
        return KnownVectors(
            hashes=arrays["hashes"], vectors=arrays["vectors"].reshape(manifest.texts, encoder.dimension)
        )
    except (SnapshotError, KeyError, ValueError) as exc:
        raise DataError(f"{subject}: {path.name} cannot be read ({exc}); {_REMEDY}") from exc


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file beside and move it into place, so that nobody reads half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(beside)
        beside.rename(path)
    finally:
        beside.unlink(missing_ok=True)
