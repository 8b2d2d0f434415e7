"""A shop whose log has views and carts: trained with heads for them, exported as one graph with one score."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

from mercato.errors import InvalidInputError
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.index.snapshot import Snapshot
from mercato.state.values import EventTable
from mercato_export.networks.ranker import load_ranker
from mercato_export.pipeline import export_model
from mercato_export.ranker import describe_ranker
from mercato_training.ranker.fit import FitOptions
from mercato_training.ranker.prepare import DataOptions
from mercato_training.ranker.train import train_ranker

DATA = DataOptions(searches=60, recommendations=120, width=32, train_days=42, validation_days=14, test_days=21)
VIEW, CART = (EVENT_TYPE_CODES[name] for name in ("detail-page-view", "add-to-cart"))
COLUMNS = ("time", "event_type", "user", "visitor", "product", "order", "quantity", "price")


@pytest.fixture(scope="module")
def clicks(events: EventTable) -> EventTable:
    """The small shop's purchases, each with a view ten minutes and a cart five minutes before it."""
    count = len(events)
    parts = []
    for kind, seconds in ((VIEW, 600.0), (CART, 300.0)):
        before = {name: getattr(events, name) for name in COLUMNS}
        before.update(
            time=events.time - seconds,
            event_type=np.full(count, kind, np.uint8),
            order=np.full(count, -1, np.int32),
        )
        parts.append(before)
    parts.append({name: getattr(events, name) for name in COLUMNS})
    columns = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    by_time = np.argsort(columns["time"], kind="stable")
    return replace(
        events,
        sequence=np.arange(1, 3 * count + 1),
        **{name: values[by_time] for name, values in columns.items()},
    )


def train(snapshot: Snapshot, events: EventTable, encoder: Any, folder: Path, blend: dict[str, float]) -> Any:
    return train_ranker(
        snapshot, events, encoder, folder,
        data_options=DATA, fit_options=FitOptions(epochs=2, batch_size=32),
        report=lambda what, done, total: None, say=lambda line: None,
        blend=blend,
    ).as_json()  # fmt: skip


def test_heads_are_trained_described_and_exported_as_one_score(
    snapshot: Snapshot, clicks: EventTable, encoder: Any, tmp_path: Path
) -> None:
    blend = {"purchase": 1.0, "cart": 0.2, "click": 0.05}
    metrics = train(snapshot, clicks, encoder, tmp_path / "trained", blend)
    outcomes = metrics["fit"]["outcomes"]
    assert list(outcomes) == ["purchase", "cart", "click"]
    assert [one["score"] for one in outcomes.values()] == [1.0, 0.2, 0.05]
    assert [one["loss"] for one in outcomes.values()] == [1.0, 1.0, 0.3]
    # Some requests are made after the views, and some after the carts, which are then no longer predicted.
    assert 0 < outcomes["click"]["lists"] < outcomes["cart"]["lists"] < outcomes["purchase"]["lists"]
    card = (tmp_path / "trained" / "MODEL_CARD.md").read_text()
    assert f"| cart | {outcomes['cart']['lists']:,} | 1 | 0.2 |" in card

    network, config = load_ranker(tmp_path / "trained")
    assert config.blend == (1.0, 0.2, 0.05)
    exportable = describe_ranker(tmp_path / "trained")
    manifest = export_model(exportable, target="onnx", out=tmp_path / "ranker", parity_source={})
    assert [output["name"] for output in manifest["outputs"]] == ["score"]
    session = ort.InferenceSession(str(tmp_path / "ranker" / "model.onnx"), providers=["CPUExecutionProvider"])
    item = exportable.items[1]
    with torch.inference_mode():
        apart = network.score_members(*(torch.from_numpy(item[name]) for name in exportable.inputs))[0]
    expected = apart[..., 0] + 0.2 * apart[..., 1] + 0.05 * apart[..., 2]
    np.testing.assert_allclose(session.run(["score"], item)[0], expected.numpy(), atol=1e-4)


def test_a_log_of_purchases_alone_has_no_other_head(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    assert list(train(snapshot, events, encoder, tmp_path, {"purchase": 1.0})["fit"]["outcomes"]) == ["purchase"]
    with pytest.raises(InvalidInputError, match="--task-weights: cart cannot count in the score"):
        train(snapshot, events, encoder, tmp_path, {"purchase": 1.0, "cart": 0.5})
