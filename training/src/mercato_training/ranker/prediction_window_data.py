"""The ranker's data where recommendations are learned from the weeks after several moments of the past."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercato.errors import DataError
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.indexing.encode import TextEncoder
from mercato.progress import Progress
from mercato.requests.retrieval import WINDOW
from mercato.retrieval.retriever import Retriever
from mercato.signals.events import SECONDS_PER_DAY
from mercato.state.values import EventTable
from mercato_training.ranker.examples import ExampleBuilder, ExampleSet
from mercato_training.ranker.fit import FitOptions, Vectors
from mercato_training.ranker.logged_searches import add_texts, ask_again, find_logged_searches
from mercato_training.ranker.past import PastSnapshot
from mercato_training.ranker.prediction_window import (
    WindowOptions,
    build_groups,
    group_shoppers,
    join_examples,
    list_snapshot_dates,
    renumber,
)
from mercato_training.ranker.prepare import DataOptions, RankerData, read_queries, require_purchases, require_times
from mercato_training.ranker.tasks import Split, draw_searches, forget_histories
from mercato_training.ranker.timeline import Timeline

WINDOW_FIT = FitOptions(epochs=8, patience=3, batch_size=32, learning_rate=2e-3, weight_decay=1e-2, dropout=0.15)
"""Lists are fewer and longer than those of single orders, and shoppers come back: less is learned by heart."""
WINDOW_SHAPE: dict[str, Any] = {"hidden": (128, 64), "projection": 8, "members": 4}


def prepare_window_data(
    snapshot: Snapshot,
    events: EventTable,
    encoder: TextEncoder,
    options: DataOptions,
    window: WindowOptions,
    report: Progress,
) -> RankerData:
    """Build the example sets.

    Of the shoppers that are held out half decide when to stop; on the others, of whom nothing was learned and who did
    not stop it, the ranker is reported, and at the latest moment probabilities are fitted: those of earlier moments say
    less of the next weeks (decision 0015).

    Nothing after the last event is needed, so all of the history is learned from: the latest moment's weeks end with
    it. Searches, where products have categories to search for, come from the orders of those weeks.

    Args:
        snapshot: the catalogue.
        events: all events.
        encoder: the encoder that the snapshot was built with.
        options: how many searches; its stretches of time are not read.
        window: which moments.
        report: told of progress.

    Raises:
        DataError: no event has a time, the events have no purchase of the catalogue's products by known users, or
            nobody bought something before the first moment and something after it.
    """
    if not len(events) or not (events.user >= 0).any():
        raise DataError(
            "training needs purchases of known users, the state has none; import them: mercato events import FILE"
        )
    require_times(events)
    timeline = Timeline(events, snapshot.row_by_any_id)
    require_purchases(timeline)
    end = float(np.nextafter(events.time.max(), np.inf))
    snapshot_dates = list_snapshot_dates(end, window)
    stopping, held_back = group_shoppers(len(events.users), window)
    latest = PastSnapshot(snapshot, events, until=snapshot_dates[0])
    recommendations, apart = build_groups(snapshot, events, encoder, snapshot_dates, window, held_back, report, latest)
    if not len(recommendations):
        raise DataError(
            f"training needs shoppers who bought before a moment and in the {window.days:g} days after it; "
            f"{len(snapshot_dates)} moments, {window.step_days:g} days apart, the last {window.days:g} days before the "
            "last event, have none; give a longer history, fewer moments (--snapshot-dates) or fewer "
            "days (--window-days)"
        )
    searches, texts, query_vectors = _build_searches(latest, events, encoder, options, window, report)
    learned = [part.select(~_are_of(part, held_back)) for part in (recommendations, searches)]
    examples = join_examples(learned)
    stops = _are_of(examples, stopping)
    validation = examples.select(stops)
    buyers = apart.select(np.array([len(task.bought) > 0 for task in apart.tasks], np.bool_))
    test = join_examples([buyers, searches.select(_are_of(searches, held_back))])
    return RankerData(
        train=examples.select(~stops),
        validation=validation,
        test=test,
        test_unknown=test.select(np.zeros(len(test), np.bool_)),
        calibration=apart.select(np.array([task.time == snapshot_dates[0] for task in apart.tasks], np.bool_)),
        event=f"bought within {window.days:g} days",
        vectors=Vectors(snapshot.dense.vectors, snapshot.texts.text_of_row, query_vectors),
        split=Split(
            train=snapshot_dates[-1],
            validation=snapshot_dates[0],
            test=snapshot_dates[0],
            end=snapshot_dates[0] + window.days * SECONDS_PER_DAY,
        ),
        timeline=timeline,
        queries=texts,
    )


def _are_of(examples: ExampleSet, actors: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return a mask of the examples of some actors."""
    mask: NDArray[np.bool_] = np.isin(np.array([task.actor for task in examples.tasks], dtype=np.int32), actors)
    return mask


def _build_searches(
    past: PastSnapshot,
    events: EventTable,
    encoder: TextEncoder,
    options: DataOptions,
    window: WindowOptions,
    report: Progress,
) -> tuple[ExampleSet, list[str], np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    """Build the searches of the latest moment's weeks: the examples, their texts, and the texts' vectors."""
    rng = np.random.default_rng(options.seed)
    timeline = Timeline(events, past.row_by_any_id)
    orders = timeline.orders(since=past.until, until=past.until + window.days * SECONDS_PER_DAY)
    texts, queries_of_row = read_queries(past, np.unique(orders.rows), encoder, rng)
    logged = find_logged_searches(past.queries, since=past.until, until=np.inf, rng=rng)
    typed = ask_again(logged, add_texts(texts, logged), len(events.users), options.searches, rng)
    drawn = draw_searches(orders, queries_of_row, options.searches - len(typed), rng)
    tasks = forget_histories([*typed, *drawn], rng)
    builder = ExampleBuilder(Retriever(LiveCatalog(past, None), None), timeline, texts, encoder)
    examples = builder.build(tasks, width=min(window.width, WINDOW), rng=rng, report=report)
    return renumber(examples, past.original), texts, builder.query_vectors
