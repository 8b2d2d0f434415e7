"""Choosing how far back a shop's own log is to be believed: what sold before a moment is asked for what sells after it.

Popularity and what goes together of late are learned as of some moments of the last weeks, and measured on what
shoppers bought behind each. Visits that are held back (`mercato.indexing.held_visits`) cannot tell it: they lie months
before the end of the log, whose last days say nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mercato.arrays import Float64, Int32, Int64
from mercato.events.event_order import has_time
from mercato.signals.ease import EaseOptions, compute_eases
from mercato.signals.events import SECONDS_PER_DAY, EventColumns
from mercato.signals.learning_settings import LearningSettings
from mercato.signals.popularity import compute_popularity

HALF_LIVES = (LearningSettings().half_life_days, ((30.0, 14.0, 7.0), (120.0, 240.0)))
LATELY = (LearningSettings().lately_days, ((14.0, 7.0), (70.0, 140.0)))
"""The default, and what lies on each side of it, the nearest first: what follows one that is no better is not tried."""
WEEK = 7 * SECONDS_PER_DAY
MOMENTS = 6
"""Moments, a week apart, the last one a week before the end; what is bought in the week behind each is asked for. A
list is the same for all visits of a week, so that weeks are what is compared, not visits."""
LEAST_A_WEEK = 20
AHEAD = 28 * SECONDS_PER_DAY
LEAST_VISITS = 60
"""Fewer tell nothing."""
MOST_SHOPPERS = 600
SAMPLE_PRODUCTS = 2_000
"""Products with the most buyers, with which "lately" is measured: time grows with their cube."""
CERTAIN, CERTAIN_OF_WEEKS = 1.0, 2.5
"""Standard errors of the paired difference by which a setting must be better than the default: of visits, and of weeks,
which are few (Student's t for six of them: 95 %)."""
CUTOFF = 20
SEED = 15
DISCOUNTS = 1.0 / np.log2(np.arange(2, CUTOFF + 2))


@dataclass(frozen=True, kw_only=True)
class _Visits:
    """What some shoppers bought.

    Attributes:
        visit: int64 [n], the visit of each product, ascending.
        product: int32 [n], distinct rows of each.
        actor: int32 [visits], who.
    """

    visit: Int64
    product: Int32
    actor: Int32


def choose_best(
    default: float,
    sides: Sequence[Sequence[float]],
    quality: Callable[[float], Float64],
    certain: float = CERTAIN,
) -> float:
    """Choose what is best on some visits: the default unless another is better for certain.

    Args:
        default: what stands where nothing is certain.
        sides: other choices, those of each side of the default away from it, until one is no better than the last.
        quality: float64 [visits] of a choice, or of whatever else is independent of one another.
        certain: standard errors of the difference that are certain.
    """
    first = quality(default)
    best, reached = default, 0.0
    for side in sides:
        before = 0.0
        for choice in side:
            less = quality(choice) - first
            error = certain * float(less.std(ddof=1)) / np.sqrt(len(less))
            if less.mean() > max(reached, error):
                best, reached = choice, float(less.mean())
            if less.mean() <= before:
                break
            before = float(less.mean())
    return best


def choose_half_life(events: EventColumns, purchases: EventColumns, product_count: int, *, until: float) -> float:
    """Choose the half-life of popularity, in days: by how well the most popular products foretell the next week.

    Args:
        events: what popularity counts; product is a row.
        purchases: what is to be foretold; where there are none, all events are.
        product_count: number of rows.
        until: the end of the log, seconds since 1970 UTC.
    """
    moments = [until - week * WEEK for week in range(1, MOMENTS + 1)]
    bought = purchases if len(purchases) else events
    visits = [_list_visits(bought, moment, moment + WEEK) for moment in moments]
    if min(len(one.actor) for one in visits) < LEAST_A_WEEK:
        return HALF_LIVES[0]
    # Sorting what is sorted costs next to nothing, and every moment and half-life sorts by who and what.
    order = np.lexsort((events.product, events.actor))
    events = EventColumns(
        actor=events.actor[order],
        product=events.product[order],
        order=events.order[order],
        time=events.time[order],
        weight=events.weight[order],
    )

    def measure(days: float) -> Float64:
        found = []
        for moment, one in zip(moments, visits, strict=True):
            count = compute_popularity(events, product_count, until=moment, half_life_days=days).count
            best = np.argsort(-count, kind="stable")[:CUTOFF]
            found.append(_measure_list(best[count[best] > 0].astype(np.int32), one, product_count).mean())
        return np.array(found)

    return choose_best(*HALF_LIVES, measure, CERTAIN_OF_WEEKS)


def choose_lately(bought: EventColumns, product_count: int, settings: LearningSettings, *, until: float) -> float:
    """Choose how many days "lately" are: by how well what EASE learned of them foretells the next four weeks.

    Args:
        bought: the purchases.
        product_count: number of rows.
        settings: how else EASE is learned.
        until: the end of the log, seconds since 1970 UTC.
    """
    moment = until - AHEAD
    past = bought.select((bought.time < moment) & (bought.weight > 0) & (bought.product >= 0))
    visits = _sample(_list_visits(bought, moment, until), np.unique(past.actor))
    if len(visits.actor) < LEAST_VISITS:
        return LATELY[0]
    windows = [LATELY[0], *(days for side in LATELY[1] for days in side)]
    options = EaseOptions(regularization=settings.regularization, max_products=SAMPLE_PRODUCTS)
    found = dict(
        zip(windows, compute_eases(past, product_count, until=moment, windows=windows, options=options), strict=True)
    )
    order = np.argsort(past.actor, kind="stable")
    actor, product = past.actor[order], past.product[order]
    first, last = np.searchsorted(actor, visits.actor), np.searchsorted(actor, visits.actor, "right")
    histories = [
        np.unique(product[start:stop]).astype(np.int32)
        for start, stop in zip(first.tolist(), last.tolist(), strict=True)
    ]

    def measure(days: float) -> Float64:
        lists = [
            found[days].add_up(history, np.ones(len(history), np.float32)).find(CUTOFF)[0] for history in histories
        ]
        return _measure_lists(lists, visits)

    return choose_best(*LATELY, measure)


def _list_visits(bought: EventColumns, start: float, end: float) -> _Visits:
    """List what each shopper bought on each day of some, days counted from their beginning."""
    inside = has_time(bought.time) & (bought.time >= start) & (bought.time < end) & (bought.product >= 0)
    chosen = bought.select(inside)
    day = ((chosen.time - start) // SECONDS_PER_DAY).astype(np.int64)
    rows = np.unique(np.stack([chosen.actor.astype(np.int64), day, chosen.product.astype(np.int64)]), axis=1)
    begins = np.ones(rows.shape[1], np.bool_)
    begins[1:] = (rows[:2, 1:] != rows[:2, :-1]).any(axis=0)
    return _Visits(
        visit=np.cumsum(begins) - 1, product=rows[2].astype(np.int32), actor=rows[0][begins].astype(np.int32)
    )


def _sample(visits: _Visits, known: Int32) -> _Visits:
    """Return the first visits of some of the known shoppers."""
    first = np.ones(len(visits.actor), np.bool_)
    first[1:] = visits.actor[1:] != visits.actor[:-1]
    asked = np.flatnonzero(first & np.isin(visits.actor, known))
    asked = np.sort(np.random.default_rng(SEED).permutation(asked)[:MOST_SHOPPERS])
    keep = np.isin(visits.visit, asked)
    return _Visits(
        visit=np.searchsorted(asked, visits.visit[keep]), product=visits.product[keep], actor=visits.actor[asked]
    )


def _measure_list(rows: Int32, visits: _Visits, product_count: int) -> Float64:
    """Return the nDCG of one list for each visit: float64 [visits]."""
    gain = np.zeros(product_count)
    gain[rows] = DISCOUNTS[: len(rows)]
    return _normalise(np.bincount(visits.visit, gain[visits.product], len(visits.actor)).astype(np.float64), visits)


def _measure_lists(lists: Sequence[Int32], visits: _Visits) -> Float64:
    """Return the nDCG of a list of each visit: float64 [visits]."""
    bounds = np.searchsorted(visits.visit, np.arange(len(visits.actor) + 1))
    gains = np.zeros(len(visits.actor))
    for number, rows in enumerate(lists):
        hit = np.isin(rows, visits.product[bounds[number] : bounds[number + 1]])
        gains[number] = DISCOUNTS[: len(rows)][hit].sum()
    return _normalise(gains, visits)


def _normalise(gains: Float64, visits: _Visits) -> Float64:
    most = np.minimum(np.bincount(visits.visit, minlength=len(visits.actor)), CUTOFF)
    ideal = np.cumsum(DISCOUNTS)
    return np.asarray(gains / ideal[most - 1], np.float64)
