from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mercato.errors import DataError
from mercato.features.features import FEATURE_NAMES
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import WINDOW
from mercato.signals.history import PURCHASE
from mercato.state.values import EventTable
from mercato_export.networks.ranker import RankerConfig, RankerNetwork, load_ranker
from mercato_training.ranker.fit import FitOptions
from mercato_training.ranker.prediction_window import (
    WindowOptions,
    build_groups,
    build_window_examples,
    draw_window_tasks,
    group_shoppers,
    join_examples,
    list_snapshot_dates,
    split_shoppers,
)
from mercato_training.ranker.prediction_window_data import prepare_window_data
from mercato_training.ranker.prepare import DataOptions
from mercato_training.ranker.timeline import Timeline
from mercato_training.ranker.train import compare, train_ranker

DAY = 86_400.0
COLUMNS = ("sequence", "time", "event_type", "user", "visitor", "product", "order", "quantity", "price")
OPTIONS = WindowOptions(days=21.0, snapshot_dates=2, step_days=14.0, width=48)


@pytest.fixture(scope="module")
def end(events: EventTable) -> float:
    return float(events.time.max()) + 1.0


def test_the_latest_moments_weeks_end_at_the_last_event() -> None:
    assert list_snapshot_dates(100 * DAY, OPTIONS) == [(100 - 21) * DAY, (100 - 21 - 14) * DAY]


def test_a_shopper_is_asked_for_what_was_bought_in_the_weeks_after(
    snapshot: Snapshot, events: EventTable, end: float
) -> None:
    timeline = Timeline(events, snapshot.row_by_id)
    snapshot_date = end - 21 * DAY
    tasks = draw_window_tasks(timeline, snapshot_date, end, 99, np.random.default_rng(1))
    everything = [task for task in tasks if not task.only_new]
    assert sorted(task.actor for task in everything) == list(range(24))
    row = np.array([snapshot.row_by_id[product] for product in events.products])
    for task in tasks:
        own = (events.user == task.actor) & (events.event_type == PURCHASE)
        after = set(row[events.product[own & (events.time >= snapshot_date)]].tolist())
        before = set(row[events.product[own & (events.time < snapshot_date)]].tolist())
        assert set(task.bought.tolist()) == (after - before if task.only_new else after)
        assert task.time == snapshot_date
    assert len(draw_window_tasks(timeline, snapshot_date, end, 5, np.random.default_rng(1))) >= 5


def test_shoppers_without_a_past_or_a_future_are_not_asked(snapshot: Snapshot, events: EventTable, end: float) -> None:
    timeline = Timeline(events, snapshot.row_by_id)
    rng = np.random.default_rng(1)
    assert draw_window_tasks(timeline, float(events.time.min()), end, 99, rng) == []
    assert draw_window_tasks(timeline, end, end + DAY, 99, rng) == []


def test_examples_name_products_by_the_snapshots_rows(
    snapshot: Snapshot, events: EventTable, encoder: Any, end: float
) -> None:
    examples = build_window_examples(snapshot, events, encoder, list_snapshot_dates(end, OPTIONS), OPTIONS)
    assert len({task.time for task in examples.tasks}) == 2
    row = np.array([snapshot.row_by_id[product] for product in events.products])
    for position, task in enumerate(examples.tasks):
        own = events.user == task.actor
        bought = set(row[events.product[own & (events.time >= task.time)]].tolist())
        listed = examples.rows[position]
        assert {int(r) for r in listed[examples.bought[position]]} <= bought
        if task.only_new:
            before = set(row[events.product[own & (events.time < task.time)]].tolist())
            assert not before & set(listed[listed >= 0].tolist())
    assert examples.features.shape == (len(examples), 48, len(FEATURE_NAMES))


def test_what_happens_after_a_moment_changes_its_labels_alone(
    snapshot: Snapshot, events: EventTable, encoder: Any, end: float
) -> None:
    snapshot_date = end - 21 * DAY
    rng = np.random.default_rng(5)
    after = np.flatnonzero(events.time >= snapshot_date)
    product = events.product.copy()
    product[after] = rng.permutation(product[after])
    other = EventTable(**{name: getattr(events, name) for name in events.__slots__} | {"product": product})
    options = WindowOptions(days=21.0, snapshot_dates=1, width=128)
    one, two = (build_window_examples(snapshot, table, encoder, [snapshot_date], options) for table in (events, other))
    labelled: dict[tuple[int, bool], Any] = {}
    for examples in (one, two):
        for position, task in enumerate(examples.tasks):
            key = (task.actor, task.only_new)
            features = (examples.rows[position], examples.features[position])
            if key in labelled:
                np.testing.assert_array_equal(labelled[key][0], features[0])
                np.testing.assert_array_equal(labelled[key][1], features[1])
            labelled[key] = features
    assert one.bought.tolist() != two.bought.tolist()


def test_a_shopper_is_on_one_side_of_the_split(
    snapshot: Snapshot, events: EventTable, encoder: Any, end: float
) -> None:
    examples = build_window_examples(snapshot, events, encoder, list_snapshot_dates(end, OPTIONS), OPTIONS)
    train, held_out = split_shoppers(examples, 0.25, seed=3)
    assert len(train) + len(held_out) == len(examples)
    assert len({task.actor for task in held_out.tasks}) == 24 // 4
    assert not {task.actor for task in train.tasks} & {task.actor for task in held_out.tasks}


def test_a_ranker_learns_from_prediction_windows_and_searches(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    metrics = train_ranker(
        snapshot,
        events,
        encoder,
        tmp_path,
        data_options=DataOptions(searches=200),
        fit_options=FitOptions(epochs=4, batch_size=16, dropout=0.1),
        report=lambda what, done, total: None,
        say=lambda line: None,
        window=OPTIONS,
        shape={"hidden": (16,), "projection": 2},
    ).as_json()
    assert set(metrics["results"]) == {"search", "recommend"}
    assert metrics["options"]["prediction_window"]["days"] == 21.0
    assert metrics["fit"]["validation_loss"] < metrics["fit"]["start_loss"]
    network, config = load_ranker(tmp_path)
    assert (config.hidden, config.projection) == ((16,), 2)
    assert not network.training


def test_too_short_a_history_is_refused_with_what_to_do(snapshot: Snapshot, events: EventTable, encoder: Any) -> None:
    endless = WindowOptions(days=365.0, snapshot_dates=1)
    with pytest.raises(DataError, match=r"in the 365 days after it; .*14 days apart.*--window-days"):
        prepare_window_data(snapshot, events, encoder, DataOptions(), endless, lambda what, done, total: None)


def test_shoppers_held_back_taught_nothing_and_stopped_nothing(
    snapshot: Snapshot, events: EventTable, encoder: Any
) -> None:
    options = WindowOptions(days=21.0, snapshot_dates=2, step_days=14.0, width=48, held_out=0.5)
    data = prepare_window_data(
        snapshot, events, encoder, DataOptions(searches=100), options, lambda what, done, total: None
    )
    learned, stopping, apart = (
        {task.actor for task in part.tasks} for part in (data.train, data.validation, data.calibration)
    )
    assert [len(group) for group in (learned, stopping, apart)] == [12, 6, 6]
    assert not learned & stopping and not learned & apart and not stopping & apart
    assert {task.actor for task in data.test.tasks} <= apart
    assert data.event == "bought within 21 days"
    # Whole lists, as they are served: no sample of what was not bought.
    assert data.calibration.rows.shape[1] == WINDOW
    assert {task.time for task in data.calibration.tasks} == {data.split.validation}
    assert len({task.time for task in data.test.tasks if task.query < 0}) == 2
    assert (data.test.query >= 0).any()
    assert all(len(task.bought) for task in data.test.tasks)


def test_what_others_buy_after_a_moment_changes_nothing_that_is_reported(
    snapshot: Snapshot, events: EventTable, encoder: Any
) -> None:
    options = WindowOptions(days=21.0, snapshot_dates=1, held_out=0.5)
    _, held_back = group_shoppers(len(events.users), options)
    [snapshot_date] = list_snapshot_dates(float(np.nextafter(events.time.max(), np.inf)), options)
    # Two weeks of history: fewer products than the order of habits has positions, so that what is popular fills it.
    kept = np.flatnonzero(events.time >= snapshot_date - 14 * DAY)
    known = replace(events, **{name: getattr(events, name)[kept] for name in COLUMNS})
    # Each of the others buys one product that is new to them, in the second run another one.
    first, last = known.product.copy(), known.product.copy()
    for user in np.setdiff1d(known.user, held_back):
        before, after = (
            (known.user == user) & past for past in (known.time < snapshot_date, known.time >= snapshot_date)
        )
        unknown = np.setdiff1d(np.arange(len(known.products)), known.product[before])
        first[after], last[after] = unknown[0], unknown[-1]
    network = RankerNetwork(RankerConfig(feature_names=FEATURE_NAMES, dimension=encoder.dimension))
    one, other = (
        compare(
            network,
            prepare_window_data(
                snapshot,
                replace(known, product=product),
                encoder,
                DataOptions(searches=0),
                options,
                lambda what, done, total: None,
            ),
            seed=1,
        )["recommend"]
        for product in (first, last)
    )
    assert set(one) == {"retrieval", "most bought", "ranker", "ranker - retrieval", "ranker - most bought"}
    assert one == other


def test_shoppers_held_back_count_also_where_they_bought_nothing(
    snapshot: Snapshot, events: EventTable, encoder: Any
) -> None:
    end = float(events.time.max()) + 1.0
    silent = (events.user % 2 == 0) & (events.time >= end - 21 * DAY)
    kept = np.flatnonzero(~silent)
    table = replace(events, **{name: getattr(events, name)[kept] for name in COLUMNS})
    options = WindowOptions(days=21.0, snapshot_dates=1, width=48)
    held_back = np.array([3, 4], np.int32)
    others, apart = build_groups(snapshot, table, encoder, [end - 21 * DAY], options, held_back)
    bought = {task.actor: len(task.bought) for task in apart.tasks if not task.only_new}
    assert set(bought) == {3, 4}
    assert bought[3] > 0
    assert bought[4] == 0
    assert not {3, 4} & {task.actor for task in others.tasks}


def test_narrow_lists_are_padded_where_they_are_joined(snapshot: Snapshot, events: EventTable, encoder: Any) -> None:
    end = float(events.time.max()) + 1.0
    wide, narrow = (
        build_window_examples(snapshot, events, encoder, [end - 21 * DAY], WindowOptions(days=21.0, width=width))
        for width in (40, 30)
    )
    joined = join_examples([narrow, wide])
    assert joined.rows.shape == (2 * len(wide), 40)
    assert (joined.rows[: len(narrow), 30:] == -1).all()
    assert not joined.bought[: len(narrow), 30:].any()
    np.testing.assert_array_equal(joined.features[: len(narrow), :30], narrow.features)
