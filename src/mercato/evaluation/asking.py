"""Asking a running server: every question as deep as it is measured, and again as a shopper would, for the time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mercato.errors import InvalidInputError, ServerError
from mercato.progress import Progress, no_progress

if TYPE_CHECKING:
    from mercato_client import Client, Product, ResultPage

MAX_PAGE_SIZE = 500
"""Most products of one page (`mercato.requests.page`)."""
SHOPPER_PAGE_SIZE = 20
PATIENCE_S = 60.0
"""Seconds for one page: an evaluation asks deep and wants the answer, late or not."""
PERCENTILES = (50, 90, 99)
_SEEDS_PER_CALL = 100

Ask = Callable[["Client", int, int], "ResultPage"]
"""Asks one question for a page: the client, page size and offset."""


@dataclass(frozen=True, kw_only=True)
class ReturnedProduct:
    """One product of an answer, as it was returned.

    Attributes:
        id: of the product.
        title: as the server sent it.
        sources: the ways by which retrieval found it.
        stages: stage -> rank there, from 1; empty where the answer explains nothing.
        categories: general to specific.
        text: the sentence of its explanation; empty where there is none.
        because: ``source`` of the explanation, and ``product_id``, ``event_type`` and ``time`` of the event that speaks
            for it; empty where there is none.
        price: as the answer has it; None where there is none.
        numbers: attributes of one number.
        beyond: whether it only follows the result, as the nearest of what does not match.
    """

    id: str
    title: str = ""
    sources: tuple[str, ...] = ()
    stages: Mapping[str, int] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    text: str = ""
    because: Mapping[str, Any] = field(default_factory=dict)
    price: float | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    beyond: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server answered to one question, page by page until the depth asked for.

    Attributes:
        results: best first.
        total: how long the server says that the whole list is.
        degraded: stages that were left out.
        error: why the server refused the question; empty where it answered.
    """

    results: tuple[ReturnedProduct, ...] = ()
    total: int = 0
    degraded: tuple[str, ...] = ()
    error: str = ""

    @property
    def ids(self) -> list[str]:
        """Product ids, best first."""
        return [product.id for product in self.results]

    @property
    def matches(self) -> list[str]:
        """Ids of the products that match, best first."""
        return [product.id for product in self.results if not product.beyond]


def open_client(server: str) -> Client:
    """Open a patient client.

    Args:
        server: gRPC address.
    """
    from mercato_client import Client, Timeouts

    return Client(server, timeouts=Timeouts(read_s=PATIENCE_S, write_s=PATIENCE_S))


def ask_all(
    client: Client, questions: Sequence[Ask], depth: int, *, concurrency: int = 4, progress: Progress = no_progress
) -> list[Answer]:
    """Ask all questions, a few at a time.

    Args:
        client: of the server.
        questions: what to ask.
        depth: how many products of each answer, in pages of at most `MAX_PAGE_SIZE`.
        concurrency: questions at a time.
        progress: told of questions.

    Returns:
        An answer for each question. One that the server refuses has its reason; it stops no other.

    Raises:
        ServerError: the server cannot be reached, or fails.
    """
    answers: list[Answer] = []
    with ThreadPoolExecutor(max_workers=max(1, concurrency)) as pool:
        waiting = [pool.submit(_ask_deep, client, question, depth) for question in questions]
        try:
            for done, future in enumerate(waiting, 1):
                answers.append(future.result())
                progress("asking the server", done, len(questions))
        finally:
            for future in waiting:
                future.cancel()
    return answers


def time_all(
    client: Client, questions: Sequence[Ask], *, limit: int = 500, progress: Progress = no_progress
) -> dict[str, Any]:
    """Measure the time of answers as a shopper waits for them: the first page, one question at a time.

    Args:
        client: of the server.
        questions: what to ask; refused ones are left out.
        limit: most questions to time, spread over all.
        progress: told of questions.

    Returns:
        ``p50``, ``p90``, ``p99`` in milliseconds as the client sees them, ``questions``, ``page_size``, and
        ``server``: for each stage that the server times the same percentiles.

    Raises:
        ServerError: the server cannot be reached, or fails.
    """
    chosen = spread_positions(len(questions), limit)
    seen: list[float] = []
    by_stage: dict[str, list[float]] = defaultdict(list)
    for done, position in enumerate(chosen, 1):
        started = time.perf_counter()
        page = _ask_page(client, questions[position], SHOPPER_PAGE_SIZE, 0)
        took_ms = 1_000 * (time.perf_counter() - started)
        if not isinstance(page, str):
            seen.append(took_ms)
            for name, micros in page.timings.items():
                by_stage[name.removesuffix("_us")].append(micros / 1_000)
        progress("timing first pages", done, len(chosen))
    return {
        **_percentiles(seen),
        "questions": len(seen),
        "page_size": SHOPPER_PAGE_SIZE,
        "server": {name: _percentiles(taken) for name, taken in by_stage.items()},
    }


def spread_positions(count: int, limit: int) -> list[int]:
    """Choose at most ``limit`` of ``count`` positions, spread over all."""
    return np.unique(np.linspace(0, count - 1, min(limit, count)).astype(int)).tolist() if count else []


def count_catalogue(client: Client, condition: str | None = None) -> int:
    """Count the products that the server can show: how long the list for an unknown visitor is.

    Args:
        client: of the server.
        condition: a filter that they pass.

    Raises:
        InvalidInputError: the server refuses the filter.
        ServerError: the server cannot be reached, or fails.
    """
    page = _ask_page(client, lambda c, size, offset: c.recommend("home-page", filter=condition, page_size=size), 1, 0)
    if isinstance(page, str):
        raise InvalidInputError("--filter", page)
    return page.total


def look_up(client: Client, products: Sequence[str]) -> tuple[set[str], dict[str, str]]:
    """Find which products the server's catalogue does not hold, and which are variants of others.

    Args:
        client: of the server, which names the seeds that it does not know, and the products of those that are variants.
        products: ids.

    Returns:
        The ids that are unknown, and for each id of a variant that of its product, which is what answers show.

    Raises:
        ServerError: the server cannot be reached, or fails.
    """
    unknown: set[str] = set()
    owners: dict[str, str] = {}
    for start in range(0, len(products), _SEEDS_PER_CALL):
        seeds = list(products[start : start + _SEEDS_PER_CALL])

        def ask(c: Client, size: int, offset: int, seeds: list[str] = seeds) -> ResultPage:
            return c.recommend("product-page", seed_product_ids=seeds, page_size=size)

        page = _ask_page(client, ask, 1, 0)
        unknown.update(seeds if isinstance(page, str) else page.missing_ids)
        owners.update({} if isinstance(page, str) else page.variant_products)
    return unknown, owners


def read_learned(client: Client) -> Mapping[str, Mapping[str, Any]]:
    """Ask a server how late the events are that its catalogue and its models learned from.

    Args:
        client: of the server.

    Returns:
        Part -> ``last_event_time``, as `mercato.pipeline.answer` writes it; nothing from a server that does not say.

    Raises:
        ServerError: the server cannot be reached, or fails.
    """
    page = _ask_page(client, lambda c, size, offset: c.recommend("home-page", page_size=size, explain=True), 1, 0)
    given = None if isinstance(page, str) else page.details.get("learned_from")
    return given if isinstance(given, Mapping) else {}


def _ask_deep(client: Client, question: Ask, depth: int) -> Answer:
    results: dict[str, ReturnedProduct] = {}
    total = 0
    degraded: tuple[str, ...] = ()
    for offset in range(0, depth, MAX_PAGE_SIZE):
        page = _ask_page(client, question, min(MAX_PAGE_SIZE, depth - offset), offset)
        if isinstance(page, str):
            return Answer(error=page)
        for product in page.results:
            results.setdefault(product.id, describe_product(product))
        total, degraded = page.total, tuple(dict.fromkeys((*degraded, *page.degraded)))
        if offset + len(page.results) >= page.total or not page.results:
            break
    return Answer(results=tuple(results.values()), total=total, degraded=degraded)


def describe_product(product: Product) -> ReturnedProduct:
    """Keep of a product what an evaluation looks at.

    Args:
        product: as the client gives it; the ranks of stages are read from its ``explanation``, where it has one.
    """
    given = product.fields.get("explanation")
    explanation: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    stages, because = explanation.get("stages"), explanation.get("because")
    ranks = {
        str(name): int(position["rank"])
        for name, position in (stages.items() if isinstance(stages, Mapping) else ())
        if isinstance(position, Mapping) and isinstance(position.get("rank"), int)
    }
    return ReturnedProduct(
        id=product.id,
        title=product.title,
        sources=product.sources,
        stages=ranks,
        categories=product.categories,
        text=str(explanation.get("text") or ""),
        because=because if isinstance(because, Mapping) else {},
        price=product.price,
        numbers={
            name: float(value)
            for name, value in product.attributes.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        },
        beyond=product.beyond,
    )


def _ask_page(client: Client, question: Ask, page_size: int, offset: int) -> ResultPage | str:
    """Ask for a page; the reason where the server refuses the question."""
    from mercato_client import InvalidArgumentError, MercatoClientError

    try:
        return question(client, page_size, offset)
    except InvalidArgumentError as exc:
        return str(exc)
    except MercatoClientError as exc:
        raise ServerError(f"{exc}; start one with `mercato serve`, or name it with --server HOST:PORT") from exc


def _percentiles(taken_ms: Sequence[float]) -> dict[str, float | None]:
    if not taken_ms:
        return {f"p{percentile}": None for percentile in PERCENTILES}
    found = np.percentile(taken_ms, PERCENTILES)
    return {f"p{percentile}": round(float(value), 3) for percentile, value in zip(PERCENTILES, found, strict=True)}
