"""Visits that are held back from learning, so that what is learned can be asked for them: the last ones of shoppers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mercato.arrays import Bool, Float32, Float64, Int32, Int64, UInt8
from mercato.events.event_order import has_time
from mercato.features.inputs import History
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.history import PURCHASE, TYPE_WEIGHTS
from mercato.state.values import EventTable

HISTORY_LIMIT = 1000
"""Events of a history that are read, as a server reads them."""
MOST_BOUGHT = 12_000
"""Products of all visits together: what is measured with them takes time for each. Large visits need to be fewer."""
RECENT_SHARE = 0.5
"""Of all last visits the later half is asked for: they are the nearest to what is asked next."""


@dataclass(frozen=True, kw_only=True)
class HeldVisit:
    """The last visit of a shopper.

    Attributes:
        time: when it began, seconds since 1970 UTC.
        history: what the shopper did before, newest first.
        bought: int32 [n], distinct rows of what was bought in it, ascending.
        seen: int32 [m], distinct rows of all that the visit was about, in the order in which they came.
    """

    time: float
    history: History
    bought: Int32
    seen: Int32


@dataclass(frozen=True, kw_only=True)
class HeldBack:
    """What is held back of a log.

    Attributes:
        visits: the visits.
        events: bool [events], what belongs to them or follows them: it is not learned.
        shoppers: how many could have been asked for.
    """

    visits: list[HeldVisit]
    events: Bool
    shoppers: int


@dataclass(frozen=True, kw_only=True)
class _Timeline:
    """The events that say something about a product, by actor and time."""

    index: Int64
    actor: Int64
    rows: Int32
    time: Float64
    type: UInt8
    visit: Int64


def hold_back(table: EventTable, rows: Int32, *, until: float, limit: int, random: np.random.Generator) -> HeldBack:
    """Hold back the last visits of some shoppers.

    A visit is what a shopper did on one UTC day, from the first event of it on; without times an order, or where there
    is none an event. The last one with a purchase counts (where nobody buys anything, with any event), of shoppers
    of whom something is known before it.

    Args:
        table: the events.
        rows: int32 [events], the product row of each, -1 for none.
        until: only earlier events are looked at, seconds since 1970 UTC.
        limit: most visits; a sample of the later half of all.
        random: draws it.
    """
    line = _order_events(table, rows, until)
    held = np.zeros(len(table), np.bool_)
    wanted = line.type == PURCHASE
    if not wanted.any():
        wanted = np.ones(len(wanted), np.bool_)
    starts = _find_visits(line, wanted)
    if not len(starts):
        return HeldBack(visits=[], events=held, shoppers=0)
    later = starts[np.argsort(line.time[starts], kind="stable")[int(len(starts) * (1 - RECENT_SHARE)) :]]
    chosen = random.permutation(later)[:limit]
    sizes = _count_wanted(line, wanted, chosen)
    chosen = np.sort(chosen[np.cumsum(sizes) <= max(MOST_BOUGHT, sizes[0])])
    first, end = (
        np.searchsorted(line.actor, line.actor[chosen]),
        np.searchsorted(line.actor, line.actor[chosen], "right"),
    )
    visits = []
    for start, begin, stop in zip(chosen.tolist(), first.tolist(), end.tolist(), strict=True):
        held[line.index[start:stop]] = True
        inside = start + np.flatnonzero(line.visit[start:stop] == line.visit[start])
        seen, came = np.unique(line.rows[inside], return_index=True)
        past = np.arange(begin, start)[::-1][:HISTORY_LIMIT]
        visits.append(
            HeldVisit(
                time=float(line.time[start]),
                history=History(
                    rows=line.rows[past],
                    time=line.time[past],
                    type=line.type[past],
                    price=table.price[line.index[past]].astype(np.float32),
                    quantity=table.quantity[line.index[past]],
                ),
                bought=np.unique(line.rows[inside[wanted[inside]]]),
                seen=seen[np.argsort(came)].astype(np.int32),
            )
        )
    return HeldBack(visits=visits, events=held, shoppers=len(starts))


def _count_wanted(line: _Timeline, wanted: Bool, starts: Int64) -> Int64:
    """Count the wanted events of the visits that begin at some positions: int64 [n]."""
    before = np.concatenate([[0], np.cumsum(wanted)])
    change = np.concatenate([np.flatnonzero(_find_changes(line)), [len(wanted)]])
    ends = change[np.searchsorted(change, starts, "right")]
    counted: Int64 = before[ends] - before[starts]
    return counted


def _find_changes(line: _Timeline) -> Bool:
    """Tell at which events a visit begins: bool [n]."""
    changes: Bool = np.append(True, (line.actor[1:] != line.actor[:-1]) | (line.visit[1:] != line.visit[:-1]))
    return changes


def _order_events(table: EventTable, rows: Int32, until: float) -> _Timeline:
    actor = np.where(table.user >= 0, table.user, len(table.users) + table.visitor).astype(np.int64)
    weights: Float32 = TYPE_WEIGHTS[table.event_type]
    known = np.flatnonzero((rows >= 0) & (weights > 0) & (table.time < until))
    index = known[np.lexsort((table.time[known], actor[known]))]
    time, order = table.time[index], table.order[index].astype(np.int64)
    day = np.floor(time / SECONDS_PER_DAY).astype(np.int64)
    loose = np.where(order >= 0, order, -2 - np.arange(len(index)))
    return _Timeline(
        index=index,
        actor=actor[index],
        rows=rows[index],
        time=time,
        type=table.event_type[index],
        visit=np.where(has_time(time), day, loose),
    )


def _find_visits(line: _Timeline, wanted: Bool) -> Int64:
    """Return where the last visit of each shopper begins, where something is known before it: int64 [shoppers]."""
    at = np.flatnonzero(wanted)
    if not len(at):
        return at
    last = at[np.append(line.actor[at][1:] != line.actor[at][:-1], True)]
    # The first event of that visit, whatever it is.
    begin = np.flatnonzero(_find_changes(line))
    starts = begin[np.searchsorted(begin, last, "right") - 1]
    known: Int64 = starts[(starts > 0) & (line.actor[starts] == line.actor[np.maximum(starts - 1, 0)])]
    return known
