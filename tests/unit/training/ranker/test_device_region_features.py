"""Training sees device and region as serving does: an order's reach the features of its examples."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mercato.features.features import COLUMN
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.retrieval.retriever import Retriever
from mercato.state.values import EventTable
from mercato_training.ranker.examples import ExampleBuilder
from mercato_training.ranker.prediction_window import WindowOptions, build_window_examples, draw_window_tasks
from mercato_training.ranker.tasks import draw_recommendations
from mercato_training.ranker.timeline import Timeline
from tests.unit.training.conftest import WordEncoder

DEVICE_REGION = [COLUMN[f"{name}_{number}"] for name in ("device", "region") for number in (1, 2, 3)]


def test_an_orders_device_and_region_reach_the_features(
    events: EventTable, build: Callable[[float], Snapshot], encoder: WordEncoder
) -> None:
    told = replace(
        events, device_region=np.where(events.user == 0, 0, -1).astype(np.int32), device_regions=[("phone", "north")]
    )
    since = float(np.quantile(events.time, 0.9))
    snapshot = build(since)
    timeline = Timeline(told, snapshot.row_by_id)
    tasks = draw_recommendations(timeline.orders(since=since, until=np.inf), 99, np.random.default_rng(0))
    builder = ExampleBuilder(Retriever(LiveCatalog(snapshot, None), None), timeline, [], encoder)
    examples = builder.build(tasks)
    known = np.array([task.actor == 0 for task in tasks])
    assert known.any() and not known.all()
    first = examples.features[:, 0, :][:, DEVICE_REGION]
    assert first[known].any(axis=1).all()
    assert not first[~known].any()


DAY = 86_400.0


def test_a_moments_request_comes_from_where_the_last_purchase_before_it_came_from(
    events: EventTable, build: Callable[[float], Snapshot]
) -> None:
    snapshot_date = float(np.quantile(events.time, 0.6))
    pairs = [("phone", "north"), ("desktop", "south"), ("phone", "west")]
    codes = np.full(len(events), -1, np.int32)
    of_user = [np.flatnonzero(events.user == user) for user in range(3)]
    before = [rows[events.time[rows] < snapshot_date] for rows in of_user]
    codes[before[0]] = 0
    codes[before[0][-1]] = 1  # the last one says another device and region
    codes[before[1][:-1]] = 2  # the last one says none
    codes[of_user[2][events.time[of_user[2]] >= snapshot_date]] = 1  # only the future says one
    timeline = Timeline(replace(events, device_region=codes, device_regions=pairs), build(snapshot_date).row_by_id)

    tasks = draw_window_tasks(timeline, snapshot_date, np.inf, 99, np.random.default_rng(0))

    # Events of one order have one time: its last row by sequence is the last purchase.
    found = {task.actor: task.device_region for task in tasks}
    assert [found[user] for user in range(4)] == [("desktop", "south"), ("phone", "west"), ("", ""), ("", "")]
    assert any(task.only_new and task.device_region == found[task.actor] != ("", "") for task in tasks)


def test_the_future_changes_no_place(events: EventTable, build: Callable[[float], Snapshot]) -> None:
    snapshot_date = float(np.quantile(events.time, 0.6))
    rows = build(snapshot_date).row_by_id
    pairs = [("phone", "north"), ("desktop", "south")]
    codes = np.where(events.time < snapshot_date, 0, -1).astype(np.int32)
    changed = np.where(events.time < snapshot_date, 0, 1).astype(np.int32)

    def draw(codes: NDArray[np.int32]) -> list[tuple[int, tuple[str, str]]]:
        timeline = Timeline(replace(events, device_region=codes, device_regions=pairs), rows)
        tasks = draw_window_tasks(timeline, snapshot_date, np.inf, 99, np.random.default_rng(0))
        return [(task.actor, task.device_region) for task in tasks]

    assert draw(changed) == draw(codes)
    assert {told for _, told in draw(codes)} == {("phone", "north")}


def test_features_of_a_moment_know_the_region_and_not_the_one_to_come(
    events: EventTable, snapshot: Snapshot, encoder: WordEncoder
) -> None:
    snapshot_date = float(events.time.max()) - 21 * DAY
    options = WindowOptions(days=21.0, snapshot_dates=1, width=128)
    pairs = [("phone", "north"), ("desktop", "south")]
    past, future = np.where(events.time < snapshot_date, 0, -1), np.where(events.time < snapshot_date, 0, 1)
    one, other = (
        build_window_examples(
            snapshot,
            replace(events, device_region=codes.astype(np.int32), device_regions=pairs),
            encoder,
            [snapshot_date],
            options,
        )
        for codes in (past, future)
    )
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.features, other.features)
    assert one.features[:, 0, :][:, DEVICE_REGION].any(axis=1).all()
