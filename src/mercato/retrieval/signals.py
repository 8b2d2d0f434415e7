"""What the ranker is told of a recommendation's candidates, whichever source found them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mercato.features.features import FEATURES
from mercato.index.live import LiveCatalog
from mercato.retrieval.case import Case
from mercato.signals.momentum import NEVER_DAYS

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class _Lookup:
    """The candidates of one recommendation.

    Attributes:
        catalog: the products.
        case: the recommendation.
        originals: int32 [n], the snapshot rows that the candidates were learned as, -1 for what is newer.
    """

    catalog: LiveCatalog
    case: Case
    originals: Int32

    def read(self, column: npt.NDArray[np.generic], unknown: float) -> npt.NDArray[np.generic]:
        """Read a column of the snapshot; a product newer than it has another value."""
        return np.where(self._known, column[self._rows], unknown)

    @cached_property
    def _known(self) -> npt.NDArray[np.bool_]:
        known: npt.NDArray[np.bool_] = self.originals >= 0
        return known

    @cached_property
    def _rows(self) -> Int32:
        return np.where(self._known, self.originals, 0)


SIGNALS: Mapping[str, Callable[[_Lookup], npt.NDArray[np.generic]]] = {
    "also_bought": lambda of: of.case.near.also_bought.score(of.originals),
    "lately": lambda of: of.case.near.lately.score(of.originals),
    "fresh_buyers": lambda of: of.read(of.catalog.snapshot.behaviour.momentum.fresh_buyers, 0.0),
    "recent_buyers": lambda of: of.read(of.catalog.snapshot.behaviour.momentum.recent_buyers, 0.0),
    "days_on_sale": lambda of: of.read(of.catalog.snapshot.behaviour.momentum.age_days, NEVER_DAYS),
    "days_since_sale": lambda of: of.read(of.catalog.snapshot.behaviour.momentum.silent_days, NEVER_DAYS),
    "usual_pieces": lambda of: of.read(of.catalog.snapshot.behaviour.momentum.log_quantity, 0.0),
    "factors": lambda of: of.catalog.snapshot.behaviour.factors.score(of.case.near.factor_vector, of.originals),
}
"""By name how a signal is looked up; a feature says ``signals.NAME`` in what it reads. A product newer than the
snapshot was never sold."""
_READ = tuple(name for name in SIGNALS if any(f"signals.{name}" in feature.reads for feature in FEATURES))


def gather_signals(catalog: LiveCatalog, case: Case, originals: Int32) -> dict[str, Float32]:
    """Look up what was learned of candidates, as far as a feature reads it.

    Args:
        catalog: the products.
        case: a recommendation.
        originals: int32 [n], the snapshot rows that its candidates were learned as, -1 for what is newer.

    Returns:
        Name of a signal to float32 [n].
    """
    of = _Lookup(catalog=catalog, case=case, originals=originals)
    return {name: SIGNALS[name](of).astype(np.float32, copy=False) for name in _READ}
