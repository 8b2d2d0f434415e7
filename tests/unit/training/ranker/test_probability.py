"""From training to what is served: probabilities in metrics, beside the weights, in the exported manifest."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mercato.errors import ModelError
from mercato.features.features import FEATURE_NAMES
from mercato.index.snapshot import Snapshot
from mercato.models.ranker.calibration import read_calibration
from mercato.models.ranker.manifest import read_ranker_manifest
from mercato.state.values import EventTable
from mercato_export.errors import WeightsError
from mercato_export.pipeline import export_model
from mercato_export.ranker import CALIBRATION_FILE, describe_ranker
from mercato_training.ranker.fit import FitOptions
from mercato_training.ranker.prepare import DataOptions
from mercato_training.ranker.probability import group_by_orders, save_calibration
from mercato_training.ranker.train import train_ranker

DATA = DataOptions(searches=100, recommendations=200, width=32, train_days=42, validation_days=14, test_days=21)


@pytest.fixture(scope="module")
def trained(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("trained")
    metrics = train_ranker(
        snapshot, events, encoder, folder,
        data_options=DATA, fit_options=FitOptions(epochs=3, batch_size=32),
        report=lambda what, done, total: None, say=lambda line: None,
        shape={"members": 2},
    )  # fmt: skip
    return folder, metrics.as_json()


def test_training_measures_its_probabilities_on_shoppers_left_out(trained: tuple[Path, dict[str, Any]]) -> None:
    _, metrics = trained
    told = metrics["calibration"]
    assert told["event"] == "bought in the order that a visit ends in"
    assert told["log_losses"][told["method"]] == min(told["log_losses"].values())
    reached = told["reliability"]
    # Shoppers mostly buy their favourites, so knowing them beats the base rate.
    assert reached["log_loss"] < reached["base_log_loss"]
    assert reached["brier"] < reached["base_brier"]
    assert reached["ece"] < 0.05
    assert sum(one["count"] for one in reached["bins"]) == reached["count"]
    assert reached["base_rate"] * reached["count"] == pytest.approx(told["purchases"])
    assert metrics["fit"]["members"] == 2
    assert metrics["fit"]["outcomes"]["purchase"]["score"] == 1.0
    assert sum(group["requests"] for group in metrics["groups"].values()) == metrics["examples"]["test"]["recommend"]


def test_what_is_served_is_what_was_fitted(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, _ = trained
    document = json.loads((folder / CALIBRATION_FILE).read_text())
    manifest = export_model(describe_ranker(folder), target="onnx", out=tmp_path / "ranker", parity_source={})
    assert manifest["serving"]["calibration"] == document
    served = read_ranker_manifest(tmp_path / "ranker", FEATURE_NAMES).calibration
    assert served == read_calibration(document)


def test_a_manifest_of_before_has_no_calibration_and_a_broken_one_is_refused(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, _ = trained
    manifest = export_model(describe_ranker(folder), target="onnx", out=tmp_path / "ranker", parity_source={})
    path = tmp_path / "ranker" / "manifest.json"
    document = json.loads(json.dumps(manifest))
    del document["serving"]["calibration"]
    path.write_text(json.dumps(document))
    assert read_ranker_manifest(tmp_path / "ranker", FEATURE_NAMES).calibration is None
    document["serving"]["calibration"] = {"event": "bought", "offset": 0, "slope": -1}
    path.write_text(json.dumps(document))
    with pytest.raises(ModelError, match="slope must be more than 0, given -1.0.*export the ranker again"):
        read_ranker_manifest(tmp_path / "ranker", FEATURE_NAMES)


def test_a_file_that_is_no_calibration_is_not_exported(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, _ = trained
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / CALIBRATION_FILE).write_text('{"event": "bought"}')
    with pytest.raises(WeightsError, match=r"calibration\.json cannot be used"):
        describe_ranker(tmp_path)


def test_a_training_without_probabilities_leaves_none_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / CALIBRATION_FILE).write_text("{}")
    save_calibration(tmp_path, None)
    save_calibration(tmp_path, None)
    assert not (tmp_path / CALIBRATION_FILE).exists()


def test_groups_of_shoppers() -> None:
    # The median of 1, 2 and 4 is 2.
    orders = np.array([0.0, 1.0, 2.0, 4.0], np.float32)
    assert group_by_orders(orders).tolist() == ["new", "light", "heavy", "heavy"]
    assert group_by_orders(np.zeros(2, np.float32)).tolist() == ["new", "new"]
