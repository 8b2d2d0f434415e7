"""What a log of searches teaches: rated queries before and after invented shoppers searched, looked and bought.

.venv/bin/python -m benchmarks query_log
.venv/bin/python -m benchmarks query_log --people 40 --people 400 --chosen 2

Half of icecat's rated queries are searched by people who behave as the position-based model says (Richardson,
Dominowska and Ragno 2007): the product at rank r is looked at with probability (1 / r) ** `EYES`, what is looked at is
clicked, and what is clicked is bought, with probabilities by its rating. `EYES` is not what the estimator takes it to
be. Their events go through the state and all that `mercato index` learns, on the catalogue as it is. The ratings then
measure the answers of these queries, and of the other half, which nobody searched, beside the answers that the same
events give without their queries, when they teach what sells and no more. The mischievous all push one product for each
query, rated lowest: they find it in the answer and buy it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import ENCODER
from benchmarks.search.icecat import DATA, WORK, build_catalog
from mercato.arrays import Float32, Float64
from mercato.errors import MercatoError
from mercato.evaluation.intervals import compare_values
from mercato.evaluation.judgements import read_judgements
from mercato.evaluation.measures import MeasurePlan, measure_orders, plan_measures
from mercato.evaluation.result import describe_comparison
from mercato.events.event import Event
from mercato.features.inputs import Context
from mercato.index.live import LiveCatalog
from mercato.index.query_signals import QUERY_USE
from mercato.index.snapshot import Snapshot
from mercato.models.encoder.onnx_encoder import OnnxEncoder
from mercato.requests.retrieval import WINDOW, Placement, RetrievalRequest
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import EventTable
from mercato_training.ranker.past import PastSnapshot

NEEDS = "the evaluation data"

MOMENT = 1_767_225_600.0  # the first of January 2026: a moment that does not move with the clock
DAYS = 60.0
SEEN = 20
"""Products of an answer that a shopper may look at."""
EYES = 0.8
CLICKED = {0: 0.05, 1: 0.2, 2: 0.5, 3: 0.8}
"""Probability that what is looked at is clicked, by rating; what is not rated is taken to be rated 0."""
BOUGHT = {0: 0.02, 1: 0.05, 2: 0.2, 3: 0.5}
"""Probability that what is clicked is bought."""
PUSHED_SHARE = 0.1
KEY_METRICS = ("ndcg@10", "ndcg@10_condensed", "recall@100")

Ratings = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was answered to each query.

    Attributes:
        orders: query to product ids, in order.
        measured: metric to a value for each query, float64 [queries].
    """

    orders: Mapping[str, Sequence[str]]
    measured: Mapping[str, Float64]


def shop(
    orders: Mapping[str, Sequence[str]], ratings: Ratings, people: int, rng: np.random.Generator, *, tells_rank: bool
) -> Iterator[Event]:
    """Let people search, look and buy.

    Args:
        orders: queries with what is answered.
        ratings: query to product to rating.
        people: how many search each query, once each.
        rng: for who does what.
        tells_rank: events say where in the answer a product stood.
    """
    looks = (1.0 / np.arange(1, SEEN + 1)) ** EYES
    for number, (query, order) in enumerate(orders.items()):
        shown = order[:SEEN]
        rated = [ratings[query].get(product, 0) for product in shown]
        clicked = np.array([CLICKED[rating] for rating in rated]) * looks[: len(shown)]
        bought = np.array([BOUGHT[rating] for rating in rated])
        for person in range(people):
            who, time = f"s{number}-{person}", MOMENT - rng.uniform(0.0, DAYS) * 86_400.0 - 3_600.0
            yield Event(event_type="search", user_id=who, time=time, context={"search_query": query})
            clicks = np.flatnonzero(rng.random(len(shown)) < clicked)
            for place in clicks.tolist():
                told = {"rank": place + 1} if tells_rank else {}
                yield Event(
                    event_type="detail-page-view", user_id=who, product_id=shown[place], time=time + 1 + place,
                    context={"search_query": query, **told},
                )  # fmt: skip
                if rng.random() < bought[place]:
                    yield Event(event_type="purchase-complete", user_id=who, product_id=shown[place], time=time + 600)


def choose_pushed(orders: Mapping[str, Sequence[str]], ratings: Ratings) -> dict[str, str]:
    """Choose for each query what the mischievous push: the product rated 0 that stands last among the first 100."""
    pushed = {}
    for query, order in orders.items():
        worst = [product for product in order[:100] if ratings[query].get(product) == 0]
        pushed[query] = worst[-1] if worst else order[min(99, len(order) - 1)]
    return pushed


def push(pushed: Mapping[str, str], people: int, rng: np.random.Generator) -> Iterator[Event]:
    """Let people find and buy one product for each query, on five days each."""
    for number, (query, product) in enumerate(pushed.items()):
        for person in range(people):
            for _ in range(5):
                who, time = f"x{number}-{person}", MOMENT - rng.uniform(0.0, DAYS) * 86_400.0 - 3_600.0
                yield Event(event_type="search", user_id=who, time=time, context={"search_query": query})
                context = {"search_query": query, "rank": 50}
                yield Event(
                    event_type="detail-page-view", user_id=who, product_id=product, time=time + 60, context=context
                )
                yield Event(event_type="purchase-complete", user_id=who, product_id=product, time=time + 90)


def forget_queries(events: Sequence[Event]) -> Iterator[Event]:
    """Yield what was done without what was searched for."""
    return (replace(event, context={}) for event in events if event.event_type != "search")


def write_history(events: Iterable[Event]) -> EventTable:
    """Write events to a new state, and read them as `mercato index` does."""
    left = iter(events)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStateStore(str(Path(folder) / "state.db"))
        for batch in iter(lambda: list(islice(left, 5_000)), []):
            store.append_events(batch)
        table = store.event_columns()
        store.close()
    return table


def answer(
    snapshot: Snapshot,
    events: EventTable,
    vectors: Mapping[str, Float32],
    ratings: Ratings,
    plan: MeasurePlan,
    chosen: float,
) -> tuple[Answers, PastSnapshot]:
    """Answer all queries from what the events taught, in the order of retrieval, and measure the answers.

    Raises:
        BenchmarkError: a query is refused.
    """
    past = PastSnapshot(snapshot, events, until=MOMENT)
    catalog = LiveCatalog(past, None)
    catalog.fusion = replace(catalog.fusion, chosen=chosen)
    retriever = Retriever(catalog, None)
    orders: dict[str, list[str]] = {}
    for query, vector in vectors.items():
        request = RetrievalRequest(
            placement=Placement.SEARCH, text=query, context=Context(time=MOMENT), depth=max(WINDOW, plan.depth)
        )
        (found,) = retriever.retrieve([request], vector[None, :])
        if isinstance(found, MercatoError):
            raise BenchmarkError(f"{query!r} was refused: {found}")
        rows = np.concatenate([found.rows, found.tail])
        orders[query] = [snapshot.documents.id(int(past.original[row])) for row in rows.tolist()]
    measured = measure_orders([ratings[query] for query in vectors], list(orders.values()), plan)
    return Answers(orders=orders, measured=measured), past


def compare(before: Answers, after: Answers, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
    """Give the paired change of the measures of some queries."""
    return {
        name: describe_comparison(compare_values(after.measured[name][chosen], before.measured[name][chosen]))
        for name in KEY_METRICS
    }


def place_pushed(pushed: Mapping[str, str], answers: Answers) -> dict[str, float]:
    """Say where what was pushed stands: the median of its ranks, and in how many queries it is of the first ten."""
    ranks = [
        list(answers.orders[query]).index(product) + 1 if product in answers.orders[query] else WINDOW + 1
        for query, product in pushed.items()
    ]
    return {
        "median_rank": float(np.median(ranks)),
        "among_the_first_ten": round(float(np.mean(np.array(ranks) <= 10)), 3),
        "first": round(float(np.mean(np.array(ranks) == 1)), 3),
    }


def main(
    data: Annotated[Path, typer.Option(help="folder with products.parquet and judgements.parquet")] = DATA,
    work: Annotated[Path, typer.Option(help="folder for the snapshot")] = WORK,
    encoder: Annotated[Path, typer.Option(help="folder of the exported encoder")] = ENCODER,
    people: Annotated[list[int] | None, typer.Option(help="how many search each query; several times for each")] = None,
    chosen: Annotated[float, typer.Option(help="weight of what was chosen, in the fusion")] = 1.0,
    seed: Annotated[int, typer.Option(help="of all that the shoppers do")] = 7,
) -> None:
    """Measure what a log of searches teaches, and what mischief can do to it."""
    console = Console()
    snapshot = Snapshot(build_catalog(data, work, encoder, rebuild=False))
    judgements = read_judgements(data / "judgements.parquet")
    plan, ratings = plan_measures(judgements.levels), judgements.ratings
    vectors = dict(zip(judgements.queries, OnnxEncoder(encoder).encode(judgements.queries), strict=True))
    before, _ = answer(snapshot, EventTable.empty(), vectors, ratings, plan, chosen)
    searched = np.zeros(len(vectors), np.bool_)
    searched[np.random.default_rng(seed).permutation(len(vectors))[: len(vectors) // 2]] = True
    half = {query: before.orders[query] for query, is_searched in zip(vectors, searched, strict=True) if is_searched}
    pushed = choose_pushed(half, ratings)
    figures: dict[str, Any] = {
        "queries": {"searched": int(searched.sum()), "others": int((~searched).sum())},
        "weight_of_chosen": chosen,
        "before": {
            "searched": {name: round(float(np.nanmean(before.measured[name][searched])), 4) for name in KEY_METRICS},
            "others": {name: round(float(np.nanmean(before.measured[name][~searched])), 4) for name in KEY_METRICS},
            "pushed": place_pushed(pushed, before),
        },
        "runs": [],
    }
    console.print("before:", figures["before"])
    for count in people or [40, 200]:
        for name, tells_rank, pushers in (
            ("views with ranks", True, 0),
            ("purchases alone", False, 0),
            ("a tenth push", True, round(PUSHED_SHARE * count)),
            ("as many push", True, count),
        ):
            rng = np.random.default_rng(seed)
            events = [*shop(half, ratings, count, rng, tells_rank=tells_rank), *push(pushed, pushers, rng)]
            sold, _ = answer(snapshot, write_history(forget_queries(events)), vectors, ratings, plan, chosen)
            after, past = answer(snapshot, write_history(events), vectors, ratings, plan, chosen)
            use = past.learned.get(QUERY_USE)
            run: dict[str, Any] = {
                "people": count,
                "log": name,
                "pushers": pushers,
                "events": len(events),
                "known_pairs": len(use.products),
                "searched": compare(sold, after, searched),
                "others": compare(sold, after, ~searched),
                "sales_alone": {
                    "searched": compare(before, sold, searched),
                    "others": compare(before, sold, ~searched),
                    "pushed": place_pushed(pushed, sold),
                },
                "pushed": place_pushed(pushed, after),
            }
            figures["runs"].append(run)
            changes = {part: run[part]["ndcg@10"]["difference"] for part in ("searched", "others")}
            console.print(f"{count} people, {name}: nDCG@10 {changes}, pushed {run['pushed']}")
    console.print(f"written: {write_record('query_log', figures).name}")


if __name__ == "__main__":
    run_command(main)
