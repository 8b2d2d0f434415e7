"""What a snapshot learns from events without a gradient: popularity, repeats, what is bought together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mercato.arrays import Bool, Int32, Int64
from mercato.catalog.product import Product
from mercato.events.event_order import has_time
from mercato.index.learned import Learned, LearningInput
from mercato.retrieval.nearness import FACTORS
from mercato.retrieval.sources.registry import list_signals
from mercato.signals.events import EventColumns
from mercato.signals.history import PURCHASE, TYPE_WEIGHTS
from mercato.signals.learning_settings import LearningSettings
from mercato.signals.popularity import Popularity, compute_popularity
from mercato.signals.query_log import QueryLog
from mercato.signals.repeat import Repeat, compute_repeat
from mercato.state.values import EventTable


def number_products(products: Sequence[Product]) -> dict[str, int]:
    """Number products by their ids, and by those of their variants where no product has that id.

    Args:
        products: in row order; of two with a variant of one id the first has it.
    """
    rows = {product.id: row for row, product in enumerate(products)}
    for row, product in enumerate(products):
        for variant in product.variants:
            rows.setdefault(variant.id, row)
    return rows


def select_events(
    table: EventTable, row_by_id: Mapping[str, int], without: Bool | None = None
) -> tuple[EventColumns, EventColumns]:
    """Turn a store's events into columns over rows.

    Args:
        table: the events.
        row_by_id: row of each product and variant; events of other products are left out.
        without: bool [events], what is left out besides; None for nothing.

    Returns:
        All events that say something about a product, weighted by type, and the purchases among them; the codes of
        regions are those of `list_regions`.
    """
    rows = find_rows(table, row_by_id)
    weights = TYPE_WEIGHTS[table.event_type]
    actor = np.where(table.user >= 0, table.user, len(table.users) + table.visitor).astype(np.int32)
    columns = EventColumns(
        actor=actor,
        product=rows,
        order=table.order,
        time=table.time,
        weight=weights,
        region=table.device_region,
        quantity=table.quantity,
        type=table.event_type,
    )
    known = rows >= 0 if without is None else (rows >= 0) & ~without
    return columns.select(known & (weights > 0)), columns.select(known & (table.event_type == PURCHASE))


def find_rows(table: EventTable, row_by_id: Mapping[str, int]) -> Int32:
    """Return the row of each event's product, int32 [n]; -1 for none, and for one that is not known."""
    row_of_code = np.array([row_by_id.get(product_id, -1) for product_id in table.products], np.int32)
    rows = row_of_code[table.product] if len(row_of_code) else np.zeros(len(table.product), np.int32)
    return np.where(table.product >= 0, rows, -1).astype(np.int32)


def list_regions(table: EventTable) -> list[str]:
    """Return the name of each code of a region, as events' contexts write it; empty for events that say a device alone.

    Args:
        table: the events.
    """
    return [region for _, region in table.device_regions]


def find_moment(table: EventTable, *, now: float) -> float:
    """Return the moment that signals are learned for: just after the last event, at the latest now.

    What sells "now" in a history that ended a year ago is what sold when it ended. Events without times are past.

    Args:
        table: the events.
        now: seconds since 1970 UTC; later events are mistakes of a clock.
    """
    past = table.time[has_time(table.time) & (table.time < now)]
    return float(np.nextafter(past.max(), np.inf)) if len(past) else now


def order_rows(
    popularity: Popularity, product_ids: Sequence[str], leaders: Int64 | None = None, own: Popularity | None = None
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the order of a snapshot's rows: most popular first, equal ones by product id.

    Every tie of scores then breaks towards the more popular product, wherever positions break ties. Variants that a
    feed groups stand together, the one that sells best first.

    Args:
        popularity: of each product; of grouped ones under their leader.
        product_ids: of each product.
        leaders: int64 [n], the leader of each product's group; None where nothing is grouped.
        own: how popular each member of a group is by itself; None where nothing is grouped.
    """
    by_id = np.argsort(np.array(product_ids, dtype=object), kind="stable")
    if leaders is None or own is None:
        return by_id[np.argsort(-popularity.count[by_id], kind="stable")]
    place = np.empty(len(by_id), np.int64)
    place[by_id] = np.arange(len(by_id))
    first = np.full(len(by_id), len(by_id))
    np.minimum.at(first, leaders, place)
    order: Int64 = np.lexsort((place, -own.count, first[leaders], -popularity.count[leaders]))
    return order


def spread_over_groups(signals: Signals, leaders: Int64) -> Signals:
    """Return signals of which every member of a group has what was learned of its leader's row."""
    popularity, repeat = signals.popularity, signals.repeat
    return replace(
        signals,
        popularity=Popularity(
            count=popularity.count[leaders], buyers=popularity.buyers[leaders], trend=popularity.trend[leaders]
        ),
        repeat=Repeat(rate=repeat.rate[leaders], interval_days=repeat.interval_days[leaders]),
    )


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What was learned of a catalogue's rows.

    Attributes:
        popularity: how often products are bought.
        repeat: whether and how soon they are bought again.
        learned: what sources and features declare.
    """

    popularity: Popularity
    repeat: Repeat
    learned: Learned


def learn_signals(
    events: EventColumns,
    purchases: EventColumns,
    product_count: int,
    *,
    until: float,
    regions: Sequence[str] = (),
    queries: QueryLog | None = None,
    counts: bool = False,
    settings: LearningSettings | None = None,
    categories: Int32 | None = None,
) -> Signals:
    """Learn all signals from the events before a moment.

    Args:
        events: all weighted events; product is a row.
        purchases: the purchases among them; repeats and togetherness come from these where there are any.
        product_count: number of rows.
        until: seconds since 1970 UTC.
        regions: the name of each code of a region; where it is empty nothing is learned by region.
        queries: searches and what followed from them; None learns nothing of queries.
        counts: also count the purchases behind what was learned, for explanations.
        settings: how it is learned; None for the defaults.
        categories: int32 [rows], code of each product's most specific category, -1 for none; None for no categories.
    """
    settings = settings or LearningSettings()
    data = LearningInput(
        events=events,
        purchases=purchases,
        product_count=product_count,
        until=until,
        regions=regions,
        queries=queries,
        settings=settings,
        categories=categories,
    )
    signals = (*list_signals(counts=counts), FACTORS)
    return Signals(
        popularity=compute_popularity(events, product_count, until=until, half_life_days=settings.half_life_days),
        repeat=compute_repeat(data.bought, product_count, until=until),
        learned=Learned(
            {},
            values={signal: data.learn(signal) for signal in signals},
            until=until,
            bought=counts and data.has_purchases,
        ),
    )
