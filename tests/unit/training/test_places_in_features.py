"""Training sees device and region as serving does: an order's reach the features of its examples."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mercato.catalog.live import LiveCatalog
from mercato.catalog.snapshot import Snapshot
from mercato.ranker.feature_names import COLUMN
from mercato.retrieval.retriever import Retriever
from mercato.state.values import EventTable
from tests.unit.training.conftest import WordEncoder
from training.examples import ExampleBuilder
from training.tasks import draw_recommendations
from training.timeline import Timeline

PLACES = [COLUMN[f"{name}_{number}"] for name in ("device", "region") for number in (1, 2, 3)]


def test_an_orders_device_and_region_reach_the_features(
    events: EventTable, build: Callable[[float], Snapshot], encoder: WordEncoder
) -> None:
    told = replace(events, place=np.where(events.user == 0, 0, -1).astype(np.int32), places=[("phone", "north")])
    since = float(np.quantile(events.time, 0.9))
    snapshot = build(since)
    timeline = Timeline(told, snapshot.row_by_id)
    tasks = draw_recommendations(timeline.orders(since=since, until=np.inf), 99, np.random.default_rng(0))
    builder = ExampleBuilder(Retriever(LiveCatalog(snapshot, None), None), timeline, [], encoder)
    examples = builder.build(tasks)
    known = np.array([task.actor == 0 for task in tasks])
    assert known.any() and not known.all()
    first = examples.features[:, 0, :][:, PLACES]
    assert first[known].any(axis=1).all()
    assert not first[~known].any()
