"""What speaks for what was predicted: the event that is named is the one without which the score falls most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.features.inputs import History
from mercato.models.sequence import NextProducts, SequenceModel
from mercato_export.networks.sequence import SequenceConfig, SequenceNetwork, save_sequence
from mercato_export.pipeline import export_model
from mercato_export.sequence import describe_sequence
from tests.adapters.tiny_models import write_sequence

BUY, REMOVE = EVENT_TYPE_CODES["purchase-complete"], EVENT_TYPE_CODES["remove-from-cart"]
PRODUCTS, LENGTH = 30, 12


def history(rows: list[int], kind: int = BUY) -> History:
    return History(
        rows=np.array(rows, np.int32),
        time=np.arange(len(rows), 0, -1).astype(np.float64),
        type=np.full(len(rows), kind, np.uint8),
        price=np.full(len(rows), np.nan, np.float32),
    )


def without(past: History, event: int) -> History:
    keep = np.arange(len(past)) != event
    return History(rows=past.rows[keep], time=past.time[keep], type=past.type[keep], price=past.price[keep])


@pytest.fixture(scope="module")
def attentive(tmp_path_factory: pytest.TempPathFactory) -> NextProducts:
    """A network whose attention is drawn: every event moves every score, up or down."""
    folder = tmp_path_factory.mktemp("attentive")
    torch.manual_seed(11)
    network = SequenceNetwork(SequenceConfig(products=PRODUCTS, max_length=LENGTH))
    for name, weights in network.named_parameters():
        if "distance" in name:
            torch.nn.init.normal_(weights)
    ids = [f"p{number:02d}" for number in range(PRODUCTS)]
    save_sequence(folder / "trained", network, ids)
    export_model(describe_sequence(folder / "trained"), target="onnx", out=folder / "model", parity_source={})
    # two rows more than the model knows
    return NextProducts(SequenceModel(folder / "model"), {name: row + 2 for row, name in enumerate(ids)}, PRODUCTS + 2)


def score(following: NextProducts, past: History) -> dict[int, float]:
    [(rows, scores)] = following.rank([following.read_history(past.rows, past)], [lambda rows: rows >= 0], PRODUCTS)
    return dict(zip(rows.tolist(), scores.tolist(), strict=True))


@pytest.mark.parametrize("events", [1, 7, 12, 13, 40])
def test_without_the_event_that_is_named_the_score_falls_most(attentive: NextProducts, events: int) -> None:
    past = history(np.random.default_rng(events).integers(0, PRODUCTS + 2, events).tolist())
    candidates = np.arange(2, PRODUCTS + 2, dtype=np.int32)
    named = attentive.find_evidence(past.rows, past, candidates)
    whole = score(attentive, past)
    read = np.flatnonzero(past.rows >= 2)[:LENGTH].tolist()
    fewer = {event: score(attentive, without(past, event)) for event in read} if len(read) > 1 else {}
    for candidate, event in zip(candidates.tolist(), named.tolist(), strict=True):
        falls = {one: whole[candidate] - scores[candidate] for one, scores in fewer.items()}
        if falls and event >= 0:
            assert event in read
            assert falls[event] == pytest.approx(max(falls.values()), abs=1e-5)
            assert falls[event] > 0
        elif falls:
            assert max(falls.values()) <= 1e-5
    assert (named >= 0).any()


def test_the_product_whose_successor_it_is_is_named(tmp_path: Path) -> None:
    model = SequenceModel(write_sequence(tmp_path / "sequence", {"a": "c", "b": "d"}))
    following = NextProducts(model, {"a": 0, "b": 1, "c": 2, "d": 3, "other": 4}, 5)
    past = history([4, 1, 0, 1])
    named = following.find_evidence(past.rows, past, np.array([2, 3, 0, 4], np.int32))
    # c follows a; d follows either b, and the newer is named; nothing predicts a; "other" is unknown to the model
    assert named.tolist() == [2, 1, -1, -1]


def test_what_is_not_read_is_not_named(tmp_path: Path) -> None:
    model = SequenceModel(write_sequence(tmp_path / "sequence", {"a": "c"}))
    following = NextProducts(model, {"a": 0, "c": 1}, 2)
    wanted = np.array([1], np.int32)
    put_back = history([0], kind=REMOVE)
    assert following.find_evidence(put_back.rows, put_back, wanted).tolist() == [-1]
    long = history([1] * 50 + [0])
    assert following.find_evidence(long.rows, long, wanted).tolist() == [-1]
    nearer = history([1] * 49 + [0])
    assert following.find_evidence(nearer.rows, nearer, wanted).tolist() == [49]
