"""How near products are to one shopper by what was learned, added up when first asked for and kept for what follows."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.events.event_order import count_days
from mercato.features.inputs import History
from mercato.index.learned import LearningInput, Signal
from mercato.index.live import LiveCatalog
from mercato.index.live_learning import LearnedNow
from mercato.retrieval.histories import recent_products, whole_history
from mercato.signals.factors import HALF_LIFE_DAYS, REPEAT_SCALE, Factors, compute_factors, weigh_purchases
from mercato.signals.history import TYPE_WEIGHTS
from mercato.signals.neighbours import Nearness, Neighbours


def _learn_factors(data: LearningInput) -> Factors:
    return compute_factors(data.bought, data.product_count, until=data.until)


FACTORS = Signal(name="factors", kind=Factors, learn=_learn_factors)
"""What kinds of shoppers buy a product: read by the ranker alone."""


class LearnedNearness:
    """What the learned matrices say to one history or seeds: sources find with it, features score with it.

    All rows that come out are the snapshot's; those of `starts` and `known` are as they are now.
    """

    def __init__(
        self, catalog: LiveCatalog, history: History, seeds: Int32, now: float, learned: LearnedNow | None = None
    ) -> None:
        """Add up nothing yet.

        Args:
            catalog: the products, which must not be refreshed as long as this is asked.
            history: the shopper's events, newest first, of known products only.
            seeds: int32 [s], rows of the known seed products.
            now: of the request, seconds since 1970 UTC.
            learned: what is learned by then; None for what the snapshot learned.
        """
        self._catalog = catalog
        self._learned = learned or LearnedNow(catalog.snapshot.learned)
        self._history = history
        self._seeds = seeds
        self._now = now
        self._sums: dict[Signal[Neighbours], Nearness] = {}

    @cached_property
    def starts(self) -> tuple[Int32, Float32]:
        """What co-occurrence starts from: the seeds, else the last products of the history; rows and weights [m]."""
        if len(self._seeds):
            return self._seeds, np.ones(len(self._seeds), np.float32)
        weighted = TYPE_WEIGHTS[self._history.type] > 0
        return recent_products(self._history.rows[weighted])

    @cached_property
    def known(self) -> tuple[Int32, Float32]:
        """What the models of whole histories start from: the seeds, else all products of the history; as `starts`."""
        if len(self._seeds):
            return self._seeds, np.ones(len(self._seeds), np.float32)
        return whole_history(self._history, self._catalog.snapshot.tuning.fade)

    @cached_property
    def factor_vector(self) -> Float32:
        """The shopper by the latent factors of the seeds, else of the history: float32 [factors]."""
        factors = self._catalog.snapshot.learned.get(FACTORS)
        if len(self._seeds):
            products, amounts = self._seeds, np.full(len(self._seeds), np.log1p(REPEAT_SCALE), np.float32)
        else:
            history = self._history
            products, index = history.distinct
            age_days = np.maximum(count_days(history.time, self._now, without_time=HALF_LIFE_DAYS), 0.0)
            amounts = weigh_purchases(index, age_days, TYPE_WEIGHTS[history.type], len(products))
        return factors.fold_in(self._catalog.original_rows(products), amounts)

    def sum_up(self, signal: Signal[Neighbours], *, whole: bool) -> Nearness:
        """Return how near products are by a learned matrix, added up when it is first asked for.

        Args:
            signal: the matrix.
            whole: it starts from `known`, the whole history; else from `starts`, the last products.
        """
        if signal not in self._sums:
            rows, weights = self.known if whole else self.starts
            neighbours = self._learned.get(signal)
            self._sums[signal] = neighbours.add_up(self._learned.rows_of(self._catalog, rows), weights)
        return self._sums[signal]
