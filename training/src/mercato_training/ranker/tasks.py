"""Which requests to learn from and to measure on: drawn from the orders of a stretch of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mercato.signals.events import SECONDS_PER_DAY
from mercato_training.ranker.examples import Task
from mercato_training.ranker.timeline import Orders

UNKNOWN_SHARE = 0.2
"""Training requests whose shopper is taken to be unknown. In purchase logs everybody has a history; in a shop not."""
NEW_SHARE = 0.1
"""Training requests whose shopper is taken to be new."""
NEW_EVENTS = 20
"""Most events of a new shopper."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Consecutive stretches of time; each starts where the one before ends.

    Attributes:
        train: signals are learned from what came before; training requests start here. Seconds since 1970 UTC.
        validation: start of the stretch that stops training early.
        test: start of the stretch that is reported.
        end: just after the last event.
    """

    train: float
    validation: float
    test: float
    end: float


def split_by_time(last: float, *, train_days: float, validation_days: float, test_days: float) -> Split:
    """Split backwards from the last event (seconds since 1970 UTC)."""
    end = float(np.nextafter(last, np.inf))
    test = end - test_days * SECONDS_PER_DAY
    validation = test - validation_days * SECONDS_PER_DAY
    return Split(train=validation - train_days * SECONDS_PER_DAY, validation=validation, test=test, end=end)


def draw_searches(
    orders: Orders, queries_of_row: Mapping[int, Sequence[int]], count: int, rng: np.random.Generator
) -> list[Task]:
    """Draw searches from orders: one of a product's queries, answered by all products of the order that it stands for.

    Args:
        orders: the orders.
        queries_of_row: queries (positions of texts) of each product row; a product without any is not searched for.
        count: how many to draw, all where there are fewer.
        rng: for the draw.
    """
    bought: dict[tuple[int, int], list[int]] = {}
    for order in range(len(orders)):
        for row in orders.products(order).tolist():
            for query in queries_of_row.get(row, ()):
                bought.setdefault((order, query), []).append(row)
    pairs = list(bought)
    chosen = rng.permutation(len(pairs))[:count]
    return [
        _ask(orders, order, np.array(bought[order, query], dtype=np.int32), rng, query=query)
        for order, query in (pairs[device_region] for device_region in chosen)
    ]


def draw_recommendations(orders: Orders, count: int, rng: np.random.Generator) -> list[Task]:
    """Draw recommendations from orders: whatever the order holds answers them."""
    chosen = rng.permutation(len(orders))[:count]
    return [_ask(orders, order, orders.products(order), rng) for order in chosen.tolist()]


def _ask(orders: Orders, order: int, bought: NDArray[np.int32], rng: np.random.Generator, *, query: int = -1) -> Task:
    """Make the request of a moment in the session that ended in an order."""
    moment = orders.draw_moment(order, rng)
    return Task(
        actor=int(orders.actor[order]),
        time=moment,
        query=query,
        bought=bought,
        device_region=orders.device_region_of(order),
        further=orders.find_further(order, moment),
    )


def forget_histories(tasks: Sequence[Task], rng: np.random.Generator) -> list[Task]:
    """Return the tasks with some shoppers made unknown and some new, so that both are learned.

    Args:
        tasks: the tasks.
        rng: for who is forgotten.
    """
    chance = rng.random(len(tasks))
    events = rng.integers(1, NEW_EVENTS + 1, len(tasks))
    return [
        replace(task, history_limit=0)
        if fate < UNKNOWN_SHARE
        else replace(task, history_limit=int(limit))
        if fate < UNKNOWN_SHARE + NEW_SHARE
        else task
        for task, fate, limit in zip(tasks, chance, events, strict=True)
    ]
