"""What speaks for a candidate: the event or the seed with the largest part in a source's score, and who was counted.

Each part is computed by what computed the score, so that the parts add up to it: taking the event away takes its part
from the score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mercato.arrays import Float32, Float64, Int32, Int64
from mercato.index.live import LiveCatalog
from mercato.requests.trace import NO_EVENT, Evidence
from mercato.retrieval.context import RetrievalContext
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.neighbours import Neighbours

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


def name_largest_events(context: RetrievalContext, rows: Int32, weights: Float64) -> Evidence:
    """Name for each product its own event of the largest weight above 0, of equal ones the newest.

    Args:
        context: the request, with the history.
        rows: int32 [n], -1 for none.
        weights: float64 [events of the history].
    """
    return write_events(context, rows, find_largest_events(context.history.rows, weights, rows))


def find_largest_events(keys: Int32, weights: Float64, wanted: Int32) -> Int64:
    """Find for each wanted key the event of the largest weight above 0 that has it, -1 for none: int64 [n].

    Args:
        keys: int32 [events], such as each one's product, newest first.
        weights: float64 [events]; of equal ones the newest is found.
        wanted: int32 [n].
    """
    weighted = np.flatnonzero(weights > 0)
    # The last assignment wins: ascending weights, of equal ones the oldest first.
    order = weighted[np.lexsort((-weighted, weights[weighted]))]
    best = dict(zip(keys[order].tolist(), order.tolist(), strict=True))
    return np.array([best.get(key, -1) for key in wanted.tolist()], np.int64)


def name_by_neighbours(
    catalog: LiveCatalog,
    context: RetrievalContext,
    rows: Int32,
    neighbours: Neighbours,
    start: tuple[Int32, Float32],
    event_weights: Float64,
) -> Evidence:
    """Name for each candidate the starting product with the largest part in its sum, and that one's largest event.

    Args:
        catalog: the products.
        context: the request.
        rows: int32 [n], the candidates.
        neighbours: the matrix whose parts are summed.
        start: rows int32 [m] as they are now that the sum starts from, and their weights float32 [m].
        event_weights: float64 [events of the history], which of a product's events is named.
    """
    starts, weights = start
    if not len(starts):
        return Evidence.none(len(rows))
    largest = neighbours.find_largest(catalog.original_rows(starts), weights, catalog.original_rows(rows))
    return _name_products(context, np.where(largest >= 0, starts[largest], -1).astype(np.int32), event_weights)


def name_largest_parts(context: RetrievalContext, products: Int32, parts: Float32, event_weights: Float64) -> Evidence:
    """Name for each column of parts [products, n] the product of the largest one above 0, and its largest event.

    Args:
        context: the request.
        products: int32 [products], seeds or products of the history.
        parts: float32 [products, n].
        event_weights: float64 [events of the history]; empty where the products are seeds.
    """
    if not len(products):
        return Evidence.none(parts.shape[1])
    named = np.where(parts.max(axis=0) > 0, products[parts.argmax(axis=0)], -1).astype(np.int32)
    return _name_products(context, named, event_weights)


def _name_products(context: RetrievalContext, named: Int32, event_weights: Float64) -> Evidence:
    """Give each named product (int32 [n], -1 for none) the event that counts most; seeds have none."""
    if len(context.seeds):
        return Evidence(rows=named, time=np.zeros(len(named)), type=np.full(len(named), NO_EVENT, np.int32))
    return name_largest_events(context, named, event_weights)


def write_events(context: RetrievalContext, rows: Int32, events: Int64) -> Evidence:
    """Return products as evidence, with the time and type of their events (int64 [n], -1 for none)."""
    found = events >= 0
    at = np.maximum(events, 0)
    if not len(context.history):
        return Evidence.none(len(rows))
    return Evidence(
        rows=np.where(found, rows, -1).astype(np.int32),
        time=np.where(found, context.history.time[at], 0.0),
        type=np.where(found, context.history.type[at].astype(np.int32), NO_EVENT).astype(np.int32),
    )
