"""What a snapshot knows of words besides its products: how usual they are, which stand together or are asked for.

Words are kept as 32 bits of a checksum, sorted, so that a list of a million words is a few megabytes that all processes
share, and opening it costs nothing. Of words that are in no list one in some thousands seems to be in one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mercato.index.arrays import map_arrays, write_arrays

UInt32 = npt.NDArray[np.uint32]
UInt8 = npt.NDArray[np.uint8]

LEVELS_OF_TEN = 20
"""Steps of a level: so many for each power of ten."""
MAX_LEVEL = 255


def hash_word(word: str) -> int:
    """Return 32 bits of a word, the same in every process: CRC-32 of its UTF-8."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, kw_only=True)
class WordLevels:
    """How usual words are, as levels: `LEVELS_OF_TEN` times the decimal logarithm, at least 1; 0 for unknown words.

    Attributes:
        hashes: uint32 [words], ascending, each once.
        levels: uint8 [words].
    """

    hashes: UInt32
    levels: UInt8

    @classmethod
    def collect(cls, counts: Mapping[str, float]) -> WordLevels:
        """Make them from numbers of at least 1 by word; of two words with one hash the more usual counts."""
        hashes = np.fromiter(map(hash_word, counts), np.uint32, len(counts))
        values = np.fromiter(counts.values(), np.float64, len(counts))
        levels = np.clip(np.rint(LEVELS_OF_TEN * np.log10(np.maximum(values, 1.0))), 1, MAX_LEVEL).astype(np.uint8)
        return cls.merge([(hashes, levels)])

    @classmethod
    def merge(cls, lists: Iterable[tuple[UInt32, UInt8]]) -> WordLevels:
        """Join hashes and levels in any order; the highest level of each hash counts."""
        parts = list(lists)
        hashes = np.concatenate([np.zeros(0, np.uint32), *(part for part, _ in parts)])
        levels = np.concatenate([np.zeros(0, np.uint8), *(part for _, part in parts)])
        order = np.lexsort((levels, hashes))
        hashes, levels = hashes[order], levels[order]
        last = np.append(hashes[1:] != hashes[:-1], True)[: len(hashes)]
        return cls(hashes=hashes[last], levels=levels[last])

    def level(self, word: str) -> int:
        """Return a word's level; 0 for one that is not there."""
        if not len(self.hashes):
            return 0
        wanted = np.uint32(hash_word(word))
        place = int(self.hashes.searchsorted(wanted))
        return int(self.levels[place]) if place < len(self.hashes) and self.hashes[place] == wanted else 0


@dataclass(frozen=True, kw_only=True)
class SpellingEvidence:
    """All of it.

    Attributes:
        known: words of the shop's and other languages; the level is that of their frequency in a billion words.
        pairs: neighbouring words of titles and past queries; the level is that of their count.
        asked: words of past queries; the level is that of their count.
    """

    known: WordLevels
    pairs: WordLevels
    asked: WordLevels

    def write(self, path: Path) -> None:
        """Write it to one file of a snapshot."""
        parts = {"known": self.known, "pairs": self.pairs, "asked": self.asked}
        write_arrays(
            path,
            {
                name: array
                for part, levels in parts.items()
                for name, array in ((f"{part}_hashes", levels.hashes), (f"{part}_levels", levels.levels))
            },
        )


def read_spelling_evidence(path: Path) -> SpellingEvidence:
    """Map what `SpellingEvidence.write` wrote; nothing is known where there is no such file, as in older snapshots.

    Raises:
        SnapshotError: the file is damaged.
    """
    arrays = map_arrays(path) if path.exists() else {}
    parts = {
        name: WordLevels(
            hashes=arrays.get(f"{name}_hashes", np.zeros(0, np.uint32)),
            levels=arrays.get(f"{name}_levels", np.zeros(0, np.uint8)),
        )
        for name in ("known", "pairs", "asked")
    }
    return SpellingEvidence(**parts)


def join_pair(first: str, second: str) -> str:
    """Return two neighbouring words as `SpellingEvidence.pairs` holds them."""
    return f"{first} {second}"


def list_pairs(words: Sequence[str]) -> list[str]:
    """Return the neighbours in a list of words."""
    return [join_pair(first, second) for first, second in zip(words, words[1:], strict=False)]
