"""What people did since a snapshot was made, as amounts that add up to what the snapshot knows.

All that is counted here is a sum over people. What somebody's new events change is what they count with all that is
known of them, less what they counted without the new events: so a purchase counts once however often it is repeated, a
return takes back what was counted, before the snapshot or after, and a visitor who signs in is no second person.

Products are units: rows of the snapshot, and numbers from its count on for what it does not have. Amounts are whole
numbers, so that they add up to the same in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mercato.arrays import Bool, Float64, Int32, Int64, UInt8
from mercato.events.event_order import has_time
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.signals.cooccurrence import MAX_ORDER_PRODUCTS
from mercato.signals.events import NO_ORDER, SECONDS_PER_DAY, EventColumns
from mercato.signals.next_clicks import MAX_STEPS, STEP_DECAY
from mercato.signals.popularity import DEFAULT_HALF_LIFE_DAYS
from mercato.signals.sessions import CLICK_TYPES, collect_clicks

SCALE = 1 << 20
"""Units of an amount that is no count of people: a millionth of one."""
PAIR_BITS = 31
"""Of a key of two units, the bits of the second."""
HOUR_BITS = 24
"""Of a key of a unit and an hour since 1970, the bits of the hour."""
SECONDS_PER_HOUR = 3_600.0
MAX_HALF_LIVES = 36.0
"""An amount is no larger than 2 to this: a snapshot that old is none to go on from."""
ALL_UNITS = 1 << PAIR_BITS

Amounts = tuple[Int64, Int64]
"""Keys and what is added to each; int64 [n] both, keys may repeat."""


@dataclass(frozen=True, kw_only=True)
class Deeds:
    """What some people did, as it stands at one moment.

    Attributes:
        events: all of their events that count; product is a unit, and every type is known.
        changed: bool [n], events of a person with a product of which not all was counted yet.
        bought: bool [n], events that count as bought.
        until: the moment that the snapshot was learned for, seconds since 1970 UTC.
        half_life_days: age at which an event counts half for popularity.
    """

    events: EventColumns
    changed: Bool
    bought: Bool
    until: float
    half_life_days: float = DEFAULT_HALF_LIFE_DAYS


def count_interest(deeds: Deeds) -> Amounts:
    """Count people by unit, each by the heaviest of their events, as `compute_popularity` does at ``until``.

    A later event counts the more: ``2 ** (days since / half-life)``. Halved from then on it is as heavy as it must be.
    """
    events = deeds.events.select(deeds.changed)
    timed = has_time(events.time)
    half_lives = np.where(timed, (events.time - deeds.until) / SECONDS_PER_DAY / deeds.half_life_days, -1.0)
    value = events.weight * 2.0 ** np.minimum(half_lives, MAX_HALF_LIVES)
    order, starts = _group(events.actor, events.product)
    heaviest = np.maximum.reduceat(value[order], starts) if len(starts) else np.zeros(0)
    return events.product[order[starts]].astype(np.int64), np.rint(heaviest * SCALE).astype(np.int64)


def count_last_sales(deeds: Deeds) -> Amounts:
    """Count people by unit and by the hour in which they bought it last."""
    chosen = deeds.changed & deeds.bought & has_time(deeds.events.time)
    events = deeds.events.select(chosen)
    order, starts = _group(events.actor, events.product)
    last = np.maximum.reduceat(events.time[order], starts) if len(starts) else np.zeros(0)
    keys = events.product[order[starts]].astype(np.int64) << HOUR_BITS | to_hours(last)
    return keys, np.ones(len(keys), np.int64)


def count_buyers(deeds: Deeds) -> Amounts:
    """Count people by unit that they bought at any time."""
    events = deeds.events.select(deeds.changed & deeds.bought)
    order, starts = _group(events.actor, events.product)
    return events.product[order[starts]].astype(np.int64), np.ones(len(starts), np.int64)


def count_together(deeds: Deeds) -> Amounts:
    """Count people by two units that they put into one order, or bought on one day; both ways around.

    Of an order of more than `MAX_ORDER_PRODUCTS` so many count, evenly spaced.
    """
    keys, actors = _pair_orders(deeds)
    pairs = np.unique(np.stack([keys, actors]), axis=1)[0] if len(keys) else keys
    return pairs, np.ones(len(pairs), np.int64)


def count_following(deeds: Deeds) -> Amounts:
    """Count people by a unit and one that they clicked after it, the sooner the more, as `compute_next_clicks` does."""
    if not _has_clicks(deeds):
        return _nothing()
    clicks = collect_clicks(deeds.events, ALL_UNITS, until=np.inf)
    parts = [np.zeros((3, 0), np.int64)]
    for step in range(1, min(MAX_STEPS, max(len(clicks) - 1, 0)) + 1):
        kept = clicks.session[step:] == clicks.session[:-step]
        kept &= clicks.product[step:] != clicks.product[:-step]
        pair = join_units(clicks.product[:-step][kept], clicks.product[step:][kept])
        parts.append(np.stack([pair, clicks.actor[step:][kept], np.full(len(pair), step)]))
    pair, actor, steps = np.concatenate(parts, axis=1)
    order = np.lexsort((steps, actor, pair))
    pair, actor, steps = pair[order], actor[order], steps[order]
    once = np.ones(len(pair), np.bool_)
    once[1:] = (pair[1:] != pair[:-1]) | (actor[1:] != actor[:-1])
    return pair[once], np.rint(SCALE * STEP_DECAY ** (steps[once] - 1.0)).astype(np.int64)


def count_clicks(deeds: Deeds) -> Amounts:
    """Count the clicks that followed another, by unit."""
    if not _has_clicks(deeds):
        return _nothing()
    clicks = collect_clicks(deeds.events, ALL_UNITS, until=np.inf)
    led_to = clicks.product[1:][clicks.session[1:] == clicks.session[:-1]]
    return led_to, np.ones(len(led_to), np.int64)


COUNTERS: dict[str, Callable[[Deeds], Amounts]] = {
    "interest": count_interest,
    "last_sales": count_last_sales,
    "buyers": count_buyers,
    "together": count_together,
    "following": count_following,
    "clicks": count_clicks,
}
"""What is counted, by name."""


def subtract(after: Amounts, before: Amounts) -> Amounts:
    """Return what was added to a count: keys ascending, without those of which nothing changed."""
    keys = np.concatenate([after[0], before[0]])
    amounts = np.concatenate([after[1], -before[1]])
    order = np.argsort(keys, kind="stable")
    keys, amounts = keys[order], amounts[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    sums = np.add.reduceat(amounts, starts) if len(starts) else np.zeros(0, np.int64)
    return keys[starts][sums != 0], sums[sums != 0]


def join_units(one: Int64, other: Int64) -> Int64:
    """Return the key of two units."""
    return one << PAIR_BITS | other


def to_hours(time: Float64) -> Int64:
    """Return the hours since 1970 in which moments lie; 0 for events without times."""
    hours: Int64 = np.maximum(np.floor(time / SECONDS_PER_HOUR), 0).astype(np.int64)
    return hours


def is_bought(event_type: UInt8, *, purchases: bool) -> Bool:
    """Return which events count as bought: the purchases, or in a shop that knows of none all."""
    bought: Bool = event_type == EVENT_TYPE_CODES["purchase-complete"]
    return bought if purchases else np.ones(len(event_type), np.bool_)


def _nothing() -> Amounts:
    return np.zeros(0, np.int64), np.zeros(0, np.int64)


def _has_clicks(deeds: Deeds) -> bool:
    events = deeds.events
    return events.type is not None and bool(np.isin(events.type, CLICK_TYPES).any())


def _group(actor: Int32, product: Int32) -> tuple[Int64, Int64]:
    """Return an order of events in which those of a person with a product lie together, and where each part begins."""
    order = np.lexsort((product, actor))
    actor, product = actor[order], product[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (actor[1:] != actor[:-1]) | (product[1:] != product[:-1])
    return order, np.flatnonzero(first)


def _pair_orders(deeds: Deeds) -> tuple[Int64, Int64]:
    """Return the pairs of units of each order of which one changed, as keys, and who ordered; some repeat."""
    events, changed = deeds.events.select(deeds.bought), deeds.changed[deeds.bought]
    day = np.floor(events.time / SECONDS_PER_DAY).astype(np.int64)
    order = np.where(events.order == NO_ORDER, day, events.order)
    sort = np.lexsort((events.product, order, events.order == NO_ORDER, events.actor))
    actor, product, order = events.actor[sort], events.product[sort], order[sort]
    without, changed = (events.order == NO_ORDER)[sort], changed[sort]
    group_starts = np.ones(len(sort), np.bool_)
    group_starts[1:] = (actor[1:] != actor[:-1]) | (order[1:] != order[:-1]) | (without[1:] != without[:-1])
    once = group_starts.copy()
    once[1:] |= product[1:] != product[:-1]
    group = np.cumsum(group_starts) - 1
    # What is repeated in an order changed where any of its repeats did: the flag is a person's with a product.
    group, product, actor, changed = group[once], product[once].astype(np.int64), actor[once], changed[once]
    size = np.bincount(group, minlength=1)
    first = np.cumsum(size) - size
    position = np.arange(len(group)) - first[group]
    step = position * MAX_ORDER_PRODUCTS // size[group]
    previous = (position - 1) * MAX_ORDER_PRODUCTS // size[group]
    kept = (size[group] <= MAX_ORDER_PRODUCTS) | (step != previous)
    group, product, actor, changed = group[kept], product[kept], actor[kept], changed[kept]
    some = np.bincount(group, weights=changed, minlength=1)[group] > 0
    group, product, actor, changed = group[some], product[some], actor[some], changed[some]
    _, first, size = np.unique(group, return_index=True, return_counts=True)
    length = np.repeat(size, size)
    left = np.repeat(np.arange(len(group)), length)
    right = (
        np.arange(len(left)) - np.repeat(np.cumsum(length) - length, length) + np.repeat(np.repeat(first, size), length)
    )
    pair = (left != right) & (changed[left] | changed[right])
    left, right = left[pair], right[pair]
    return join_units(product[left], product[right]), actor[left].astype(np.int64)
