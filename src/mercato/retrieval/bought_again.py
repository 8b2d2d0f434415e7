"""What a shopper has is shown again only where people buy such a thing again: one rule from the shop's own log."""

from __future__ import annotations

import numpy as np

from mercato.arrays import Int32
from mercato.features.inputs import History
from mercato.index.learned import LearningInput, Signal
from mercato.index.live import LiveCatalog
from mercato.signals.buying_again import BuyingAgain, compute_buying_again


def _learn(data: LearningInput) -> BuyingAgain:
    if not data.has_purchases:
        return BuyingAgain.empty()
    return compute_buying_again(data.purchases, data.product_count, data.categories, until=data.until)


AGAIN = Signal(name="again", kind=BuyingAgain, learn=_learn, missing=BuyingAgain.empty)


def list_bought_once(catalog: LiveCatalog, history: History) -> Int32:
    """List what a shopper has bought and will hardly buy again.

    A product that people buy once (`mercato.signals.buying_again.LEAST_RATE`), unless this very shopper bought it on
    two days.

    Args:
        catalog: the products.
        history: the shopper's events, of known products only.

    Returns:
        Rows int32 [n], as they are now.
    """
    purchases = history.purchases
    if purchases is None:
        return np.zeros(0, np.int32)
    once = purchases.products[purchases.times == 1]
    found: Int32 = once[catalog.snapshot.learned.get(AGAIN).bought_once(catalog.original_rows(once))]
    return found
