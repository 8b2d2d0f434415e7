"""The candidates of several requests in one array each, and their users' histories likewise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mercato.features.inputs import RankRequest
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.history import PURCHASE, compute_event_weights

NEVER_DAYS = 730.0
"""Days since the last purchase of what was never bought: two years."""


class CandidateLists:
    """The candidates of all requests one after the other, and reductions over each list.

    Attributes:
        requests: the requests, each with at least one candidate.
        rows: int32 [n], the candidates.
        lengths: int64 [requests], candidates of each request.
        starts: int64 [requests], where each list starts.
    """

    def __init__(self, requests: Sequence[RankRequest]) -> None:
        """Join the lists of at least one request, none of them empty."""
        self.requests = requests
        self.rows = np.concatenate([request.candidates.rows for request in requests])
        self.lengths = np.array([len(request.candidates) for request in requests])
        self.starts = np.cumsum(self.lengths) - self.lengths
        self._columns: dict[str, NDArray[np.float32]] = {}

    @cached_property
    def histories(self) -> Histories | None:
        """The users' histories; None where none of the requests has one."""
        return Histories(self.requests) if any(len(request.history) for request in self.requests) else None

    def part(self, index: int) -> slice:
        """Return where one request's list lies."""
        start = int(self.starts[index])
        return slice(start, start + int(self.lengths[index]))

    def column(self, name: str) -> NDArray[np.float32]:
        """Return one column of the candidate lists as float32, the same array each time."""
        joined = self._columns.get(name)
        if joined is None:
            columns: list[NDArray[np.float32]] = [getattr(request.candidates, name) for request in self.requests]
            joined = self._columns[name] = np.concatenate(columns).astype(np.float32, copy=False)
        return joined

    def maximum(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each list's maximum, NaN left out, spread over its candidates; float32 [..., n] to the same shape."""
        return np.repeat(np.fmax.reduceat(values, self.starts, axis=-1), self.lengths, axis=-1)

    def total(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each list's sum, spread over its candidates."""
        return np.repeat(np.add.reduceat(values, self.starts), self.lengths)

    def divide_by_maximum(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale each list to a maximum of 1, float32 [..., n]; one without a positive value stays at or below 0."""
        top = self.maximum(values)
        scaled: NDArray[np.float32] = values / np.where(top > 0, top, np.float32(1.0))
        return scaled


class Histories:
    """The histories of all requests one after the other, each newest first.

    Attributes:
        lengths: int64 [requests], events of each request.
        bounds: int64 [requests + 1], where each history starts, and the end.
        filled: int64 [m], the requests with a history.
        rows: int32 [h], products; 0 for one that is no longer known, which has no weight.
        weight: float64 [h], of each event by its type and age.
        bought: bool [h], purchases of known products.
        seen: bool [h], other events of known products.
        paid: float32 [h], price of a purchase, NaN where there is none.
        days: float64 [h], age in days, 0 to `NEVER_DAYS`.
    """

    def __init__(self, requests: Sequence[RankRequest]) -> None:
        """Join the histories of some requests, at least one of them not empty."""
        self._match: NDArray[np.int64] | None = None
        self.lengths = np.array([len(request.history) for request in requests])
        self.bounds = np.concatenate(([0], np.cumsum(self.lengths)))
        self.filled = np.flatnonzero(self.lengths)
        rows = np.concatenate([request.history.rows for request in requests])
        event_type = np.concatenate([request.history.type for request in requests])
        time = np.concatenate([request.history.time for request in requests])
        price = np.concatenate([request.history.price for request in requests])
        now = np.repeat([request.context.time for request in requests], self.lengths)
        known = rows >= 0
        self.rows = np.maximum(rows, 0)
        self.weight = (compute_event_weights(time, event_type, now=now) * known).astype(np.float64)
        self.bought = known & (event_type == PURCHASE)
        self.seen = known & (event_type != PURCHASE)
        self.paid = np.where(self.bought & (price >= 0), price, np.float32(np.nan))
        self.days = np.clip((now - time) / SECONDS_PER_DAY, 0.0, NEVER_DAYS)

    def part(self, index: int) -> slice:
        """Return where one request's history lies."""
        return slice(self.bounds[index], self.bounds[index + 1])

    def match(self, lists: CandidateLists, product_count: int) -> NDArray[np.int64]:
        """Find each event's product among its request's candidates; the second time it is known.

        Args:
            lists: the candidates of the same requests.
            product_count: how many products there are.

        Returns:
            int64 [h], its index in the lists, -1 where it is none of the candidates.
        """
        if self._match is None:
            self._match = self._find(lists, product_count)
        return self._match

    def _find(self, lists: CandidateLists, product_count: int) -> NDArray[np.int64]:
        # A table over all products: searching in the sorted candidates takes three times as long, and zeroed pages cost
        # nothing until they are touched, so a large catalogue does not make it slow.
        index_of = np.zeros(product_count, dtype=np.int32)
        match = np.empty(len(self.rows), dtype=np.int64)
        for index in self.filled:
            here, there = self.part(index), lists.part(index)
            index_of[lists.rows[there]] = np.arange(there.start + 1, there.stop + 1)
            match[here] = index_of[self.rows[here]]
            index_of[lists.rows[there]] = 0
        return match - 1
