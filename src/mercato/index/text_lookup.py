"""Many distinct texts, mapped: found by their hashes, read by their numbers.

A dictionary of a million ids takes 150 MB in each process that opens it, and a second to make. Here are arrays that
all processes share: the texts one after another, and the 64-bit hashes of all, ascending. What a hash finds is
compared, so that two texts of one hash are told apart.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from mercato.arrays import Int32, Int64, UInt8, UInt64

_KEPT = 16_384
"""Texts whose place is kept once it was looked for: the same words and ids come again and again."""

_STEP = 128
"""Every so many texts one is read beforehand where texts are looked for by their order: reading them is slow."""


def hash_text(text: str) -> int:
    """Return the 64-bit hash of a text: the first bytes of BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def sort_hashes(texts: Sequence[bytes]) -> tuple[UInt64, Int32]:
    """Hash texts: the hashes ascending, uint64 [texts], and the number of the text of each, int32 [texts]."""
    digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in texts)
    hashes = np.frombuffer(digests, "<u8").astype(np.uint64)
    order = np.argsort(hashes, kind="stable")
    return hashes[order], order.astype(np.int32)


def pack_texts(texts: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Pack distinct texts into the arrays that `TextLookup` reads; their order stays.

    Args:
        texts: distinct.
    """
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    bounds = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(one) for one in encoded], out=bounds[1:])
    hashes, places = sort_hashes(encoded)
    return {
        "blob": np.frombuffer(b"".join(encoded), np.uint8),
        "bounds": bounds,
        "hashes": hashes,
        "places": places,
    }


class TextLookup(Sequence[str]):
    """Distinct texts by number, and their numbers by text."""

    def __init__(self, blob: UInt8, bounds: Int64, hashes: UInt64, places: Int32) -> None:
        """Take what `pack_texts` made.

        Args:
            blob: uint8, the texts as UTF-8.
            bounds: int64 [texts + 1], where each begins.
            hashes: uint64 [texts], ascending.
            places: int32 [texts], the number of the text of each hash.
        """
        self._blob = memoryview(blob.data)
        self._bounds, self._hashes, self._places = bounds, hashes, places
        self._steps: list[str] | None = None
        self.find = lru_cache(_KEPT)(self._find)
        """Return the number of a text; -1 for none."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> TextLookup:
        """Open arrays of a file; raises KeyError where one is missing."""
        return cls(*(arrays[name] for name in ("blob", "bounds", "hashes", "places")))

    def __len__(self) -> int:
        """Count the texts."""
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> list[str]: ...
    def __getitem__(self, number: int | slice) -> str | list[str]:
        """Return the text of a number, or those of some."""
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if number < 0:
            number += len(self)
        if not 0 <= number < len(self):
            raise IndexError(number)
        return str(self._blob[self._bounds[number] : self._bounds[number + 1]], "utf-8", "surrogatepass")

    def __contains__(self, text: object) -> bool:
        """Tell whether a text is among them."""
        return isinstance(text, str) and self.find(text) >= 0

    def bisect(self, text: str) -> int:
        """Return the number of the first text that is not before one; of texts that are in order."""
        if self._steps is None:
            self._steps = [self[number] for number in range(0, len(self), _STEP)]
        step = bisect_left(self._steps, text)
        return bisect_left(self, text, max(0, (step - 1) * _STEP), min(len(self), step * _STEP))

    def _find(self, text: str) -> int:
        return next((place for place in find_places(self._hashes, self._places, text) if self[place] == text), -1)


def find_places(hashes: UInt64, places: Int32, text: str) -> Iterator[int]:
    """Yield the numbers of the texts that have a text's hash, nearly always one or none; see `sort_hashes`."""
    wanted = np.uint64(hash_text(text))
    at = int(np.searchsorted(hashes, wanted))
    while at < len(hashes) and hashes[at] == wanted:
        yield int(places[at])
        at += 1
