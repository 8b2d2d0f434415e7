"""What the ranker is told about one request: plain arrays in frozen dataclasses."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class CandidateList:
    """The candidates of one request, in the order of retrieval (best first).

    Attributes:
        rows: int32 [n], distinct product rows.
        dense_score: float32 [n], cosine with the query (search) or the history (recommendation); 0 where absent.
        word_score: float32 [n], score of the word index, any scale >= 0; 0 where absent.
        cooccurrence: float32 [n], co-occurrence with the history or the seeds, >= 0; 0 where they never met.
        dense_rank: int32 [n], rank from 1 in the dense list, 0 where absent.
        word_rank: int32 [n], rank from 1 in the word list, 0 where absent.
        fused: float32 [n], score of the order before the ranker, higher is better, >= 0.
    """

    rows: NDArray[np.int32]
    dense_score: NDArray[np.float32]
    word_score: NDArray[np.float32]
    cooccurrence: NDArray[np.float32]
    dense_rank: NDArray[np.int32]
    word_rank: NDArray[np.int32]
    fused: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self.rows)

    def take(self, positions: NDArray[np.int64]) -> "CandidateList":
        """Return the candidates at some positions, in that order."""
        return CandidateList(
            rows=self.rows[positions],
            dense_score=self.dense_score[positions],
            word_score=self.word_score[positions],
            cooccurrence=self.cooccurrence[positions],
            dense_rank=self.dense_rank[positions],
            word_rank=self.word_rank[positions],
            fused=self.fused[positions],
        )


@dataclass(frozen=True, kw_only=True)
class History:
    """What the user did before the request, newest first.

    Attributes:
        rows: int32 [h], product rows; -1 for a product that is no longer known.
        time: float64 [h], seconds since 1970 UTC, not increasing.
        type: uint8 [h], event type, a code of :data:`mercato.events.event_type.EVENT_TYPE_CODES`.
        price: float32 [h], price paid or shown; NaN where unknown.
    """

    rows: NDArray[np.int32]
    time: NDArray[np.float64]
    type: NDArray[np.uint8]
    price: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.rows)

    @classmethod
    def empty(cls) -> "History":
        """Return the history of someone unknown."""
        return cls(
            rows=np.zeros(0, dtype=np.int32),
            time=np.zeros(0, dtype=np.float64),
            type=np.zeros(0, dtype=np.uint8),
            price=np.zeros(0, dtype=np.float32),
        )


@dataclass(frozen=True, kw_only=True)
class ProductFeatures:
    """Columns of all products that candidates and histories refer to: the snapshot's rows, then the delta's.

    Attributes:
        log_popularity: float32 [N], log1p of :attr:`mercato.signals.Popularity.count`.
        trend: float32 [N], :attr:`mercato.signals.Popularity.trend`; 0 for a new product.
        repeat_rate: float32 [N], :attr:`mercato.signals.Repeat.rate`; 0 for a new product.
        repeat_interval_days: float32 [N], :attr:`mercato.signals.Repeat.interval_days`, > 0.
        price: float32 [N], NaN where unknown.
        leaf_category: int32 [N], code of the most specific category, -1 where there is none.
        brand: int32 [N], code of the brand, -1 where there is none.
        in_stock: bool [N].
    """

    log_popularity: NDArray[np.float32]
    trend: NDArray[np.float32]
    repeat_rate: NDArray[np.float32]
    repeat_interval_days: NDArray[np.float32]
    price: NDArray[np.float32]
    leaf_category: NDArray[np.int32]
    brand: NDArray[np.int32]
    in_stock: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Context:
    """When and where a request is made.

    Attributes:
        time: seconds since 1970 UTC.
        utc_offset_s: what to add to get the user's local time; hour and weekday are local.
        device: kind of device, empty where unknown. Not a feature yet: the demo's purchases do not have it.
        region: region of the user, empty where unknown. Not a feature yet, as above.
    """

    time: float
    utc_offset_s: float = 0.0
    device: str = ""
    region: str = ""


@dataclass(frozen=True, kw_only=True)
class RankRequest:
    """One request as the features see it.

    Attributes:
        candidates: what retrieval found.
        history: what the user did, newest first.
        context: when and where.
        has_query: True for search, False for recommendation.
    """

    candidates: CandidateList
    history: History
    context: Context
    has_query: bool
