"""What the ranker is told of a recommendation's candidates, whichever source found them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mercato.features.shopping_features import SIGNALS
from mercato.index.live import LiveCatalog
from mercato.retrieval.case import Case
from mercato.signals.momentum import NEVER_DAYS

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]


def gather_signals(catalog: LiveCatalog, case: Case, originals: Int32) -> Float32:
    """Look up what was learned of candidates.

    Args:
        catalog: the products.
        case: a recommendation.
        originals: int32 [n], the snapshot rows that its candidates were learned as, -1 for what is newer.

    Returns:
        float32 [len(SIGNALS), n]; a product newer than the snapshot was never sold.
    """
    behaviour = catalog.snapshot.behaviour
    result = np.zeros((len(SIGNALS), len(originals)), np.float32)
    result[0] = case.near.also_bought.score(originals)
    result[1] = case.near.lately.score(originals)
    known = originals >= 0
    at = np.where(known, originals, 0)
    momentum = behaviour.momentum
    result[2] = np.where(known, momentum.fresh_buyers[at], 0.0)
    result[3] = np.where(known, momentum.recent_buyers[at], 0.0)
    result[4] = np.where(known, momentum.age_days[at], NEVER_DAYS)
    result[5] = np.where(known, momentum.silent_days[at], NEVER_DAYS)
    result[6] = np.where(known, momentum.log_quantity[at], 0.0)
    result[7] = behaviour.factors.score(case.near.factor_vector, originals)
    return result
