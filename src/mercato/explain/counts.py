"""How many shoppers bought a product, lately or together with another: the numbers that speak for a candidate.

They are what the sources were learned from, counted when the catalogue was indexed. Of a catalogue that learned from
other events than purchases, for want of these, and of one that did not count, nothing is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mercato.features.inputs import Context
from mercato.index.behaviour import LATELY_DAYS
from mercato.index.live import LiveCatalog
from mercato.index.together import find_count
from mercato.requests.retrieval import Source
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.momentum import ARRIVAL_DAYS, FRESH_DAYS, MIN_ARRIVAL_BUYERS, RECENT_DAYS
from mercato.signals.regional import MIN_BUYERS

PRESENT_SECONDS = SECONDS_PER_DAY
"""Counts that end within so long of a request are of "this" week to its shopper."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Who bought a product, in the days before the moment that the catalogue's signals were learned for.

    Attributes:
        buyers: distinct shoppers of the last ``days`` days; orders, where `orders` says so.
        days: 7, 28 or 35; 0 for all days.
        until: seconds since 1970 UTC; NaN where the snapshot does not say.
        region: where these shoppers are, as the request calls it; empty for everywhere.
        month_buyers: distinct shoppers of the last 28 days.
        orders: orders are counted, not shoppers.
    """

    buyers: int
    days: int
    until: float
    region: str = ""
    month_buyers: int = 0
    orders: bool = False

    def is_present(self, now: float) -> bool:
        """Whether the days end where a request of a moment (seconds since 1970 UTC) begins."""
        return abs(now - self.until) <= PRESENT_SECONDS

    @property
    def has_date(self) -> bool:
        """Whether the snapshot says when the days end."""
        return not math.isnan(self.until)


def count_regional(catalog: LiveCatalog, row: int, context: Context) -> Counts | None:
    """Count the region's shoppers: of the week, or where these are too few to speak of, of four weeks."""
    behaviour = catalog.snapshot.behaviour
    week, month = behaviour.regional.count_buyers(context.region, row)
    if not month:
        return None
    in_week = week >= MIN_BUYERS
    return Counts(
        buyers=week if in_week else month,
        days=int(FRESH_DAYS if in_week else RECENT_DAYS),
        until=behaviour.until,
        region=context.region.strip(),
        month_buyers=month,
    )


def count_trending(catalog: LiveCatalog, row: int, context: Context) -> Counts | None:
    """Count the shoppers of the week, beside those of four weeks."""
    del context
    momentum = catalog.snapshot.behaviour.momentum
    week, month = int(momentum.fresh_buyers[row]), int(momentum.recent_buyers[row])
    return Counts(buyers=week, days=int(FRESH_DAYS), until=catalog.snapshot.behaviour.until, month_buyers=month)


def count_arrival(catalog: LiveCatalog, row: int, context: Context) -> Counts | None:
    """Count the shoppers of the four weeks in which the product was sold first; None for a newcomer."""
    del context
    momentum = catalog.snapshot.behaviour.momentum
    month = int(momentum.recent_buyers[row])
    if month < MIN_ARRIVAL_BUYERS or momentum.age_days[row] > ARRIVAL_DAYS:
        return None
    return Counts(buyers=month, days=int(RECENT_DAYS), until=catalog.snapshot.behaviour.until, month_buyers=month)


COUNT: Mapping[str, Callable[[LiveCatalog, int, Context], Counts | None]] = {
    Source.REGIONAL.labels[0]: count_regional,
    Source.TRENDING.labels[0]: count_trending,
    Source.ARRIVAL.labels[0]: count_arrival,
}
"""How the shoppers are counted, by name of the source; the row is the snapshot's."""


def count_shoppers(catalog: LiveCatalog, source: str, row: int, context: Context) -> Counts | None:
    """Return what a source that goes by no event counted of a product; None where there is nothing to tell.

    Args:
        catalog: the products.
        source: name of the source.
        row: the product's row now.
        context: of the request.
    """
    [original] = catalog.original_rows(np.array([row], np.int32)).tolist()
    if source not in COUNT or original < 0 or not catalog.snapshot.together.bought:
        return None
    return COUNT[source](catalog, original, context)


def count_together(catalog: LiveCatalog, source: str, witness: int, row: int) -> Counts | None:
    """Return how often a product was bought together with the one that speaks for it; None where nobody counted.

    Args:
        catalog: the products.
        source: name of the source.
        witness: row now of the product of the event, or of the seed.
        row: the product's row now.
    """
    snapshot = catalog.snapshot
    behaviour, together = snapshot.behaviour, snapshot.together
    kept = {
        Source.COOCCURRENCE.labels[0]: (snapshot.cooccurrence, together.orders, 0),
        Source.ALSO_BOUGHT.labels[0]: (behaviour.ease, together.shoppers, 0),
        Source.LATELY.labels[0]: (behaviour.lately, together.lately, int(LATELY_DAYS)),
    }
    if source not in kept:
        return None
    neighbours, counts, days = kept[source]
    start, end = catalog.original_rows(np.array([witness, row], np.int32)).tolist()
    count = find_count(neighbours, counts, start, end)
    orders = source == Source.COOCCURRENCE.labels[0]
    return Counts(buyers=count, days=days, until=behaviour.until, orders=orders) if count else None
