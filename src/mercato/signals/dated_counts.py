"""Counters that know since when they hold: what came since a snapshot, kept small.

A counter adds up whole units, so that sums do not depend on the order of arrival: every process that has read the same
events holds the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_ENTRIES = 500_000
"""Entries kept of one counter: 20 bytes each, 10 MB; twice that while they are joined."""
RUNS = 8
"""Parts that are kept apart before they are joined: a look-up goes through all of them."""
DATED_HOURS = (24 * 28, 24 * 7, 24, 0)
"""Where there are too many entries, those that are older than so many hours hold from one date on, all of them; where
there are still too many, those that are older than the next."""


Run = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]
"""Keys, ascending; the hour of each entry, ascending for one key; its amount."""
Sums = tuple[NDArray[np.int64], NDArray[np.int64]]


class DatedCounts:
    """Sums by key, each part of them with the hour from which on it is known.

    Of more than a limit the oldest parts first lose their dates, then are forgotten.
    """

    def __init__(self, limit: int = MAX_ENTRIES) -> None:
        """Start with nothing.

        Args:
            limit: most entries kept, above 0.
        """
        self._limit = limit
        self._runs: list[Run] = []
        self.forgotten = 0
        """Entries that were given up for want of room."""

    def __len__(self) -> int:
        """Return the number of entries."""
        return sum(len(keys) for keys, _, _ in self._runs)

    def add(self, hour: int, keys: NDArray[np.int64], amounts: NDArray[np.int64]) -> None:
        """Add amounts that are known from an hour on.

        Args:
            hour: hours since 1970 UTC.
            keys: int64 [n], in any order, repeats add up.
            amounts: int64 [n], of either sign.
        """
        if not len(keys):
            return
        self._runs.append(_reduce(keys, np.full(len(keys), hour, np.int32), amounts))
        if len(self._runs) > RUNS:
            self._join()

    def totals(self, before: int | None = None) -> Sums:
        """Return the keys whose sum is not 0, ascending, and these sums: int64 [n] each.

        Args:
            before: only what was known before this hour; None for all.
        """
        return _sum([_cut(run, before) for run in self._runs])

    def between(self, low: NDArray[np.int64], high: NDArray[np.int64], before: int | None = None) -> Sums:
        """Return what `totals` does of the keys of some ranges, without looking at others.

        Args:
            low: int64 [n], where each range begins; ranges do not overlap.
            high: int64 [n], where each ends, itself not in it.
            before: as for `totals`.
        """
        parts = []
        for keys, hours, amounts in self._runs:
            start, length = np.searchsorted(keys, low), np.searchsorted(keys, high)
            length -= start
            ends = np.cumsum(length)
            at = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(start - ends + length, length)
            parts.append(_cut((keys[at], hours[at], amounts[at]), before))
        return _sum(parts)

    def _join(self) -> None:
        """Join the small parts, and with them the large one where they are no longer small beside it."""
        self._runs.sort(key=lambda run: -len(run[0]))
        largest, others = self._runs[0], self._runs[1:]
        if sum(len(run[0]) for run in others) > len(largest[0]) // 2 or len(self) > self._limit:
            self._runs = [self._shorten(_join_runs(self._runs))]
        else:
            self._runs = [largest, _join_runs(others)]

    def _shorten(self, run: Run) -> Run:
        """Give up dates where that makes enough room, else the oldest entries."""
        fits = np.count_nonzero(np.diff(run[0], prepend=-1)) <= self._limit
        for dated in DATED_HOURS if fits else ():
            if len(run[0]) > self._limit:
                keys, hours, amounts = run
                run = _reduce(keys, np.maximum(hours, hours.max() - dated), amounts)
        if len(run[0]) <= self._limit:
            return run
        keys, hours, amounts = run
        kept = self._limit - self._limit // 4  # room for what comes, so that not each addition gives something up
        newest = np.sort(np.argsort(hours, kind="stable")[len(hours) - kept :])
        self.forgotten += len(hours) - kept
        return keys[newest], hours[newest], amounts[newest]


def _join_runs(runs: list[Run]) -> Run:
    keys, hours, amounts = (np.concatenate(columns) for columns in zip(*runs, strict=True))
    return _reduce(keys, hours, amounts)


def _reduce(keys: NDArray[np.int64], hours: NDArray[np.int32], amounts: NDArray[np.int64]) -> Run:
    """Add up what has one key and one hour; ascending by key, then hour, without zeros."""
    order = np.lexsort((hours, keys))
    keys, hours, amounts = keys[order], hours[order], amounts[order]
    starts = np.flatnonzero((np.diff(keys, prepend=-1) != 0) | (np.diff(hours, prepend=-1) != 0))
    starts = starts if len(keys) else np.zeros(0, np.int64)
    sums = np.add.reduceat(amounts, starts) if len(starts) else np.zeros(0, np.int64)
    kept = sums != 0
    return keys[starts][kept], hours[starts][kept], sums[kept]


def _cut(run: Run, before: int | None) -> Run:
    if before is None:
        return run
    keys, hours, amounts = run
    known = hours < before
    return keys[known], hours[known], amounts[known]


def _sum(parts: list[Run]) -> Sums:
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    keys = np.concatenate([part[0] for part in parts])
    amounts = np.concatenate([part[2] for part in parts])
    if (np.diff(keys) < 0).any():
        order = np.argsort(keys, kind="stable")
        keys, amounts = keys[order], amounts[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    sums = np.add.reduceat(amounts, starts) if len(starts) else np.zeros(0, np.int64)
    kept = sums != 0
    return keys[starts][kept], sums[kept]
