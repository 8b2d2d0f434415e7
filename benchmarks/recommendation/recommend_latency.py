"""What one recommendation takes through the server, one at a time: for heavy and light households, strangers, lists.

The cases take turns on every request, so that other work on the machine weighs on all alike.

.venv/bin/python -m benchmarks recommend_latency
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from mercato_client import Client
from mercato_client.types import ResultPage
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import summarize, write_record
from benchmarks.harness.store import (
    CATALOG,
    ENCODER,
    RANKER,
    STATE,
    CatalogOption,
    EncoderOption,
    RankerOption,
    RoundsOption,
    StateOption,
    Store,
)
from mercato.state import EventTable, open_state

NEEDS = "the demo store"
SEED = 7
HEAVY = 1000
"""Purchases that a heavy household has at least: as many as are read of a history."""
LIGHT = range(5, 51)
"""Purchases that a light household has."""
HEAVY_HOUSEHOLD, LIGHT_HOUSEHOLD = "household of 1,000 purchases", "light household"
STRANGER = "unknown visitor"
IN_CART, IN_LIST = 10, 100
ONCE_MORE = 2
"""Rounds that are not counted: each of the server's two instances keeps the histories that it has read."""

Ask = Callable[[Client, int], ResultPage]
"""Sends the request of a number, and returns the answer."""


@dataclass(frozen=True, kw_only=True)
class Shoppers:
    """Whom the recommendations are for, and what they bought.

    Attributes:
        heavy: ids of households with many purchases, in an order that repeats.
        light: ids of households with few.
        carts: for each heavy household its last distinct products, newest first.
        lists: for each heavy household products of the shop to be ordered.
    """

    heavy: list[str]
    light: list[str]
    carts: list[list[str]]
    lists: list[list[str]]


def choose_shoppers(events: EventTable, count: int) -> Shoppers:
    """Draw households and products from a store's events.

    Args:
        events: all of the store.
        count: households of each kind.

    Raises:
        BenchmarkError: the store has no such households.
    """
    rng = np.random.default_rng(SEED)
    purchases = np.bincount(events.user[events.user >= 0], minlength=len(events.users))
    heavy = np.flatnonzero(purchases >= HEAVY)
    light = np.flatnonzero((purchases >= LIGHT.start) & (purchases < LIGHT.stop))
    if not len(heavy) or not len(light):
        raise BenchmarkError(
            f"state: has {len(heavy)} households of at least {HEAVY} purchases and {len(light)} of {LIGHT.start} to "
            f"{LIGHT.stop - 1}, and needs both; run make demo first, or name another with --state"
        )
    heavy, light = (rng.permutation(codes)[:count] for codes in (heavy, light))
    sold = np.unique(events.product[events.product >= 0])
    return Shoppers(
        heavy=[events.users[code] for code in heavy],
        light=[events.users[code] for code in light],
        carts=[_list_last_products(events, code) for code in heavy],
        lists=[[events.products[code] for code in rng.choice(sold, IN_LIST, replace=False)] for _ in heavy],
    )


def _list_last_products(events: EventTable, user: np.int64) -> list[str]:
    own = np.flatnonzero((events.user == user) & (events.product >= 0))
    bought: npt.NDArray[np.int32] = events.product[own[np.argsort(-events.time[own], kind="stable")]]
    _, first = np.unique(bought, return_index=True)
    return [events.products[code] for code in bought[np.sort(first)][:IN_CART]]


def list_cases(shoppers: Shoppers) -> Mapping[str, Ask]:
    """Return what is asked, by name; numbers beyond the households start again."""

    def heavy(number: int) -> str:
        return shoppers.heavy[number % len(shoppers.heavy)]

    def cart(number: int) -> list[str]:
        return shoppers.carts[number % len(shoppers.carts)]

    def listed(number: int) -> list[str]:
        return shoppers.lists[number % len(shoppers.lists)]

    return {
        HEAVY_HOUSEHOLD: lambda client, number: client.recommend("home-page", user_id=heavy(number)),
        LIGHT_HOUSEHOLD: lambda client, number: client.recommend(
            "home-page", user_id=shoppers.light[number % len(shoppers.light)]
        ),
        STRANGER: lambda client, number: client.recommend("home-page", visitor_id=f"stranger {number}"),
        "product page": lambda client, number: client.recommend(
            "product-page", user_id=heavy(number), seed_product_ids=cart(number)[:1]
        ),
        f"cart of {IN_CART}": lambda client, number: client.recommend(
            "cart", user_id=heavy(number), seed_product_ids=cart(number)
        ),
        f"rank of {IN_LIST}": lambda client, number: client.rank(listed(number), user_id=heavy(number)),
    }


def time_cases(client: Client, cases: Mapping[str, Ask], requests: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Ask every case's requests, one at a time.

    Args:
        client: asks the server.
        cases: what is asked.
        requests: of each case in a round; as many households.
        rounds: how often.

    Returns:
        For each case: ``p50_ms`` and ``p95_ms`` as the caller sees them, ``stages_us`` the server's medians; and for
        the home pages of households ``first_p50_ms``, of the requests before which nobody had asked for them.
    """
    unread = {name: cases[name] for name in (HEAVY_HOUSEHOLD, LIGHT_HOUSEHOLD)}
    time_round(client, {STRANGER: cases[STRANGER]}, requests)  # warms the server
    first = time_round(client, unread, requests)
    for _ in range(ONCE_MORE):
        time_round(client, cases, requests)
    taken: dict[str, list[list[float]]] = {name: [] for name in cases}
    stages: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in cases}
    for _ in range(rounds):
        for name, (milliseconds, laps) in time_round(client, cases, requests).items():
            taken[name].append(milliseconds)
            for stage, microseconds in laps.items():
                stages[name][stage].extend(microseconds)
    return {
        name: {
            "p50_ms": summarize([float(np.median(one)) for one in taken[name]]),
            "p95_ms": summarize([float(np.percentile(one, 95)) for one in taken[name]]),
            "stages_us": {stage: float(np.median(laps)) for stage, laps in stages[name].items()},
        }
        | ({"first_p50_ms": round(float(np.median(first[name][0])), 2)} if name in first else {})
        for name in cases
    }


def time_round(
    client: Client, cases: Mapping[str, Ask], requests: int
) -> dict[str, tuple[list[float], dict[str, list[float]]]]:
    """Ask each request of each case once, the cases in turn.

    Returns:
        For each case the milliseconds of each request, and by stage the microseconds that the server tells.

    Raises:
        BenchmarkError: a stage was left out.
    """
    found: dict[str, tuple[list[float], dict[str, list[float]]]] = {name: ([], defaultdict(list)) for name in cases}
    for number in range(requests):
        for name, ask in cases.items():
            started = time.perf_counter()
            page = ask(client, number)
            milliseconds, laps = found[name]
            milliseconds.append(1e3 * (time.perf_counter() - started))
            if page.degraded:
                raise BenchmarkError(f"{name}: {', '.join(page.degraded)} was left out, so nothing was measured")
            for stage, microseconds in page.timings.items():
                laps[stage].append(microseconds)
    return found


def report(console: Console, cases: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the figures of each case on a line."""
    for name, figures in cases.items():
        laps = ", ".join(f"{stage.removesuffix('_us')} {us / 1e3:.2f}" for stage, us in figures["stages_us"].items())
        unread = f", of an unread history {figures['first_p50_ms']} ms" if "first_p50_ms" in figures else ""
        console.print(
            f"{name}: p50 {figures['p50_ms']['median']} ms, p95 {figures['p95_ms']['median']} ms{unread} "
            f"(server: {laps})",
            highlight=False,
            soft_wrap=True,
        )


def main(
    catalog: CatalogOption = CATALOG,
    state: StateOption = STATE,
    encoder: EncoderOption = ENCODER,
    ranker: RankerOption = RANKER,
    requests: Annotated[int, typer.Option(min=1, help="requests of each case in a round")] = 50,
    rounds: RoundsOption = 5,
) -> None:
    """Measure recommendations through a server with the profile ``cpu``."""
    store = Store(catalog=catalog, state=state, encoder=encoder, ranker=ranker)
    _ = store.settings  # says what is missing before anything is read
    events = open_state(f"sqlite:{store.state}")
    try:
        shoppers = choose_shoppers(events.event_columns(), requests)
    finally:
        events.close()
    with store.serve() as server, Client(server.grpc_address) as client:
        cases = time_cases(client, list_cases(shoppers), requests, rounds)
    report(Console(), cases)
    households = {"heavy": len(shoppers.heavy), "light": len(shoppers.light)}
    write_record("recommend_latency", {"page_size": 20, "requests": requests, "households": households, "cases": cases})


if __name__ == "__main__":
    run_command(main)
