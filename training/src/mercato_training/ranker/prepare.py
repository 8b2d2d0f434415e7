"""From a snapshot and a state store to example sets for training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import orjson
from numpy.typing import NDArray

from mercato.errors import DataError
from mercato.events.event_order import has_time
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.indexing.encode import TextEncoder
from mercato.progress import Progress
from mercato.requests.retrieval import WINDOW
from mercato.retrieval.retriever import Retriever
from mercato.signals.history import PURCHASE
from mercato.state.values import EventTable
from mercato_training.common.shopper_queries import ShopperQueries, list_letters
from mercato_training.ranker.examples import ExampleBuilder, ExampleSet, Task
from mercato_training.ranker.fit import Vectors
from mercato_training.ranker.logged_searches import add_texts, ask_again, find_logged_searches
from mercato_training.ranker.past import PastSnapshot
from mercato_training.ranker.tasks import Split, draw_recommendations, draw_searches, forget_histories, split_by_time
from mercato_training.ranker.timeline import Timeline

HELD_OUT_SHARE = 4
"""Validation and test each have one request for so many training requests."""


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What the examples are made of.

    Attributes:
        searches: training searches, those of the log first (`logged_searches`), made-up ones for the rest; a quarter of
            it each for validation and test.
        recommendations: training recommendations; likewise.
        width: candidates of a training list: what was bought and a sample of the rest. Longer lists teach a little
            more and cost in proportion.
        train_days: length of the stretch whose orders are learned from.
        validation_days: length of the stretch after it.
        test_days: length of the last stretch.
        seed: of every draw.
    """

    searches: int = 8_000
    recommendations: int = 4_000
    width: int = 64
    train_days: float = 28.0
    validation_days: float = 14.0
    test_days: float = 21.0
    seed: int = 17


@dataclass(frozen=True, kw_only=True)
class RankerData:
    """Everything training and evaluation need.

    Attributes:
        train: lists of ``width``.
        validation: whole lists.
        test: whole lists.
        test_unknown: the searches of ``test`` by shoppers of whom nothing is known.
        calibration: whole lists of recommendations that neither taught the network nor stopped it.
        event: what happened to what is marked as bought there, for people.
        vectors: of products and queries.
        split: where in time the three lie.
        timeline: all events.
        queries: distinct query texts.
    """

    train: ExampleSet
    validation: ExampleSet
    test: ExampleSet
    test_unknown: ExampleSet
    calibration: ExampleSet
    event: str
    vectors: Vectors
    split: Split
    timeline: Timeline
    queries: list[str]


def prepare_data(
    snapshot: Snapshot, events: EventTable, encoder: TextEncoder, options: DataOptions, report: Progress
) -> RankerData:
    """Build the example sets through the real retrieval, over a catalogue that knows the past alone.

    Args:
        snapshot: the catalogue.
        events: all events.
        encoder: the encoder that the snapshot was built with.
        options: what to build.
        report: told of progress.

    Raises:
        DataError: no user bought anything of the catalogue, no purchase names an order, or there is none in one of the
            three stretches.
    """
    if not len(events) or not (events.user >= 0).any():
        raise DataError(
            "training needs purchases of known users, the log has none; give a file that names users (--events), or "
            "import one into the state: mercato events import FILE"
        )
    require_times(events)
    split = split_by_time(
        float(events.time.max()),
        train_days=options.train_days,
        validation_days=options.validation_days,
        test_days=options.test_days,
    )
    report("learning from what came before the training orders", 0, 1)
    past = PastSnapshot(snapshot, events, until=split.train)
    timeline = Timeline(events, past.row_by_any_id)
    require_purchases(timeline)
    if not ((timeline.type == PURCHASE) & (timeline.order >= 0)).any():
        raise DataError(
            "training on orders needs purchases that name one, none has an order_id; name its column (--event-map "
            "order_id=COLUMN), or learn from what is bought in the weeks after several moments, which needs none: "
            "--window-days 35"
        )
    report("reading the categories of what was bought", 0, 1)
    orders = {
        "train": timeline.orders(since=split.train, until=split.validation),
        "validation": timeline.orders(since=split.validation, until=split.test),
        "test": timeline.orders(since=split.test, until=split.end),
    }
    for name, stretch in orders.items():
        if not len(stretch):
            raise DataError(
                f"training needs orders in each stretch of time, {name} has none; "
                "give a longer history or shorter stretches (--train-days, --validation-days, --test-days)"
            )
    bought = np.unique(np.concatenate([stretch.rows for stretch in orders.values()]))
    rng = np.random.default_rng(options.seed)
    texts, queries_of_row = read_queries(past, bought, encoder, rng)
    stretches = {"train": (split.train, split.validation), "validation": (split.validation, split.test)}
    logged = {
        name: find_logged_searches(past.queries, since=since, until=until, rng=rng)
        for name, (since, until) in {**stretches, "test": (split.test, split.end)}.items()
    }
    positions = add_texts(texts, [one for searches in logged.values() for one in searches])
    builder = ExampleBuilder(Retriever(LiveCatalog(past, None), None), timeline, texts, encoder)

    def draw(name: str, share: int) -> list[Task]:
        count = options.searches // share
        typed = ask_again(logged[name], positions, len(events.users), count, rng)
        return [
            *typed,
            *draw_searches(orders[name], queries_of_row, count - len(typed), rng),
            *draw_recommendations(orders[name], options.recommendations // share, rng),
        ]

    def build(name: str, tasks: Sequence[Task], width: int = WINDOW) -> ExampleSet:
        return builder.build(tasks, width=width, rng=rng, report=lambda what, *done: report(f"{name}: {what}", *done))

    train = build("training", forget_histories(draw("train", 1), rng), options.width)
    validation = build("validation", forget_histories(draw("validation", HELD_OUT_SHARE), rng))
    tasks = draw("test", HELD_OUT_SHARE)
    test = build("test", tasks)
    test_unknown = build("test", [replace(task, history_limit=0) for task in tasks if task.query >= 0])
    return RankerData(
        train=train,
        validation=validation,
        test=test,
        test_unknown=test_unknown,
        calibration=test.select(test.query < 0),
        event="bought in the order that a visit ends in",
        vectors=Vectors(past.dense.vectors, past.texts.text_of_row, builder.query_vectors),
        split=split,
        timeline=timeline,
        queries=texts,
    )


def require_times(events: EventTable) -> None:
    """Refuse a log of which only the order is known: a ranker is learned from what came after moments of the past.

    Raises:
        DataError: no event has a time.
    """
    if not has_time(events.time).any():
        raise DataError(
            "training a ranker on purchases needs events with times, the log has their order alone; train it on ratings"
            " (--judgements), or the next-item model, which needs an order only: mercato train sequence"
        )


def require_purchases(timeline: Timeline) -> None:
    """Refuse a log in which no known user bought a product of the catalogue.

    Raises:
        DataError: there is no such purchase.
    """
    if not (timeline.type == PURCHASE).any():
        raise DataError(
            f"training needs purchases of the catalogue's products by known users, the {len(timeline.type):,} events "
            "of its products by known users have none; name the catalogue whose product ids the events have, and give "
            "purchases the type purchase-complete"
        )


def read_queries(
    past: PastSnapshot, rows: NDArray[np.int32], encoder: TextEncoder, rng: np.random.Generator
) -> tuple[list[str], dict[int, Sequence[int]]]:
    """Make the queries of some products.

    Args:
        past: the catalogue.
        rows: int32 [n], the products.
        encoder: of the catalogue: of the words of a category's name that one is its head which is nearest to its
            centroid, such as "bread" of "mainstream white bread".
        rng: for what is drawn.

    Returns:
        The distinct texts, and for each row the positions of its queries.
    """
    documents = [orjson.loads(past.documents.document(int(past.original[row]))) for row in rows.tolist()]
    names = {str(name) for document in documents for name in (document.get("categories") or ())[-1:]}
    words = sorted({word for name in names for word in list_letters(name)})
    vectors = dict(zip(words, encoder.encode_many(words, workers=2, progress=None), strict=True)) if words else {}
    codes, centroids = past.settings["leaf_categories"], past.category_words.centroids

    def choose_head(categories: tuple[str, ...], of_name: Sequence[str]) -> str:
        code = codes.get(categories[-1], -1)
        if not 0 <= code < len(centroids):
            return of_name[-1]
        return max(of_name, key=lambda word: float(vectors[word] @ centroids[code]))

    maker = ShopperQueries(documents, past.settings["language"], rng, choose_head)
    texts: dict[str, int] = {}
    queries_of_row: dict[int, Sequence[int]] = {}
    for row, document in zip(rows.tolist(), documents, strict=True):
        queries_of_row[row] = tuple(texts.setdefault(query, len(texts)) for query in maker.make(document))
    return list(texts), queries_of_row
