"""The words of titles: which products hold a word in the name itself, and not somewhere in a description."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mercato.arrays import Float32, Int32, Int64, UInt32
from mercato.index.arrays import map_arrays, write_arrays
from mercato.index.dense import expand_groups


@dataclass(frozen=True, kw_only=True)
class TitleTerms:
    """The terms of titles, as numbers that two terms hardly ever share.

    Attributes:
        bounds: int64 [titles + 1]; title i has ``terms[bounds[i]:bounds[i + 1]]``.
        terms: uint32.
    """

    bounds: Int64
    terms: UInt32

    def take(self, rows: Int64) -> TitleTerms:
        """Return the terms of some titles, in that order."""
        positions, _ = expand_groups(rows, self.bounds)
        lengths = self.bounds[rows + 1] - self.bounds[rows]
        return TitleTerms(
            bounds=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), terms=self.terms[positions]
        )

    def followed_by(self, other: TitleTerms) -> TitleTerms:
        """Append other titles."""
        return TitleTerms(
            bounds=np.concatenate([self.bounds, self.bounds[-1] + other.bounds[1:]]),
            terms=np.concatenate([self.terms, other.terms]),
        )

    @property
    def count(self) -> int:
        """Number of titles."""
        return len(self.bounds) - 1

    def lookup(self, term: str) -> tuple[Int32, Float32]:
        """Return the titles that have a term, int32 ascending, and 1 for each, as a word index has scores."""
        places = np.flatnonzero(self.terms == _number(term))
        titles = (np.searchsorted(self.bounds, places, side="right") - 1).astype(np.int32)  # each has a term once
        return titles, np.ones(len(titles), np.float32)


def number_titles(titles: Iterable[Collection[str]]) -> TitleTerms:
    """Number the terms of titles, each once."""
    numbered = [sorted({_number(term) for term in terms}) for terms in titles]
    return TitleTerms(
        bounds=np.concatenate([[0], np.cumsum([len(one) for one in numbered])]).astype(np.int64),
        terms=np.array([number for one in numbered for number in one], np.uint32),
    )


def write_titles(path: Path, titles: TitleTerms) -> None:
    """Write the terms of titles."""
    write_arrays(path, {"bounds": titles.bounds, "terms": titles.terms})


def read_titles(path: Path) -> TitleTerms | None:
    """Read what `write_titles` wrote; None where a snapshot was built before there was such a file.

    Raises:
        SnapshotError: the file is truncated or not of this format.
    """
    return TitleTerms(**map_arrays(path)) if path.exists() else None


def _number(term: str) -> int:
    return zlib.crc32(term.encode("utf-8", "surrogatepass"))
