"""How late the events were that a ranker learned from: beside the weights, in the exported manifest, in what serves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mercato.errors import ModelError
from mercato.features.features import FEATURE_NAMES
from mercato.index.snapshot import Snapshot
from mercato.models.ranker.manifest import read_ranker_manifest
from mercato.state.values import EventTable
from mercato_export.errors import WeightsError
from mercato_export.pipeline import export_model
from mercato_export.ranker import LEARNED_FILE, describe_ranker
from mercato_training.common.learned import find_last_event, save_learned
from mercato_training.ranker.fit import FitOptions
from mercato_training.ranker.prediction_window import WindowOptions
from mercato_training.ranker.prepare import DataOptions
from mercato_training.ranker.train import train_ranker

DAY = 86_400.0
TEST_DAYS = 21.0
SHAPE = {"hidden": (8,), "projection": 2}


def train(
    snapshot: Snapshot,
    events: EventTable,
    encoder: Any,
    out: Path,
    *,
    recommendations: int = 120,
    window: WindowOptions | None = None,
) -> dict[str, Any]:
    return train_ranker(
        snapshot, events, encoder, out,
        data_options=DataOptions(
            searches=40, recommendations=recommendations, width=16, train_days=42, validation_days=14,
            test_days=TEST_DAYS,
        ),
        fit_options=FitOptions(epochs=3, batch_size=16),
        report=lambda what, done, total: None, say=lambda line: None, window=window, shape=SHAPE,
    ).as_json()  # fmt: skip


def read(folder: Path) -> Any:
    return json.loads((folder / LEARNED_FILE).read_text())["last_event_time"]


def test_moments_learn_from_all_events(snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path) -> None:
    train(
        snapshot,
        events,
        encoder,
        tmp_path,
        window=WindowOptions(days=21.0, snapshot_dates=1, width=16),
    )
    assert read(tmp_path) == events.time.max()


def test_what_probabilities_were_fitted_to_was_learned_from(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    assert train(snapshot, events, encoder, tmp_path)["calibration"] is not None
    assert read(tmp_path) == events.time.max()


def test_a_stretch_that_is_reported_alone_was_not_learned_from(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    assert train(snapshot, events, encoder, tmp_path, recommendations=0)["calibration"] is None
    reported = float(np.nextafter(events.time.max(), np.inf)) - TEST_DAYS * DAY
    assert read(tmp_path) == events.time[events.time < reported].max() < events.time.max()


def test_the_exported_manifest_says_it_and_serving_reads_it(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    train(snapshot, events, encoder, tmp_path / "trained")
    manifest = export_model(
        describe_ranker(tmp_path / "trained"), target="onnx", out=tmp_path / "out", parity_source={}
    )
    assert manifest["serving"]["last_event_time"] == events.time.max()
    served = read_ranker_manifest(tmp_path / "out", FEATURE_NAMES)
    assert (served.last_event_time, served.knows_last_event) == (events.time.max(), True)
    # A ranker that was trained before there was the file is exported, and served, as one of which it is not known.
    (tmp_path / "trained" / LEARNED_FILE).unlink()
    manifest = export_model(
        describe_ranker(tmp_path / "trained"), target="onnx", out=tmp_path / "out", parity_source={}
    )
    assert "last_event_time" not in manifest["serving"]
    served = read_ranker_manifest(tmp_path / "out", FEATURE_NAMES)
    assert (served.last_event_time, served.knows_last_event) == (None, False)
    (tmp_path / "trained" / LEARNED_FILE).write_text('{"last_event_time": "yesterday"}')
    with pytest.raises(WeightsError, match="learned_from.json cannot be used .*yesterday.*train it again"):
        describe_ranker(tmp_path / "trained")


@pytest.mark.parametrize(
    ("serving", "last", "known"),
    [
        ({}, None, False),
        ({"last_event_time": None}, None, True),
        ({"last_event_time": 1_320_105_600}, 1_320_105_600.0, True),
    ],
)
def test_a_manifest_says_it_or_not(tmp_path: Path, serving: dict[str, Any], last: float | None, known: bool) -> None:
    write_manifest(tmp_path, serving)
    manifest = read_ranker_manifest(tmp_path, FEATURE_NAMES)
    assert (manifest.last_event_time, manifest.knows_last_event) == (last, known)


@pytest.mark.parametrize("given", ["2011-11-01", True, float("nan"), [1]])
def test_a_manifest_with_no_number_of_seconds_is_refused(tmp_path: Path, given: Any) -> None:
    write_manifest(tmp_path, {"last_event_time": given})
    with pytest.raises(ModelError, match="last_event_time must be seconds since 1970 or null"):
        read_ranker_manifest(tmp_path, FEATURE_NAMES)


def test_a_catalogue_that_is_read_as_it_stands_counts_too(
    snapshot: Snapshot, events: EventTable, tmp_path: Path
) -> None:
    last = float(events.time.max())  # of the catalogue's own events
    save_learned(tmp_path, None, read=snapshot)
    assert read(tmp_path) == last
    save_learned(tmp_path, last + DAY, read=snapshot)
    assert read(tmp_path) == last + DAY
    save_learned(tmp_path, None)
    assert read(tmp_path) is None
    snapshot.manifest.model_fields_set.discard("last_event_time")  # as one of an older version is read
    try:
        save_learned(tmp_path, last, read=snapshot)
    finally:
        snapshot.manifest.model_fields_set.add("last_event_time")
    assert not (tmp_path / LEARNED_FILE).exists()


def test_no_event_before_a_moment(events: EventTable) -> None:
    assert find_last_event(events.time, until=float(events.time.min())) is None
    assert find_last_event(events.time) == events.time.max()


def write_manifest(folder: Path, serving: dict[str, Any]) -> None:
    document = {"serving": {"feature_names": list(FEATURE_NAMES), "dimension": 4, **serving}}
    (folder / "manifest.json").write_text(json.dumps(document))
