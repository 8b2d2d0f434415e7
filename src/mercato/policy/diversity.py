"""Diversity: an order that trades relevance for difference."""

from __future__ import annotations

import numpy as np
from pyversity import Strategy
from pyversity import diversify as select

from mercato.arrays import Float32, Int64


def diversify(vectors: Float32, scores: Float32, diversity: float) -> Int64:
    """Order products by maximal marginal relevance.

    One after another the product with the highest (1 - diversity) * relevance - diversity * similarity is taken, where
    relevance is the score between 0 (the lowest) and 1 (the highest), and similarity the highest cosine to a product
    taken before, at least 0. Source: Carbonell & Goldstein, SIGIR 1998, as `pyversity` has it. Equal products keep
    their order.

    Args:
        vectors: float32 [n, D]; zeros are similar to nothing.
        scores: float32 [n], descending.
        diversity: 0 keeps the order, 1 looks at difference alone (after the first product).

    Returns:
        int64 [n], the indices of the products in their new order.
    """
    span = float(scores.max() - scores.min()) if len(scores) else 0.0
    relevance = (scores - scores.min()) / span if span > 0 else np.ones_like(scores)
    chosen = select(vectors, relevance, len(scores), strategy=Strategy.MMR, diversity=diversity)
    return np.asarray(chosen.indices, np.int64)
