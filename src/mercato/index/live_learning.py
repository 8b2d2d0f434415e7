"""What people did since the snapshot was made, counted as it is written: its signals go on between two builds.

The snapshot knows the number of the last event that it learned from. Every process reads what was written behind it,
with all that the same people did before, and adds what they count now less what they counted (`mercato.signals.since`).
Nothing of it is kept on disk or of a person: after a restart it is counted again from the log.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from mercato.arrays import Bool, Float64, Int32, Int64
from mercato.events.event_order import has_time
from mercato.index.learned import Learned, Signal
from mercato.index.live import LiveCatalog
from mercato.signals.dated_counts import DatedCounts
from mercato.signals.events import SECONDS_PER_DAY, EventColumns
from mercato.signals.going_on import Since
from mercato.signals.history import TYPE_WEIGHTS
from mercato.signals.since import (
    ALL_UNITS,
    COUNTERS,
    PAIR_BITS,
    SECONDS_PER_HOUR,
    Deeds,
    is_bought,
    subtract,
    to_hours,
)
from mercato.signals.undone import find_standing
from mercato.state.schema import Records
from mercato.state.store import StateStore
from mercato.state.values import PeopleLog
from mercato.state.visitors import MAX_SHARING_USERS, join_visitors

logger = logging.getLogger(__name__)

T = TypeVar("T")

EVERY_S = 1.0
"""How long after one look at the log the next one is due."""
LOOK_S = 0.25
"""How long one look goes on reading: behind a snapshot of last month it takes many, and no request waits for all."""
IDLE_DAYS = 7.0
"""A shop in which nothing happened for longer ages by so many days alone: the first purchase after a year of silence
does not outweigh all that was bought before."""
MAX_WAITING = 10_000
"""Events with times in the future that are looked at again once these have come; more are mistakes of a clock."""
VIEWS = 4
"""Moments of the past that are kept ready."""
LEFT = "left"
SUMMED = ("interest", "buyers", "clicks", LEFT)
"""Counters by unit alone, whose sums are kept ready."""
PAIRS = ("together", "following")


class LearnedNow:
    """What a snapshot learned, with what is known since at one moment."""

    def __init__(self, learned: Learned, since: Since | None = None) -> None:
        """Join them.

        Args:
            learned: by the snapshot.
            since: what came since; None for nothing.
        """
        self.learned = learned
        self.since = since
        self._values: dict[Signal[Any], Any] = {}
        self._kept: dict[str, Any] = {}

    def get(self, signal: Signal[T]) -> T:
        """Return a signal as it is now; see `mercato.index.learned.Learned.get`.

        Rows of it are the snapshot's, and of products that it does not have those of the live catalogue.
        """
        learned = self.learned.get(signal)
        if self.since is None or signal.go_on is None:
            return learned
        if signal not in self._values:
            self._values[signal] = signal.go_on(learned, self.learned, self.since)
        value: T = self._values[signal]
        return value

    def once(self, name: str, compute: Callable[[Since], T]) -> T | None:
        """Compute something of what came since, and keep it under a name; None where nothing came."""
        if self.since is None:
            return None
        if name not in self._kept:
            self._kept[name] = compute(self.since)
        kept: T = self._kept[name]
        return kept

    def rows_of(self, catalog: LiveCatalog, rows: Int32) -> Int32:
        """Return the rows that signals of some rows stand under, int32 [n]; see `LiveCatalog.original_rows`."""
        originals = catalog.original_rows(rows)
        return originals if self.since is None else np.where(originals < 0, rows, originals).astype(np.int32)


class LiveLearning:
    """Counts what came since the snapshot of a live catalogue."""

    def __init__(
        self,
        catalog: LiveCatalog,
        state: StateStore | None,
        required: Iterable[Signal[Any]],
        *,
        clock: Callable[[], float] = time.time,
        every_s: float = EVERY_S,
        look_s: float = LOOK_S,
    ) -> None:
        """Count nothing yet.

        Args:
            catalog: the products; it must be refreshed before the log is looked at.
            state: whose log is read; None for no log.
            required: signals without which nothing goes on: a snapshot that was built before there were any stays as
                it is.
            clock: tells the time, seconds since 1970; what is later has not happened yet.
            every_s: see `EVERY_S`.
            look_s: see `LOOK_S`.
        """
        snapshot = catalog.snapshot
        self._catalog, self._clock, self._every_s, self._look_s = catalog, clock, every_s, look_s
        self._state = state if all(snapshot.learned.holds(signal) for signal in required) else None
        self._first = snapshot.manifest.event_sequence
        self._until = snapshot.learned.until
        self._settings = snapshot.tuning.settings
        self._purchases = snapshot.learned.bought
        self._marks: tuple[int, int] | None = None
        self._looked = -np.inf
        self._start()

    def _start(self) -> None:
        """Forget everything."""
        self._counts = {name: DatedCounts() for name in (*COUNTERS, LEFT)}
        self._sums = {name: np.zeros(0, np.int64) for name in SUMMED}
        self._grown = {name: np.zeros(0, np.int64) for name in PAIRS}
        self._full = 0
        self._sequence, self._now, self._behind = self._first, -np.inf, False
        self._idle_s: float | None = None
        self._last_time = self._until
        self._waiting: list[int] = []
        self._due = np.inf
        self._units: dict[int, int] = {0: -1}  # by code; code 0 is no product
        self._fresh: dict[str, int] = {}
        self._views: OrderedDict[tuple[int | None, int], LearnedNow] = OrderedDict()

    def catch_up(self) -> None:
        """Count what was written since the last call; a few microseconds where nothing was, or that was just now.

        What is too much for one look is counted by the next ones, the oldest first.

        Raises:
            StateError: state cannot be read; what was counted stays.
        """
        if self._state is None:
            return
        now, clock = self._clock(), time.monotonic()
        if clock < self._looked + self._every_s:
            return
        marks = self._state.event_marks()
        if marks == self._marks and now < self._due and not self._behind:
            return
        if self._marks is not None and marks[1] != self._marks[1]:
            self._start()  # of events that were taken out nothing stays
        while True:
            before = self._sequence
            self._count(self._state.read_people(self._sequence, self._waiting), now)
            self._behind = before < self._sequence
            if not self._behind or time.monotonic() > clock + self._look_s:
                break
        self._marks, self._looked = marks, clock

    def at(self, moment: float | None = None) -> LearnedNow:
        """Return what is learned by now, or was known at a moment.

        Args:
            moment: seconds since 1970; None for now. What came since the snapshot is told apart by hours: of a moment
                in the past what had come before its full hour.
        """
        past = moment is not None and moment < self._last_time
        before = int(moment // SECONDS_PER_HOUR) if past and moment is not None else None
        key = before, len(self._catalog.delta)
        if key not in self._views:
            if before is None:
                self._views.clear()
            self._views[key] = LearnedNow(self._catalog.snapshot.learned, self._look(before))
            if len(self._views) > VIEWS:
                self._views.popitem(last=False)
        return self._views[key]

    def _look(self, before: int | None) -> Since | None:
        last = self._last_time if before is None else min(before * SECONDS_PER_HOUR, self._last_time)
        if last <= self._until and not len(self._counts["interest"]):
            return None
        catalog = self._catalog
        rows = np.arange(catalog.base + len(self._fresh), dtype=np.int32)
        if self._fresh:
            fresh = catalog.rows_of(list(self._fresh))
            originals = catalog.original_rows(fresh)
            rows[catalog.base :] = np.where(originals < 0, fresh, -1)
        return Since(
            counts=self._counts,
            before=before,
            until=self._until,
            moment=max(self._until, float(self._shift(np.array([last]))[0])),
            base=catalog.base,
            rows=rows,
            width=catalog.base + len(catalog.delta),
            sums=dict(self._sums) if before is None else {},
            grown=dict(self._grown),
            settings=self._settings,
        )

    def _shift(self, time: Float64) -> Float64:
        """Return moments as the shop counts them, without the time in which it stood still."""
        shifted: Float64 = np.where(time > self._until, np.maximum(time - (self._idle_s or 0.0), self._until), time)
        return shifted

    def _count(self, log: PeopleLog, now: float) -> None:
        """Count new events, hour by hour of their times, so that each amount has a date."""
        records = log.records
        sequence, moment = records["sequence"], records["time"]
        learned = (sequence <= self._first) & (moment < self._until)
        since = (sequence > self._first) & (moment <= now)
        known = learned | (since & (sequence <= self._sequence) & (moment <= self._now))
        new = since & ~known
        waiting = np.flatnonzero((sequence > self._first) & (moment > now))
        self._waiting = sequence[waiting][np.argsort(moment[waiting])][:MAX_WAITING].tolist()
        self._due = float(moment[waiting].min()) if len(waiting) else np.inf
        self._sequence, self._now = log.sequence, now
        if not new.any():
            return
        if self._idle_s is None:
            later = np.flatnonzero(new & (moment > self._until))
            gap = float(moment[later[0]]) - self._until if len(later) else 0.0
            self._idle_s = max(0.0, gap - IDLE_DAYS * SECONDS_PER_DAY) if len(later) else None
        units = self._find_units(records["product"], log.product_ids)
        hours = to_hours(moment)
        people, bounds, of_record = _find_people(records)
        for hour in np.unique(hours[new]).tolist():
            coming = new & (hours == hour)
            chosen = np.concatenate(
                [people[bounds[one] : bounds[one + 1]] for one in np.unique(of_record[coming]).tolist()]
            )
            chosen = np.sort(chosen)
            before, after = known[chosen], known[chosen] | coming[chosen]
            self._add(hour, records[chosen], units[chosen], before, after)
            known |= coming
        timed = moment[new & has_time(moment)]
        self._last_time = max(self._last_time, float(timed.max())) if len(timed) else self._last_time
        self._views.clear()
        full = [name for name, counts in self._counts.items() if counts.forgotten]
        if len(full) > self._full:
            self._full = len(full)
            logger.warning("more came since the snapshot than is kept of %s; `mercato index` again", ", ".join(full))

    def _add(self, hour: int, records: Records, units: Int64, before: Bool, after: Bool) -> None:
        """Add what some people count after new events, less what they counted before."""
        actor_before, actor_after = _settle(records, units, before), _settle(records, units, after)
        changed = actor_before != actor_after
        if not changed.any():
            return
        pairs_before, pairs_after = (actor * ALL_UNITS + units for actor in (actor_before, actor_after))
        pairs = np.unique(np.concatenate([pairs_before[changed], pairs_after[changed]]))
        deeds = [
            self._take(records, units, actor, np.isin(keys, pairs))
            for actor, keys in ((actor_before, pairs_before), (actor_after, pairs_after))
        ]
        for name, count in COUNTERS.items():
            self._keep(name, hour, *subtract(count(deeds[1]), count(deeds[0])))

    def _keep(self, name: str, hour: int, keys: Int64, amounts: Int64) -> None:
        """Add amounts to a counter, and to what is kept ready of it."""
        if not len(keys):
            return
        self._counts[name].add(hour, keys, amounts)
        if name in SUMMED:
            sums = self._sums[name]
            longer = int(keys.max()) + 1 - len(sums)
            self._sums[name] = sums = np.pad(sums, (0, longer)) if longer > 0 else sums.copy()
            np.add.at(sums, keys, amounts)
        if name in PAIRS:
            self._grown[name] = np.union1d(self._grown[name], keys >> PAIR_BITS)
        if name == "following":
            self._keep(LEFT, hour, keys >> PAIR_BITS, amounts)
        elif name == "buyers":
            self._grown["together"] = np.union1d(self._grown["together"], keys)

    def _take(self, records: Records, units: Int64, actor: Int64, changed: Bool) -> Deeds:
        """Return the events that count, those of nobody left out."""
        kept = actor != 0
        records = records[kept]
        return Deeds(
            events=EventColumns(
                actor=actor[kept].astype(np.int32),
                product=units[kept].astype(np.int32),
                order=records["order"].astype(np.int32) - np.int32(1),
                time=self._shift(records["time"]),
                weight=TYPE_WEIGHTS[records["event_type"]],
                type=np.ascontiguousarray(records["event_type"]),
            ),
            changed=changed[kept],
            bought=is_bought(records["event_type"], purchases=self._purchases),
            until=self._until,
            half_life_days=self._settings.half_life_days,
        )

    def _find_units(self, codes: Int64, product_ids: Sequence[str]) -> Int64:
        """Return the unit of each product's code, int64 [n]; -1 for no product. A code keeps its unit."""
        distinct, index = np.unique(codes, return_inverse=True)
        for code in distinct.tolist():
            if code not in self._units:
                self._units[code] = self._find_unit(product_ids[code])
        units: Int64 = np.array([self._units[code] for code in distinct.tolist()], np.int64)[index]
        return units

    def _find_unit(self, product_id: str) -> int:
        catalog = self._catalog
        row = catalog.snapshot.row_by_any_id.get(product_id, -1)
        live = catalog.row_of(product_id)
        if row < 0 and live >= 0:
            product_id = catalog.id_of(live)
            row = int(catalog.original_rows(np.array([live], np.int32))[0])
        elif row >= 0 and catalog.groups:
            row = int(catalog.groups.lead(np.array([row], np.int32), np.array([row], np.int32))[0])
        return row if row >= 0 else self._fresh.setdefault(product_id, catalog.base + len(self._fresh))


def _find_people(records: Records) -> tuple[Int64, Int64, Int64]:
    """Put records together by people, whoever signed in as the same visitor being one.

    Returns:
        An order of the records, where each one's part of it begins (one more than there are people), and of each record
        whose it is.
    """
    user, visitor = records["user"].astype(np.int64), records["visitor"].astype(np.int64)
    both = (user != 0) & (visitor != 0)
    pairs = np.unique(np.stack([visitor[both], user[both]], axis=1), axis=0)
    visitors, shared = np.unique(pairs[:, 0], return_counts=True)
    root: dict[int, int] = {}

    def find(party: int) -> int:
        while root.get(party, party) != party:
            party = root[party]
        return party

    few = dict(zip(visitors.tolist(), (shared <= MAX_SHARING_USERS).tolist(), strict=True))
    for one, other in pairs.tolist():
        if few[one]:
            root[find(-one)] = find(other)
    party = np.where(user != 0, user, -visitor)
    joined = {one: find(one) for pair in pairs.tolist() for one in (-pair[0], pair[1])}
    distinct, index = np.unique(party, return_inverse=True)
    label = np.array([joined.get(one, one) for one in distinct.tolist()], np.int64)
    _, of_record = np.unique(label[index], return_inverse=True)
    order = np.argsort(of_record, kind="stable")
    bounds = np.searchsorted(of_record[order], np.arange(int(of_record.max(initial=-1)) + 2))
    return order, bounds, of_record


def _settle(records: Records, units: Int64, known: Bool) -> Int64:
    """Return who did each event as far as is known, int64 [n]; 0 for events that do not count.

    Users are even, visitors odd. Events count that are known, still stand, and say something about a product.
    """
    actors = np.zeros(len(records), np.int64)
    past, own = records[known], units[known].astype(np.int32)
    joined = join_visitors(past).astype(np.int64)
    actor = np.where(joined != 0, 2 * joined, 2 * past["visitor"].astype(np.int64) + 1)
    standing = find_standing(
        actor.astype(np.int32),
        own,
        past["order"].astype(np.int32) - np.int32(1),
        past["time"],
        past["event_type"],
        past["quantity"],
        own < 0,
    )
    counts = (own >= 0) & (TYPE_WEIGHTS[past["event_type"]] > 0)
    actors[known] = np.where(counts if standing is None else counts & standing.counts(), actor, 0)
    return actors
