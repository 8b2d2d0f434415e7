"""What the ranker is told about one request: plain arrays in frozen dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mercato.features.kinds import Kinds
from mercato.signals.purchases import Purchases, summarise_purchases


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
        coverage: float32 [n], share of the query's words that each holds, 0 to 1; None without a query.
        category_meaning: float32 [n], cosine of the query with the centroid of each one's category; None where nothing
            is known of categories.
        category_named: float32 [n], 0 to 1: how much of each one's category holds the query's words, the head's above
            all; None likewise.
        matches: how many products the whole result of a query has.
        chosen: float32 [n], 0 to 1, how many people chose each after the same query
            (`mercato.signals.query_use.QueryUse.strengths`); None where nobody did.
        chosen_category: float32 [n], 0 to 1, the same for its category; None as before.
        signals: what was learned of the candidates of a recommendation, by the names of `mercato.retrieval.signals`:
            float32 [n] each; None for a search.
    """

    rows: NDArray[np.int32]
    dense_score: NDArray[np.float32]
    word_score: NDArray[np.float32]
    cooccurrence: NDArray[np.float32]
    dense_rank: NDArray[np.int32]
    word_rank: NDArray[np.int32]
    fused: NDArray[np.float32]
    coverage: NDArray[np.float32] | None = None
    category_meaning: NDArray[np.float32] | None = None
    category_named: NDArray[np.float32] | None = None
    matches: int = 0
    chosen: NDArray[np.float32] | None = None
    chosen_category: NDArray[np.float32] | None = None
    signals: Mapping[str, NDArray[np.float32]] | None = None

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
            coverage=None if self.coverage is None else self.coverage[positions],
            category_meaning=None if self.category_meaning is None else self.category_meaning[positions],
            category_named=None if self.category_named is None else self.category_named[positions],
            matches=self.matches,
            chosen=None if self.chosen is None else self.chosen[positions],
            chosen_category=None if self.chosen_category is None else self.chosen_category[positions],
            signals=None if self.signals is None else {name: of[positions] for name, of in self.signals.items()},
        )


@dataclass(frozen=True, kw_only=True)
class History:
    """What the user did before the request, newest first.

    Attributes:
        rows: int32 [h], product rows; -1 for a product that is no longer known.
        time: float64 [h], seconds since 1970 UTC, not increasing.
        type: uint8 [h], event type, a code of :data:`mercato.events.event_type.EVENT_TYPE_CODES`.
        price: float32 [h], price paid or shown; NaN where unknown.
        quantity: int32 [h], pieces, at least 1; None where no event says: one each.
    """

    rows: NDArray[np.int32]
    time: NDArray[np.float64]
    type: NDArray[np.uint8]
    price: NDArray[np.float32]
    quantity: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.rows)

    @cached_property
    def distinct(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The products of the history, int32 [m] ascending, and each event's index among them, int64 [h]."""
        return np.unique(self.rows, return_inverse=True)

    @cached_property
    def purchases(self) -> Purchases | None:
        """What the purchases of known products come to; None where there are none."""
        return summarise_purchases(self.rows, self.time, self.type, self.quantity)

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
        log_popularity: float32 [N], log1p of :attr:`mercato.signals.popularity.Popularity.count`.
        trend: float32 [N], :attr:`mercato.signals.popularity.Popularity.trend`; 0 for a new product.
        repeat_rate: float32 [N], :attr:`mercato.signals.repeat.Repeat.rate`; 0 for a new product.
        repeat_interval_days: float32 [N], :attr:`mercato.signals.repeat.Repeat.interval_days`, > 0.
        price: float32 [N], NaN where unknown.
        leaf_category: int32 [N], code of the most specific category, -1 where there is none.
        brand: int32 [N], code of the brand, -1 where there is none.
        in_stock: bool [N].
        available_days: float32 [N], when the product came, in days since 1970 UTC; NaN where unknown. Empty, as the
            following, in a snapshot that has none.
        kind_bounds: int64 [N + 1], :attr:`mercato.features.kinds.Kinds.bounds`.
        kind_names: int32 [m], :attr:`mercato.features.kinds.Kinds.names`.
        kind_weights: float32 [m], :attr:`mercato.features.kinds.Kinds.weights`.
    """

    log_popularity: NDArray[np.float32]
    trend: NDArray[np.float32]
    repeat_rate: NDArray[np.float32]
    repeat_interval_days: NDArray[np.float32]
    price: NDArray[np.float32]
    leaf_category: NDArray[np.int32]
    brand: NDArray[np.int32]
    in_stock: NDArray[np.bool_]
    available_days: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    kind_bounds: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    kind_names: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    kind_weights: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def kinds(self) -> Kinds:
        """What kind of thing each product is."""
        return Kinds(bounds=self.kind_bounds, names=self.kind_names, weights=self.kind_weights)


@dataclass(frozen=True, kw_only=True)
class Context:
    """When and where a request is made.

    Attributes:
        time: seconds since 1970 UTC.
        utc_offset_s: what to add to get the user's local time; hour and weekday are local.
        device: kind of device, empty where unknown.
        region: region of the user, empty where unknown.
        language: that the user speaks, as ``de`` or ``zh-CN``; empty for the shop's.
    """

    time: float
    utc_offset_s: float = 0.0
    device: str = ""
    region: str = ""
    language: str = ""


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
