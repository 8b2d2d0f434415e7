import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mercato.cli.train import train_app as app
from mercato.errors import DataError
from mercato.events.event_order import order_to_time
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.features.features import FEATURE_NAMES
from mercato.index.snapshot import Snapshot
from mercato.requests.retrieval import WINDOW
from mercato.state.values import EventTable
from mercato_export.networks.ranker import load_ranker
from mercato_training.ranker.fit import FitOptions
from mercato_training.ranker.prediction_window import WindowOptions
from mercato_training.ranker.prepare import DataOptions, prepare_data
from mercato_training.ranker.train import train_ranker

DATA = DataOptions(searches=400, recommendations=200, width=32, train_days=42, validation_days=14, test_days=21)


def ignore(what: str, done: int, total: int) -> None:
    """Take what is told of progress and do nothing."""


def train(snapshot: Snapshot, events: EventTable, encoder: Any, out: Path, data: DataOptions = DATA) -> dict[str, Any]:
    lines: list[str] = []
    metrics = train_ranker(
        snapshot, events, encoder, out,
        data_options=data, fit_options=FitOptions(epochs=4, batch_size=32),
        report=ignore, say=lines.append,
    )  # fmt: skip
    assert lines[0].startswith("epoch 0")
    return metrics.as_json()


def test_training_beats_the_order_before_it_and_writes_what_it_did(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    metrics = train(snapshot, events, encoder, tmp_path / "out")
    # Shoppers mostly buy favourites, so knowing them must help every search.
    gain = metrics["results"]["search"]["ranker - retrieval"]["ndcg@10"]
    assert gain["low"] > 0.1
    assert set(metrics["results"]["recommend"]) >= {"retrieval", "most bought", "ranker"}
    assert set(metrics["results"]) == {"search", "search_unknown", "recommend"}
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == metrics
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert "Search: by nDCG@10 the ranker is better than retrieval" in card
    assert metrics["split"]["test"][:10] in card
    network, config = load_ranker(tmp_path / "out")
    assert config.feature_names == FEATURE_NAMES
    assert config.dimension == encoder.dimension
    assert not network.training


def test_lists_of_a_shopper_know_nothing_of_what_others_buy_from_the_training_stretch_on(
    snapshot: Snapshot, events: EventTable, encoder: Any
) -> None:
    options = replace(DATA, searches=9_999, recommendations=9_999, width=WINDOW)
    one = prepare_data(snapshot, events, encoder, options, ignore)
    later = np.flatnonzero((events.time >= one.split.train) & (events.user % 2 == 1))
    product = events.product.copy()
    product[later] = np.random.default_rng(5).permutation(product[later])
    other = prepare_data(snapshot, replace(events, product=product), encoder, options, ignore)
    compared = 0
    for name in ("train", "validation", "test", "calibration"):
        lists: list[dict[Any, Any]] = [{}, {}]
        for found, data in zip(lists, (one, other), strict=True):
            examples = getattr(data, name)
            for position, task in enumerate(examples.tasks):
                text = data.queries[task.query] if task.query >= 0 else ""
                found[task.actor, task.time, text, task.history_limit] = (
                    examples.rows[position],
                    examples.features[position],
                )
        for key in lists[0].keys() & lists[1].keys():
            if key[0] % 2 == 0:
                np.testing.assert_array_equal(lists[0][key][0], lists[1][key][0])
                np.testing.assert_array_equal(lists[0][key][1], lists[1][key][1])
                compared += 1
    # Twelve shoppers with an order in each of eleven weeks, and searches for most of what is in it.
    assert compared > 12 * 11


def test_stretches_without_orders_are_named(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    endless = DataOptions(train_days=5, validation_days=1e-6, test_days=20.9)
    with pytest.raises(DataError, match="validation has none.*--validation-days"):
        train(snapshot, events, encoder, tmp_path, endless)


def test_a_state_without_purchases_is_refused(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    anonymous = replace(events, user=np.full(len(events), -1, np.int32))
    with pytest.raises(DataError, match="mercato events import"):
        train(snapshot, anonymous, encoder, tmp_path)


def test_events_without_times_are_refused_with_what_works(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    ordered = replace(events, time=order_to_time(np.arange(len(events))))
    for window in (None, WindowOptions()):
        with pytest.raises(DataError, match="their order alone; train it on ratings .* mercato train sequence"):
            train_ranker(
                snapshot, ordered, encoder, tmp_path,
                data_options=DATA, fit_options=FitOptions(epochs=1), report=ignore, say=lambda line: None,
                window=window,
            )  # fmt: skip


def test_purchases_of_other_products_are_refused_and_so_are_views_alone(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    elsewhere = replace(events, products=[f"other {product}" for product in events.products])
    with pytest.raises(DataError, match="the 0 events of its products by known users have none; name the catalogue"):
        train(snapshot, elsewhere, encoder, tmp_path)
    views = replace(events, event_type=np.full(len(events), EVENT_TYPE_CODES["detail-page-view"], np.uint8))
    with pytest.raises(DataError, match=f"the {len(events):,} events of its products by known users have none"):
        train(snapshot, views, encoder, tmp_path)


def test_purchases_without_orders_are_told_of_moments(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    loose = replace(events, order=np.full(len(events), -1, np.int32))
    with pytest.raises(DataError, match="none has an order_id; .*--event-map order_id=COLUMN.*--window-days 35"):
        train(snapshot, loose, encoder, tmp_path)
    shape = {"members": 1, "hidden": (8,), "projection": 2}
    metrics = train_ranker(
        snapshot, loose, encoder, tmp_path,
        data_options=replace(DATA, searches=0), fit_options=FitOptions(epochs=1),
        report=ignore, say=lambda line: None,
        window=WindowOptions(days=21.0, snapshot_dates=1, held_out=0.5), shape=shape,
    )  # fmt: skip
    assert metrics.examples.train.recommend > 0


def test_without_requests_nothing_is_written(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    nothing = replace(DATA, searches=0, recommendations=0)
    with pytest.raises(DataError, match=r"lists to learn from .* found none; .*--searches, --recommendations"):
        train(snapshot, events, encoder, tmp_path / "out", nothing)
    assert not (tmp_path / "out").exists()


def test_the_command_line_says_what_is_missing(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["ranker", "--catalog", str(tmp_path / "no"), "--state", "sqlite:x", "--encoder", str(tmp_path / "none")]
    )
    assert result.exit_code == 1
    assert "error: encoder:" in result.output


def test_help_has_an_example() -> None:
    result = CliRunner().invoke(app, ["ranker", "--help"])
    assert result.exit_code == 0
    assert "mercato train ranker" in " ".join(result.output.split())
