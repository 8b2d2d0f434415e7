"""What the ranker is told of a recommendation's candidates, whichever source found them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mercato.features.shopping_features import SIGNALS
from mercato.index.live import LiveCatalog
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.nearness import FACTORS
from mercato.retrieval.sources.also_bought import ALSO_BOUGHT
from mercato.retrieval.sources.recent import RECENT
from mercato.retrieval.sources.trending import MOMENTUM
from mercato.signals.momentum import NEVER_DAYS

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]


def gather_signals(catalog: LiveCatalog, context: RetrievalContext, originals: Int32) -> Float32:
    """Look up what was learned of candidates.

    Args:
        catalog: the products.
        context: a recommendation.
        originals: int32 [n], the snapshot rows that its candidates were learned as, -1 for what is newer.

    Returns:
        float32 [len(SIGNALS), n]; a product newer than the snapshot was never sold.
    """
    learned = catalog.snapshot.learned
    result = np.zeros((len(SIGNALS), len(originals)), np.float32)
    result[0] = ALSO_BOUGHT.sum_up(context).score(originals)
    result[1] = RECENT.sum_up(context).score(originals)
    known = originals >= 0
    at = np.where(known, originals, 0)
    momentum = learned.get(MOMENTUM)
    result[2] = np.where(known, momentum.fresh_buyers[at], 0.0)
    result[3] = np.where(known, momentum.recent_buyers[at], 0.0)
    result[4] = np.where(known, momentum.age_days[at], NEVER_DAYS)
    result[5] = np.where(known, momentum.silent_days[at], NEVER_DAYS)
    result[6] = np.where(known, momentum.log_quantity[at], 0.0)
    result[7] = learned.get(FACTORS).score(context.near.factor_vector, originals)
    return result
