"""Cold-start products: what came so recently that hardly anybody bought it.

Nothing is known of them but their texts, so that most sources pass them over. They have a few slots of their own in the
ranked window, where the ranker judges them by what they are.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from mercato.arrays import Bool, Float32, Float64, Int32
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.retrieval.candidates import CandidateSet
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import FusedList
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.momentum import ARRIVAL_DAYS, MIN_ARRIVAL_BUYERS

COLD_START_SLOTS = 8
"""Slots of a window that cold-start products have at least, its last ones."""
LARGEST_SHARE = 0.25
"""Where more than this share of all products is new, the shop is, and no product before another."""
DAYS_PRECISION = 0.01
"""Days since 1970 are kept as float32: one that began a moment ago may seem to begin in one."""
MINUTE = 60.0
"""Cold-start products are listed as of the last full minute, once for all requests of it."""
NEWEST = 1_000
"""Cold-start products that are compared with a shopper's history at most."""


def list_cold_start(catalog: LiveCatalog, now: float) -> Int32:
    """List the products that came recently and that hardly anybody bought yet.

    A product came recently where a live update added it, or where it is available for 28 days at most; hardly anybody
    bought it where its popularity counts less than three purchases. What is not in stock is not put forward.

    Args:
        catalog: the products.
        now: what "recently" is measured from, seconds since 1970 UTC; by the minute.

    Returns:
        Rows int32 [n] as they are now, the newest first: what a live update added before all that the snapshot has,
        of one moment the last written first; of what the snapshot has, by popularity where the moment is the same. None
        where more than a quarter of all products came recently.
    """
    asked = len(catalog.delta), now // MINUTE
    if catalog not in _LAST or _LAST[catalog][0] != asked:
        _LAST[catalog] = asked, _list_cold_start(catalog, now // MINUTE * MINUTE)
    return _LAST[catalog][1]


_LAST: WeakKeyDictionary[LiveCatalog, tuple[tuple[int, float], Int32]] = WeakKeyDictionary()
"""The last answer: retrieval and the slots of a page ask the same, and so does the next request."""


def _list_cold_start(catalog: LiveCatalog, now: float) -> Int32:
    delta, today = catalog.delta, now / SECONDS_PER_DAY
    dated, negative_days = _sort_by_date(catalog.snapshot)
    recent = slice(*np.searchsorted(negative_days, [-(today + DAYS_PRECISION), ARRIVAL_DAYS - today]))
    rows = dated[recent]
    if len(delta):
        own, own_days = _find_dated_entries(catalog, today)
        stays = catalog.alive[rows]
        came = np.concatenate([own_days, -negative_days[recent][stays]])
        rows = np.concatenate([own, rows[stays]])
        rows = rows[np.argsort(-came, kind="stable")]  # two runs that are in order: merging them is all there is to do
    if not len(rows) or len(rows) > LARGEST_SHARE * (np.count_nonzero(catalog.alive) + np.count_nonzero(delta.alive)):
        return np.zeros(0, np.int32)
    features = catalog.features()
    cold_start: Int32 = rows[features.in_stock[rows] & (features.log_popularity[rows] < np.log1p(MIN_ARRIVAL_BUYERS))]
    return cold_start


def _sort_by_date(snapshot: Snapshot) -> tuple[Int32, Float64]:
    """Return the snapshot's rows that say since when they are available, the newest first, and these days, negative.

    Of one day the rows ascend, which is by popularity.
    """
    if snapshot not in _BY_DATE:
        negative = -snapshot.features.available_days.astype(np.float64)  # what is searched for is float64 too
        known = np.flatnonzero(~np.isnan(negative))
        order = known[np.argsort(negative[known], kind="stable")]
        _BY_DATE[snapshot] = order.astype(np.int32), negative[order]
    return _BY_DATE[snapshot]


_BY_DATE: WeakKeyDictionary[Snapshot, tuple[Int32, Float64]] = WeakKeyDictionary()
"""Sorted once: every request looks at the same few at the beginning."""


def _find_dated_entries(catalog: LiveCatalog, today: float) -> tuple[Int32, Float32]:
    """Return the changed products that came recently, newest first, and their days, infinite for what is new."""
    delta, days = catalog.delta, catalog.features().available_days[catalog.base :]
    if not len(days):
        days = np.full(len(delta), np.nan, np.float32)
    added = delta.alive & (delta.replaced_rows < 0) & ~(days > today + DAYS_PRECISION)  # who says nothing is here now
    dated = delta.alive & ~added & (days > today - ARRIVAL_DAYS) & (days <= today + DAYS_PRECISION)
    entries = np.flatnonzero(added | dated)
    came = np.where(added[entries], np.float32(np.inf), days[entries]).astype(np.float32)
    order = np.lexsort((-entries, -came))
    return (entries[order] + catalog.base).astype(np.int32), came[order]


def find_cold_start(catalog: LiveCatalog, context: RetrievalContext) -> Int32:
    """Find the cold-start products that a recommendation may have.

    Args:
        catalog: the products.
        context: a recommendation.

    Returns:
        Rows int32 [n]: for a shopper with a history, or around seeds, the nearest by text first, of the newest
        :data:`NEWEST`; for others the newest first.
    """
    newest = list_cold_start(catalog, context.request.context.time)
    newest = newest[context.allowed.holds(newest)][:NEWEST]
    since = context.learned.since
    if since is not None and len(newest):  # what people found meanwhile has begun
        popularity = np.expm1(catalog.features().log_popularity[newest])
        popularity += since.place(since.interest)[context.learned.rows_of(catalog, newest)]
        newest = newest[popularity < MIN_ARRIVAL_BUYERS]
    if context.probe is None or not len(newest):
        return newest
    nearest: Int32 = newest[np.argsort(-(catalog.vectors(newest) @ context.probe), kind="stable")]
    return nearest


def give_slots(fused: FusedList, cold_start: Int32, window: int) -> FusedList:
    """Give cold-start products the last slots of a window where too few of them came into it by themselves.

    Args:
        fused: the candidates.
        cold_start: int32 [n], best first; those that are no candidates are passed over.
        window: how many candidates are ranked.

    Returns:
        The candidates with at least `COLD_START_SLOTS` cold-start products in the window, or all of them; what they
        displaced follows the window. Within the window and behind it fused scores fall.
    """
    if not len(cold_start):
        return fused
    position_of = {row: position for position, row in enumerate(fused.rows.tolist())}
    positions = np.array([position_of[row] for row in cold_start.tolist() if row in position_of], np.int64)
    inside = positions[positions < window]
    admitted = np.sort(positions[positions >= window][: max(COLD_START_SLOTS - len(inside), 0)])
    others = np.setdiff1d(np.arange(min(window, len(fused.rows))), inside)
    displaced = others[len(others) - len(admitted) :]
    if not len(admitted) or len(displaced) < len(admitted):
        return fused
    kept = np.setdiff1d(np.arange(window), displaced)
    rest = np.setdiff1d(np.arange(window, len(fused.rows)), admitted)
    order = np.concatenate([kept, admitted, displaced, rest])
    return FusedList(
        rows=fused.rows[order],
        fused=fused.fused[order],
        scores=fused.scores[:, order],
        ranks=fused.ranks[:, order],
    )


def find_slots(catalog: LiveCatalog, context: RetrievalContext, found: CandidateSet) -> Bool:
    """Tell which positions of a window cold-start products keep, whatever else comes into it.

    Args:
        catalog: the products.
        context: the request.
        found: its candidates.

    Returns:
        bool [w], the positions of the first `COLD_START_SLOTS` cold-start products.
    """
    rows = found.fused.rows[: context.request.window]
    came: Bool = np.isin(rows, list_cold_start(catalog, context.request.context.time))
    return came & (np.cumsum(came) <= COLD_START_SLOTS)
