"""What a snapshot learned and what came since, as one: each signal that goes on between two snapshots.

What the snapshot knows is a sum over people, or is turned back into one here; what came since is added, and the same
formula gives the signal. So it is what learning from the whole log would give, as far as the snapshot kept its sums: a
product keeps its best neighbours alone, and a pair that was not among them begins at what the rest have on average.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mercato.arrays import Float32, Float64, Int32, Int64
from mercato.signals.cooccurrence import MIN_BUYERS, MIN_SUPPORT
from mercato.signals.dated_counts import DatedCounts
from mercato.signals.events import SECONDS_PER_DAY, EventColumns
from mercato.signals.learning_settings import LearningSettings
from mercato.signals.momentum import FRESH_DAYS, NEVER_DAYS, RECENT_DAYS, Momentum
from mercato.signals.neighbours import Nearness, Neighbours, find_positions
from mercato.signals.next_clicks import SMOOTHING_CLICKS, WALK_SHARE, ClickCounts
from mercato.signals.since import ALL_UNITS, HOUR_BITS, PAIR_BITS, SCALE, SECONDS_PER_HOUR, to_hours


@dataclass(frozen=True, kw_only=True)
class LastSales:
    """When people bought products last, of the last 28 days: what slides out of a window as time goes on.

    Attributes:
        rows: int32 [n], product rows.
        hours: int32 [n], hours since 1970 UTC.
        people: int32 [n], who bought the product last in that hour.
    """

    rows: Int32
    hours: Int32
    people: Int32

    @classmethod
    def empty(cls) -> LastSales:
        """Return what a snapshot knows that was built before they were kept."""
        return cls(rows=np.zeros(0, np.int32), hours=np.zeros(0, np.int32), people=np.zeros(0, np.int32))


@dataclass(frozen=True, kw_only=True)
class PeopleTogether:
    """The people behind the cosines of what is bought together.

    Attributes:
        buyers: int32 [products].
        together: int32 [pairs], who put both into one order, in the order of the neighbours.
    """

    buyers: Int32
    together: Int32

    @classmethod
    def empty(cls) -> PeopleTogether:
        """Return what a snapshot knows that was built before they were kept."""
        return cls(buyers=np.zeros(0, np.int32), together=np.zeros(0, np.int32))


@dataclass(frozen=True, kw_only=True)
class ClickRest:
    """The lift of what follows a product and is not kept as its neighbour.

    Attributes:
        following: float32 [products].
    """

    following: Float32

    @classmethod
    def empty(cls) -> ClickRest:
        """Return what a snapshot knows that was built before it was kept."""
        return cls(following=np.zeros(0, np.float32))


def find_last_sales(events: EventColumns, product_count: int, *, until: float) -> LastSales:
    """Find when people bought products last, of the 28 days before a moment.

    Args:
        events: what counts as bought; rows outside 0..product_count-1 are ignored.
        product_count: number of products.
        until: seconds since 1970 UTC; only strictly earlier events count.
    """
    known = (events.product >= 0) & (events.product < product_count) & (events.weight > 0) & (events.time < until)
    past = events.select(known & (until - events.time <= RECENT_DAYS * SECONDS_PER_DAY))
    order = np.lexsort((past.time, past.product, past.actor))
    actor, product, time = past.actor[order], past.product[order], past.time[order]
    last = np.ones(len(order), np.bool_)
    last[:-1] = (actor[1:] != actor[:-1]) | (product[1:] != product[:-1])
    keys, people = np.unique(product[last].astype(np.int64) << HOUR_BITS | to_hours(time[last]), return_counts=True)
    return LastSales(
        rows=(keys >> HOUR_BITS).astype(np.int32),
        hours=(keys & (1 << HOUR_BITS) - 1).astype(np.int32),
        people=people.astype(np.int32),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Since:
    """What came since a snapshot, as far as is known at one moment.

    Units are numbers of products: the snapshot's rows, then those that it does not have.

    Attributes:
        counts: by the names of `mercato.signals.since.COUNTERS`, and ``left``.
        before: only what was known before this hour counts; None for all.
        until: what the snapshot was learned for, seconds since 1970 UTC.
        moment: what all is counted for now, at least ``until``.
        base: number of rows of the snapshot.
        rows: int32 [units], the row of each unit as products are now; those of the snapshot stand for themselves, -1
            for what is no product.
        width: number of all rows.
        sums: by name the sums of counters by unit, int64 [at most units], where all that was counted is known; empty
            where a part of it is not.
        grown: by name of a counter of pairs the units of which it has something, int64 [n] ascending.
        settings: how the snapshot learned.
    """

    counts: Mapping[str, DatedCounts]
    before: int | None
    until: float
    moment: float
    base: int
    rows: Int32
    width: int
    sums: Mapping[str, Int64]
    grown: Mapping[str, Int64]
    settings: LearningSettings = LearningSettings()
    _totals: dict[str, tuple[Int64, Int64]] = field(default_factory=dict, init=False, repr=False)

    @property
    def days(self) -> float:
        """Days since the snapshot."""
        return (self.moment - self.until) / SECONDS_PER_DAY

    def totals(self, name: str) -> tuple[Int64, Int64]:
        """Return the keys of a counter whose sum is not 0, ascending, and these sums."""
        if name not in self._totals:
            self._totals[name] = self.counts[name].totals(self.before)
        return self._totals[name]

    def spread(self, name: str) -> Float64:
        """Return the sum of a counter for each unit: float64 [units]."""
        spread = np.zeros(len(self.rows))
        if name in self.sums:
            known = self.sums[name][: len(spread)]
            spread[: len(known)] = known
        else:
            units, sums = self.totals(name)
            spread[units] = sums
        return spread

    def select_pairs(self, name: str, units: Int64) -> tuple[Int64, Int64]:
        """Return what a counter of pairs has of some units (ascending): keys, ascending, and sums, each int64 [n]."""
        return self.counts[name].between(units << PAIR_BITS, (units + 1) << PAIR_BITS, self.before)

    @cached_property
    def interest(self) -> Float64:
        """By unit what was added to its popularity, as `compute_popularity` counts at ``until``: float64 [units]."""
        return self.spread("interest") / SCALE

    def place(self, values: Float64, missing: float = 0.0) -> Float64:
        """Put values of units, float64 [units], where their products are now: float64 [rows], others are missing."""
        placed = np.full(self.width, missing)
        placed[: self.base] = values[: self.base]
        fresh = self.rows[self.base :]
        known = fresh >= 0
        placed[fresh[known]] = values[self.base :][known]
        return placed

    def find_units(self, rows: Int32) -> Int64:
        """Return the unit of each row, int64 [n]; -1 for none."""
        units = np.full(self.width + 1, -1, np.int64)  # a row of -1 is the one put behind
        units[: self.base] = np.arange(self.base)
        fresh = self.rows[self.base :]
        units[fresh[fresh >= 0]] = self.base + np.flatnonzero(fresh >= 0)
        found: Int64 = units[np.minimum(rows, self.width)]
        return found


def go_on_momentum(learned: Momentum, sales: LastSales, since: Since) -> Momentum:
    """Return how products sell at the moment, over all rows; windows go by full hours."""
    keys, people = since.totals("last_sales")
    units, hours = keys >> HOUR_BITS, keys & (1 << HOUR_BITS) - 1
    unit = np.concatenate([sales.rows.astype(np.int64), units])
    days = (since.moment / SECONDS_PER_HOUR - np.concatenate([sales.hours, hours])) / 24.0
    count = np.concatenate([sales.people, people]).astype(np.float64)

    def count_within(window: float) -> Float32:
        inside = days <= window
        counted = np.bincount(unit[inside], weights=count[inside], minlength=len(since.rows))
        return since.place(np.maximum(counted, 0.0)).astype(np.float32)

    def widen(column: Float32, missing: float) -> Float64:
        wide = np.full(len(since.rows), missing)
        wide[: since.base] = column
        return wide

    age, silent = widen(learned.age_days, NEVER_DAYS), widen(learned.silent_days, NEVER_DAYS)
    sold = silent < NEVER_DAYS
    age[sold], silent[sold] = age[sold] + since.days, silent[sold] + since.days
    standing = people > 0
    began = standing & ~sold[units]
    age[units[began]] = 0.0
    np.maximum.at(age, units[began], since.moment / SECONDS_PER_DAY - hours[began] / 24.0)
    np.minimum.at(silent, units[standing], since.moment / SECONDS_PER_DAY - hours[standing] / 24.0)
    return Momentum(
        fresh_buyers=count_within(FRESH_DAYS),
        recent_buyers=count_within(RECENT_DAYS),
        age_days=since.place(np.clip(age, 0.0, NEVER_DAYS), NEVER_DAYS).astype(np.float32),
        silent_days=since.place(np.clip(silent, 0.0, NEVER_DAYS), NEVER_DAYS).astype(np.float32),
        log_quantity=since.place(widen(learned.log_quantity, 0.0)).astype(np.float32),
    )


@dataclass(frozen=True, kw_only=True)
class GrownNeighbours(Neighbours):
    """The neighbours of a snapshot, of which some have grown since.

    Attributes:
        since: what came since.
        grown: int64 [units] ascending, products of which something came.
    """

    since: Since
    grown: Int64

    def add_up(self, seeds: Int32, weights: Float32) -> Nearness:
        """Add up how near every product is to the seeds; see `Neighbours.add_up`. Seeds are rows as they are now."""
        units = self.since.find_units(seeds)
        has_grown = np.isin(units, self.grown)
        if not has_grown.any():
            return super().add_up(seeds, weights)
        known = super().add_up(np.where(has_grown, -1, seeds).astype(np.int32), weights)
        distinct, index = np.unique(units[has_grown], return_inverse=True)
        amount = np.bincount(index, weights=weights[has_grown])
        first, neighbours, scores = self._find_pairs(distinct)
        parts = scores * amount[np.searchsorted(distinct, first)]
        rows, index = np.unique(np.concatenate([known.rows, neighbours]), return_inverse=True)
        totals = np.bincount(index, weights=np.concatenate([known.totals, parts]), minlength=len(rows))
        return Nearness(rows=rows.astype(np.int32), totals=totals.astype(np.float32), seeds=seeds)

    def find_largest(self, seeds: Int32, weights: Float32, candidates: Int32) -> Int64:
        """Find the seed with the largest part in each candidate's nearness; see `Neighbours.find_largest`."""
        units = self.since.find_units(seeds)
        if not np.isin(units, self.grown).any():
            return super().find_largest(seeds, weights, candidates)
        known = np.flatnonzero(units >= 0)
        distinct = np.unique(units[known])
        first, neighbours, scores = self._find_pairs(distinct)
        order = np.argsort(first, kind="stable")
        bounds = np.searchsorted(first[order], np.append(distinct, ALL_UNITS)).astype(np.int64)
        lines = Neighbours(indptr=bounds, neighbours=neighbours[order], scores=scores[order].astype(np.float32))
        found = lines.find_largest(np.searchsorted(distinct, units[known]).astype(np.int32), weights[known], candidates)
        return np.where(found >= 0, np.append(known, -1)[found], -1)

    def _find_pairs(self, units: Int64) -> tuple[Int64, Int32, Float64]:
        """Return the pairs of some units (ascending) as they are now: unit, row of the neighbour, score above 0."""
        first, second, score = self.grow(units)
        rows = self.since.rows[second]
        kept = np.flatnonzero((score > 0) & (rows >= 0) & (first != second))
        return first[kept], rows[kept], score[kept]

    def stored_pairs(self, units: Int64) -> tuple[Int64, Int64, Int64]:
        """Return what the snapshot keeps of some units: first, second, and where it lies, each int64 [n]."""
        stored = units[units < len(self.indptr) - 1]
        start, length = self.indptr[stored], self.indptr[stored + 1] - self.indptr[stored]
        ends = np.cumsum(length)
        at = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(start - ends + length, length)
        return np.repeat(stored, length), self.neighbours[at].astype(np.int64), at

    def grow(self, units: Int64) -> tuple[Int64, Int64, Float64]:
        """Return the pairs of some units, int64 ascending, as they are now: first, second, and score, [n] each.

        Each pair is there once, in any order.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class GrownTogether(GrownNeighbours):
    """What is bought together, as `compute_together` scores it.

    Attributes:
        people: behind the scores of the snapshot.
        buyers: float64 [units], as they are now.
        shrinkage: people at which a cosine is halved.
    """

    people: PeopleTogether
    buyers: Float64
    shrinkage: float

    def grow(self, units: Int64) -> tuple[Int64, Int64, Float64]:
        """Return their pairs as they are now; see `GrownNeighbours.grow`."""
        first, second, at = self.stored_pairs(units)
        keys, added = self.since.select_pairs("together", units)
        more, others = _match(first << PAIR_BITS | second, keys, added)
        others = others[added[others] >= MIN_SUPPORT]  # most are of one person
        first = np.concatenate([first, keys[others] >> PAIR_BITS])
        second = np.concatenate([second, keys[others] & ALL_UNITS - 1])
        people = np.concatenate([self.people.together[at] + more, added[others]]).astype(np.float64)
        enough = (people >= MIN_SUPPORT) & (np.minimum(self.buyers[first], self.buyers[second]) >= MIN_BUYERS)
        first, second, people = first[enough], second[enough], people[enough]
        return first, second, people**2 / (people + self.shrinkage) / np.sqrt(self.buyers[first] * self.buyers[second])


@dataclass(frozen=True, kw_only=True)
class GrownFollowing(GrownNeighbours):
    """What is clicked next, as `compute_next_clicks` scores it.

    A lift is turned back into the share of clicks that it stands for; clicks since go in at their number. Where two
    steps lead is taken from the snapshot.

    Attributes:
        rest: what was taken off the lifts of the snapshot.
        left: float64 [units], clicks that followed each product in the snapshot.
        share: float64 [units], of all clicks that followed any, in the snapshot.
        share_now: float64 [units], the same now.
    """

    rest: ClickRest
    left: Float64
    share: Float64
    share_now: Float64

    def grow(self, units: Int64) -> tuple[Int64, Int64, Float64]:
        """Return their pairs as they are now; see `GrownNeighbours.grow`."""
        first, second, at = self.stored_pairs(units)
        keys, added = self.since.select_pairs("following", units)
        clicks = np.bincount(keys >> PAIR_BITS, weights=added / SCALE, minlength=len(self.left))
        prior = np.clip(self.left, 1e-12, SMOOTHING_CLICKS)
        prior_now = np.clip(self.left + clicks, 1e-12, SMOOTHING_CLICKS)
        keeps = np.where(self.left > 0, np.minimum(prior / prior_now, 1.0), 0.0)
        rest = np.zeros(len(self.left))
        rest[: len(self.rest.following)] = self.rest.following
        usual = np.expm1(rest) * (1.0 - WALK_SHARE)  # of a pair that is not kept, by the share of its second product
        kept = np.expm1(self.scores[at] + rest[first]) * (1.0 - WALK_SHARE) - usual[first]
        more, others = _match(first << PAIR_BITS | second, keys, added)
        parts = np.concatenate([kept * self.share[second] * keeps[first], np.zeros(len(others))])
        first = np.concatenate([first, keys[others] >> PAIR_BITS])
        second = np.concatenate([second, keys[others] & ALL_UNITS - 1])
        parts += np.concatenate([more, added[others]]) / SCALE / prior_now[first]
        parts += usual[first] * self.share[second] * keeps[first]
        lift = np.log1p(np.maximum(parts, 0.0) / (self.share_now[second] * (1.0 - WALK_SHARE)))
        return first, second, lift - np.log1p(np.expm1(rest[first]) * keeps[first])


def go_on_together(learned: Neighbours, people: PeopleTogether, since: Since) -> Neighbours:
    """Return what is bought together now."""
    grown = since.grown["together"]
    if not len(grown):
        return learned
    buyers = since.spread("buyers")
    buyers[: len(people.buyers)] += people.buyers
    return GrownTogether(
        indptr=learned.indptr, neighbours=learned.neighbours, scores=learned.scores,
        since=since, grown=grown, people=people, buyers=np.maximum(buyers, 0.0),
        shrinkage=since.settings.shrinkage,
    )  # fmt: skip


def go_on_following(learned: Neighbours, counts: ClickCounts, rest: ClickRest, since: Since) -> Neighbours:
    """Return what is clicked next now."""
    grown = since.grown["following"]
    if not len(grown):
        return learned
    clicks, left = _spread_clicks(counts, since)
    share, share_now = (_share(one) for one in (clicks, np.maximum(clicks + since.spread("clicks"), 0.0)))
    return GrownFollowing(
        indptr=learned.indptr, neighbours=learned.neighbours, scores=learned.scores,
        since=since, grown=grown, rest=rest, left=left, share=share, share_now=share_now,
    )  # fmt: skip


def go_on_clicks(learned: ClickCounts, since: Since) -> ClickCounts:
    """Return how much products are clicked by now, over all rows."""
    if not len(since.grown["following"]):
        return learned
    clicks, left = _spread_clicks(learned, since)
    clicks = np.maximum(clicks + since.spread("clicks"), 0.0)
    left = np.maximum(left + since.spread("left") / SCALE, 0.0)
    return ClickCounts(
        log_clicks=since.place(np.log1p(clicks)).astype(np.float32), left=since.place(left).astype(np.float32)
    )


def _spread_clicks(counts: ClickCounts, since: Since) -> tuple[Float64, Float64]:
    """Return the clicks of the snapshot by unit, those that followed another and those that followed it."""
    clicks, left = np.zeros(len(since.rows)), np.zeros(len(since.rows))
    clicks[: len(counts.log_clicks)] = np.rint(np.expm1(counts.log_clicks.astype(np.float64)))
    left[: len(counts.left)] = counts.left
    return clicks, left


def _share(clicks: Float64) -> Float64:
    share: Float64 = (clicks + 1.0) / (clicks.sum() + len(clicks))
    return share


def _match(stored: Int64, keys: Int64, sums: Int64) -> tuple[Int64, Int64]:
    """Return what was added to each stored key, int64 [stored]; and which of the keys (ascending) are not stored."""
    if not len(keys) or not len(stored):
        return np.zeros(len(stored), np.int64), np.arange(len(keys))
    at, found = find_positions(keys, stored)
    others = np.ones(len(keys), np.bool_)
    others[at[found]] = False
    return np.where(found, sums[at], 0), np.flatnonzero(others)
