"""Suggestions by prefix: the offsets where words begin, sorted by what follows, as a suffix array has them.

Two bisections find all suggestions that hold a prefix at the beginning of a word; the heaviest of them are picked.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.errors import SnapshotError
from mercato.query.suggest.collect import Entry, Role, weigh
from mercato.query.suggest.request import list_starts

Arrays = Mapping[str, npt.NDArray[Any]]

FIRST_WORD_BONUS = 1.0
"""Weight for a prefix that the whole suggestion begins with: as if nearly three times as many products had it."""

_NAMES = ("blob", "bounds", "weight", "kind", "counts", "key_entry", "key_start")


class SuggestionIndex:
    """Suggestions, searched by prefix. Its arrays may be memory-mapped; those that change are copied when they do."""

    def __init__(self, arrays: Arrays) -> None:
        """Hold the arrays that `build_arrays` made.

        Raises:
            SnapshotError: one is missing.
        """
        missing = [name for name in _NAMES if name not in arrays]
        if missing:
            raise SnapshotError(f"suggestions lack {', '.join(missing)}; build the snapshot again")
        self._arrays = arrays
        self._blob = memoryview(np.ascontiguousarray(arrays["blob"]).data).cast("B") if len(arrays["blob"]) else b""
        self._bounds = arrays["bounds"]
        self._weight = arrays["weight"]
        self._kind = arrays["kind"]
        self._counts = arrays["counts"]
        self._key_entry = arrays["key_entry"]
        self._key_start = arrays["key_start"]
        # One number of a memoryview costs a tenth of one of an array, and a search reads dozens.
        self._bound, self._entry_of, self._start_of = self._bounds.data, self._key_entry.data, self._key_start.data

    def __len__(self) -> int:
        """Count the suggestions."""
        return len(self._weight)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays, as they are now."""
        return {**self._arrays, "weight": self._weight, "kind": self._kind, "counts": self._counts}

    def find(self, prefix: str, limit: int) -> list[Entry]:
        """Find suggestions that hold a prefix at the beginning of a word.

        Args:
            prefix: folded; empty for any.
            limit: how many at most, from 1.

        Returns:
            The heaviest first, equal ones as they were given; the weight includes `FIRST_WORD_BONUS`.
        """
        first, last = self.span(prefix)
        entries = self._key_entry[first:last]
        weights = self._weight[entries] + FIRST_WORD_BONUS * (self._key_start[first:last] == 0)
        # A suggestion may hold the prefix at several words: twice as many positions are enough for the limit, mostly.
        order = _select_highest(weights, entries, 2 * limit + 8)
        found: dict[int, float] = {}
        for index in order.tolist():
            if weights[index] == -np.inf:
                break
            found.setdefault(int(entries[index]), float(weights[index]))
            if len(found) == limit:
                break
        return [Entry(self.text(entry), weight, int(self._kind[entry])) for entry, weight in found.items()]

    def span(self, prefix: str) -> tuple[int, int]:
        """Return the first key that begins with a prefix, and the first behind those that do."""
        wanted = prefix.encode("utf-8", "surrogatepass")
        keys = range(len(self._key_entry))
        first = bisect_left(keys, wanted, key=self._key)
        size = len(wanted)
        last = bisect_left(keys, True, lo=first, key=lambda index: self._key(index)[:size] > wanted)
        return first, last

    def text(self, entry: int) -> str:
        """Return a suggestion."""
        return str(self._blob[self._bound[entry] : self._bound[entry + 1]], "utf-8")

    def texts(self) -> list[str]:
        """Return every suggestion, those included that no product has any more."""
        blob, bounds = bytes(self._blob), self._bounds.tolist()
        return [str(blob[start:end], "utf-8") for start, end in pairwise(bounds)]

    @cached_property
    def entries(self) -> dict[str, int]:
        """Suggestion -> its number."""
        return {text: entry for entry, text in enumerate(self.texts())}

    def counts(self, entry: int) -> list[int]:
        """Return how many products have a suggestion, by `Role`."""
        counted: list[int] = self._counts[entry].tolist()
        return counted

    def recount(self, entry: int, counts: Sequence[int]) -> None:
        """Say how many products have a suggestion now; with none it is found no more.

        Args:
            entry: its number.
            counts: by `Role`.
        """
        if not self._weight.flags.writeable or not self._counts.flags.writeable:
            self._weight, self._kind, self._counts = self._weight.copy(), self._kind.copy(), self._counts.copy()
        self._counts[entry] = counts
        self._weight[entry], self._kind[entry] = weigh(counts)

    def _key(self, index: int) -> bytes:
        entry = self._entry_of[index]
        return bytes(self._blob[self._bound[entry] + self._start_of[index] : self._bound[entry + 1]])


def build_arrays(entries: Sequence[Entry]) -> dict[str, npt.NDArray[Any]]:
    """Build the arrays of an index.

    Args:
        entries: distinct texts; of equal weights the first is shown first.

    Returns:
        ``blob`` uint8 and ``bounds`` int64 [n + 1], the texts as UTF-8; ``weight`` float32 [n]; ``kind`` uint8 [n];
        ``counts`` int32 [n, 4], products by `Role`; ``key_entry`` int32 [k] and ``key_start`` int32 [k], where words
        begin (byte offsets), sorted by the bytes from there on.
    """
    texts = [entry.text.encode("utf-8", "surrogatepass") for entry in entries]
    keys: list[tuple[bytes, int, int]] = []
    for number, entry in enumerate(entries):
        for start in list_starts(entry.text):
            offset = start if entry.text.isascii() else len(entry.text[:start].encode("utf-8", "surrogatepass"))
            keys.append((texts[number][offset:], number, offset))
    keys.sort()
    bounds = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=bounds[1:])
    return {
        "blob": np.frombuffer(b"".join(texts), np.uint8),
        "bounds": bounds,
        "weight": np.array([entry.weight for entry in entries], np.float32),
        "kind": np.array([entry.kind for entry in entries], np.uint8),
        "counts": np.array([entry.counts for entry in entries], np.int32).reshape(-1, len(Role)),
        "key_entry": np.array([entry for _, entry, _ in keys], np.int32),
        "key_start": np.array([start for _, _, start in keys], np.int32),
    }


def merge_indexes(indexes: Sequence[SuggestionIndex]) -> SuggestionIndex:
    """Make one index of several, without what no product has any more.

    Their keys are sorted already, so that this costs a tenth of `build_arrays`.

    Args:
        indexes: of distinct texts; their entries follow one another in the new one.
    """
    arrays = [index.arrays() for index in indexes]
    joined = {name: np.concatenate([one[name] for one in arrays]) for name in _NAMES if name != "bounds"}
    sizes = np.concatenate([np.diff(one["bounds"]) for one in arrays])
    firsts = np.cumsum([0, *map(len, indexes)])
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    key_entry = joined["key_entry"] + np.repeat(firsts[:-1], [len(one["key_entry"]) for one in arrays])
    blob = joined["blob"].tobytes()
    keys = [
        blob[start:end]
        for start, end in zip(
            (bounds[key_entry] + joined["key_start"]).tolist(), bounds[key_entry + 1].tolist(), strict=True
        )
    ]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
    alive = np.isfinite(joined["weight"])
    order = order[alive[key_entry[order]]]
    numbers = np.cumsum(alive) - 1
    return SuggestionIndex(
        {
            "blob": joined["blob"][np.repeat(alive, sizes)],
            "bounds": np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[alive])]),
            **{name: joined[name][alive] for name in ("weight", "kind", "counts")},
            "key_entry": numbers[key_entry[order]].astype(np.int32),
            "key_start": joined["key_start"][order],
        }
    )


def _select_highest(
    weights: npt.NDArray[np.float32], entries: npt.NDArray[np.int32], count: int
) -> npt.NDArray[np.int64]:
    """Return the indices of the highest weights, equal ones by entry."""
    indices = np.arange(len(weights))
    if len(weights) > count:
        least = np.partition(weights, len(weights) - count)[len(weights) - count]
        indices = np.flatnonzero(weights >= least)
    order: npt.NDArray[np.int64] = indices[np.lexsort((entries[indices], -weights[indices]))]
    return order
