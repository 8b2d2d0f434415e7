"""What the ranker is told of a recommendation's candidates, whichever source found them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mercato.arrays import Bool, Float32, Int32
from mercato.features.features import FEATURES
from mercato.index.live import LiveCatalog
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.nearness import FACTORS
from mercato.retrieval.sources.also_bought import ALSO_BOUGHT
from mercato.retrieval.sources.recent import RECENT
from mercato.retrieval.sources.trending import MOMENTUM
from mercato.signals.momentum import NEVER_DAYS, Momentum


@dataclass(frozen=True, kw_only=True)
class _Lookup:
    """The candidates of one recommendation.

    Attributes:
        catalog: the products.
        context: the recommendation.
        originals: int32 [n], the snapshot rows that the candidates were learned as, -1 for what is newer.
    """

    catalog: LiveCatalog
    context: RetrievalContext
    originals: Int32

    @cached_property
    def momentum(self) -> Momentum:
        """How products sell right now."""
        return self.context.learned.get(MOMENTUM)

    def read(self, column: npt.NDArray[np.generic], unknown: float) -> npt.NDArray[np.generic]:
        """Read a column of the snapshot; a product newer than it has another value."""
        return np.where(self._known, column[self._rows], unknown)

    @cached_property
    def _known(self) -> Bool:
        known: Bool = self.originals >= 0
        return known

    @cached_property
    def _rows(self) -> Int32:
        return np.where(self._known, self.originals, 0).astype(np.int32)

    def compare_factors(self) -> Float32:
        """Compare candidates with the shopper by latent factors."""
        return self.catalog.snapshot.learned.get(FACTORS).score(self.context.near.factor_vector, self.originals)


SIGNALS: Mapping[str, Callable[[_Lookup], npt.NDArray[np.generic]]] = {
    "also_bought": lambda of: ALSO_BOUGHT.sum_up(of.context).score(of.originals),
    "lately": lambda of: RECENT.sum_up(of.context).score(of.originals),
    "fresh_buyers": lambda of: of.read(of.momentum.fresh_buyers, 0.0),
    "recent_buyers": lambda of: of.read(of.momentum.recent_buyers, 0.0),
    "days_on_sale": lambda of: of.read(of.momentum.age_days, NEVER_DAYS),
    "days_since_sale": lambda of: of.read(of.momentum.silent_days, NEVER_DAYS),
    "usual_pieces": lambda of: of.read(of.momentum.log_quantity, 0.0),
    "factors": lambda of: of.compare_factors(),
}
"""By name how a signal is looked up; a feature says ``signals.NAME`` in what it reads. A product newer than the
snapshot was never sold."""
_READ = tuple(name for name in SIGNALS if any(f"signals.{name}" in feature.reads for feature in FEATURES))


def gather_signals(catalog: LiveCatalog, context: RetrievalContext, originals: Int32) -> dict[str, Float32]:
    """Look up what was learned of candidates, as far as a feature reads it.

    Args:
        catalog: the products.
        context: a recommendation.
        originals: int32 [n], the snapshot rows that its candidates were learned as, -1 for what is newer.

    Returns:
        Name of a signal to float32 [n].
    """
    of = _Lookup(catalog=catalog, context=context, originals=originals)
    return {name: SIGNALS[name](of).astype(np.float32, copy=False) for name in _READ}
