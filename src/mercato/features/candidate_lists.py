"""The candidates of several requests in one array each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mercato.features.inputs import RankRequest


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

    def part(self, index: int) -> slice:
        """Return where one request's list lies."""
        start = int(self.starts[index])
        return slice(start, start + int(self.lengths[index]))

    def column(self, name: str) -> NDArray[np.float32]:
        """Return one column of the candidate lists as float32."""
        columns: list[NDArray[np.float32]] = [getattr(request.candidates, name) for request in self.requests]
        return np.concatenate(columns).astype(np.float32)

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
