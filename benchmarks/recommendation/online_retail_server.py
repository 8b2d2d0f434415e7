"""Asking the running server for every customer of a window, and what it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness.command import BenchmarkError
from benchmarks.recommendation.online_retail_data import CUTOFF, Window, measure_lists
from benchmarks.recommendation.online_retail_shop import Shop
from mercato.arrays import Float64
from mercato.evaluation.asking import Ask, ask_all, open_client
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer

if TYPE_CHECKING:
    from mercato_client import Client, ResultPage

PAGE_SIZE = 40
"""Products asked for: the first 20 count, and of histories longer than the server looks at some may be known ones."""
OPTIONS: Mapping[str, dict[str, Any] | None] = {"all": None, "new": {"exclude_purchased_days": 36_500}}
"""OPTIONS of a request by scope."""


@dataclass(frozen=True, kw_only=True)
class Customers:
    """Whom the server is asked for.

    Attributes:
        ids: of each customer of the window.
        regions: country of each.
        moment: of which the server is asked, seconds since 1970.
        code_of: product id -> its code in the window.
    """

    ids: Sequence[str]
    regions: Sequence[str]
    moment: float
    code_of: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a server reached.

    Attributes:
        values: scope -> metric -> float64 [customers]; NaN where the scope leaves nothing to find.
        milliseconds: scope -> time of each request, as the client saw it.
        short: scope -> answers that held fewer than 20 products that count.
    """

    values: dict[str, dict[str, Float64]]
    milliseconds: dict[str, list[float]]
    short: dict[str, int]


@contextmanager
def serve(shop: Shop, encoder: Path, ranker: Path | None, sequence: Path | None = None) -> Iterator[str]:
    """Serve a shop with the profile ``cpu`` on free ports; gives the address.

    Args:
        shop: catalogue and state.
        encoder: folder of the exported encoder.
        ranker: folder of the exported ranker; None serves the fused order of the sources.
        sequence: folder of the exported sequence model; None goes without.
    """
    options = ServerOptions(
        catalog=shop.catalog,
        state=shop.state,
        encoder=encoder,
        ranker=ranker,
        sequence=sequence,
        profile="cpu",
        ports=Ports(grpc=0, http=0, metrics=0),
    )
    with TritonServer(options) as server:
        yield server.grpc_address


def measure_server(address: str, window: Window, customers: Customers, *, concurrency: int) -> Measured:
    """Ask for every customer in both scopes and measure what is answered.

    Args:
        address: of the server.
        window: what is right.
        customers: whom to ask for, in the order of the window.
        concurrency: requests at a time.

    Raises:
        BenchmarkError: a request was refused, or answered without some stage.
    """
    values: dict[str, dict[str, Float64]] = {}
    milliseconds: dict[str, list[float]] = {}
    short: dict[str, int] = {}
    with open_client(address) as client:
        for scope, options in OPTIONS.items():
            indices = [index for index, right in enumerate(window.right(scope)) if right]
            taken: list[float] = []
            questions = [_make_question(customers, index, options, taken) for index in indices]
            answers = ask_all(client, questions, PAGE_SIZE, concurrency=concurrency)
            for answer in answers:
                if answer.error or answer.degraded:
                    raise BenchmarkError(f"scope {scope}: {answer.error or 'answered without ' + str(answer.degraded)}")
            lists: list[list[int]] = [[] for _ in customers.ids]
            for index, answer in zip(indices, answers, strict=True):
                lists[index] = [customers.code_of[product] for product in answer.ids]
            values[scope] = measure_lists(window, lists, scope)
            milliseconds[scope] = taken
            short[scope] = sum(count_fitting(window, index, lists[index], scope) < CUTOFF for index in indices)
    return Measured(values=values, milliseconds=milliseconds, short=short)


def count_fitting(window: Window, index: int, order: Sequence[int], scope: str) -> int:
    """Count the products of a list that the scope lets count."""
    return sum(scope != "new" or not window.known[index, product] for product in order)


def describe_latency(milliseconds: Sequence[float], concurrency: int) -> dict[str, Any]:
    """Give the percentiles of requests."""
    p50, p95 = np.percentile(milliseconds, (50, 95))
    return {
        "p50": round(float(p50), 2),
        "p95": round(float(p95), 2),
        "requests": len(milliseconds),
        "at_a_time": concurrency,
        "page_size": PAGE_SIZE,
    }


def _make_question(customers: Customers, index: int, options: dict[str, Any] | None, taken: list[float]) -> Ask:
    context = {"time": customers.moment, "region": customers.regions[index]}

    def ask(client: Client, page_size: int, offset: int) -> ResultPage:
        started = time.perf_counter()
        page = client.recommend(
            "home-page",
            user_id=customers.ids[index],
            page_size=page_size,
            offset=offset,
            context=context,
            options=options,
        )
        taken.append(1e3 * (time.perf_counter() - started))
        return page

    return ask
