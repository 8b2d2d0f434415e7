"""The source `arrival`: what was first sold lately, and beside it what came so lately that hardly anybody bought it.

Nothing is known of newcomers but their texts, so that every other source passes them over. They have a few seats in
the ranked window, where the ranker judges them by what they are.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import Source
from mercato.retrieval.case import Case, Found
from mercato.retrieval.fusion import FusedList, RankedList
from mercato.retrieval.sources import CANDIDATES, rank_places
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.momentum import ARRIVAL_DAYS, MIN_ARRIVAL_BUYERS

Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

NEWCOMER_SEATS = 8
"""Places of a window that newcomers have at least, its last ones."""
LARGEST_SHARE = 0.25
"""Where more than this share of all products is new, the shop is, and no product before another."""
DAYS_PRECISION = 0.01
"""Days since 1970 are kept as float32: one that began a moment ago may seem to begin in one."""
MINUTE = 60.0
"""Newcomers are listed as of the last full minute, once for all requests of it."""
NEWEST = 1_000
"""Newcomers that are compared with a shopper's history at most."""


def list_newcomers(catalog: LiveCatalog, now: float) -> Int32:
    """List the products that came lately and that hardly anybody bought yet.

    A product came lately where a live update added it, or where it is available for 28 days at most; hardly anybody
    bought it where its popularity counts less than three purchases. What is not in stock is not put forward.

    Args:
        catalog: the products.
        now: what "lately" is measured from, seconds since 1970 UTC; by the minute.

    Returns:
        Rows int32 [n] as they are now, the newest first: what a live update added before all that the snapshot has,
        of one moment the last written first; of what the snapshot has, by popularity where the moment is the same. None
        where more than a quarter of all products came lately.
    """
    asked = len(catalog.delta), now // MINUTE
    if catalog not in _LAST or _LAST[catalog][0] != asked:
        _LAST[catalog] = asked, _list_newcomers(catalog, now // MINUTE * MINUTE)
    return _LAST[catalog][1]


_LAST: WeakKeyDictionary[LiveCatalog, tuple[tuple[int, float], Int32]] = WeakKeyDictionary()
"""The last answer: retrieval and the places of newcomers ask the same, and so does the next request."""


def _list_newcomers(catalog: LiveCatalog, now: float) -> Int32:
    delta, today = catalog.delta, now / SECONDS_PER_DAY
    dated, negative_days = _sort_by_date(catalog.snapshot)
    lately = slice(*np.searchsorted(negative_days, [-(today + DAYS_PRECISION), ARRIVAL_DAYS - today]))
    rows = dated[lately]
    if len(delta):
        own, own_days = _find_dated_entries(catalog, today)
        stays = catalog.alive[rows]
        came = np.concatenate([own_days, -negative_days[lately][stays]])
        rows = np.concatenate([own, rows[stays]])
        rows = rows[np.argsort(-came, kind="stable")]  # two runs that are in order: merging them is all there is to do
    if not len(rows) or len(rows) > LARGEST_SHARE * (np.count_nonzero(catalog.alive) + np.count_nonzero(delta.alive)):
        return np.zeros(0, np.int32)
    features = catalog.features()
    newcomers: Int32 = rows[features.in_stock[rows] & (features.log_popularity[rows] < np.log1p(MIN_ARRIVAL_BUYERS))]
    return newcomers


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
    """Return the changed products that came lately, newest first, and their days, infinite for what is new."""
    delta, days = catalog.delta, catalog.features().available_days[catalog.base :]
    if not len(days):
        days = np.full(len(delta), np.nan, np.float32)
    added = delta.alive & (delta.replaced_rows < 0) & ~(days > today + DAYS_PRECISION)  # who says nothing is here now
    dated = delta.alive & ~added & (days > today - ARRIVAL_DAYS) & (days <= today + DAYS_PRECISION)
    entries = np.flatnonzero(added | dated)
    came = np.where(added[entries], np.float32(np.inf), days[entries]).astype(np.float32)
    order = np.lexsort((-entries, -came))
    return (entries[order] + catalog.base).astype(np.int32), came[order]


def find_newcomers(catalog: LiveCatalog, case: Case) -> Int32:
    """Find the newcomers that a recommendation may have.

    Args:
        catalog: the products.
        case: a recommendation.

    Returns:
        Rows int32 [n]: for a shopper with a history, or around seeds, the nearest by text first, of the newest
        :data:`NEWEST`; for others the newest first.
    """
    newest = list_newcomers(catalog, case.request.context.time)
    newest = newest[case.allowed.holds(newest)][:NEWEST]
    if case.probe is None or not len(newest):
        return newest
    nearest: Int32 = newest[np.argsort(-(catalog.vectors(newest) @ case.probe), kind="stable")]
    return nearest


def rank_arrivals(catalog: LiveCatalog, case: Case, newcomers: Int32, weight: float) -> RankedList:
    """Rank by turns what was first sold lately, what most bought first, and newcomers in their order.

    Args:
        catalog: the products.
        case: a recommendation.
        newcomers: int32 [n], from `find_newcomers`.
        weight: of the list in the fusion.
    """
    first_sold = catalog.current_row[catalog.snapshot.behaviour.momentum.rank_arrivals(CANDIDATES)[0]]
    first_sold = first_sold[case.allowed.holds(first_sold)]
    if not len(newcomers):
        return rank_places(first_sold, weight)
    others = newcomers[~np.isin(newcomers, first_sold)][:CANDIDATES]
    turn = np.concatenate([np.arange(len(first_sold)) * 2, np.arange(len(others)) * 2 + 1])
    rows = np.concatenate([first_sold, others])[np.argsort(turn, kind="stable")][:CANDIDATES]
    return rank_places(rows.astype(np.int32), weight)


def seat_newcomers(fused: FusedList, newcomers: Int32, window: int) -> FusedList:
    """Give newcomers the last places of a window where too few of them came into it by themselves.

    Args:
        fused: the candidates.
        newcomers: int32 [n], best first; those that are no candidates are passed over.
        window: how many candidates are ranked.

    Returns:
        The candidates with at least `NEWCOMER_SEATS` newcomers in the window, or all of them; what they displaced
        follows the window. Within the window and behind it fused scores fall.
    """
    if not len(newcomers):
        return fused
    place_of = {row: place for place, row in enumerate(fused.rows.tolist())}
    places = np.array([place_of[row] for row in newcomers.tolist() if row in place_of], np.int64)
    inside = places[places < window]
    seated = np.sort(places[places >= window][: max(NEWCOMER_SEATS - len(inside), 0)])
    others = np.setdiff1d(np.arange(min(window, len(fused.rows))), inside)
    displaced = others[len(others) - len(seated) :]
    if not len(seated) or len(displaced) < len(seated):
        return fused
    kept = np.setdiff1d(np.arange(window), displaced)
    rest = np.setdiff1d(np.arange(window, len(fused.rows)), seated)
    order = np.concatenate([kept, seated, displaced, rest])
    return FusedList(
        rows=fused.rows[order],
        fused=fused.fused[order],
        scores=fused.scores[:, order],
        ranks=fused.ranks[:, order],
    )


def find_seats(catalog: LiveCatalog, case: Case, found: Found) -> Bool:
    """Tell which places of a window newcomers keep, whatever else comes into it.

    Args:
        catalog: the products.
        case: the request.
        found: its candidates.

    Returns:
        bool [w], the places of the first `NEWCOMER_SEATS` newcomers; none where the source `arrival` was not asked.
    """
    rows = found.fused.rows[: case.request.window]
    if Source.ARRIVAL not in found.sources:
        return np.zeros(len(rows), np.bool_)
    came: Bool = np.isin(rows, list_newcomers(catalog, case.request.context.time))
    return came & (np.cumsum(came) <= NEWCOMER_SEATS)
