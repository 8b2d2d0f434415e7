"""The encoder's training: what is learned, what is written, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mercato.catalog.product import Product
from mercato.errors import DataError, ModelError
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.models.encoder import OnnxEncoder
from mercato.retrieval.retriever import Retriever
from mercato.state.values import EventTable
from mercato_export.encoder import describe_encoder
from mercato_export.pipeline import export_model, run_module
from mercato_export.query_side import NOTE, find_products, join_query_side
from mercato_export.weights import LocatedWeights, locate_weights
from mercato_training.encoder import fit as encoder_fit
from mercato_training.encoder.fit import EncoderOptions
from mercato_training.encoder.gate import GateOptions
from mercato_training.encoder.taught import EncoderDataOptions
from mercato_training.encoder.train import train_encoder
from mercato_training.reranker.groups import find_candidates
from tests.unit.export.tiny_encoder import ADJECTIVES, NOUNS, TINY, make_texts, make_weights

pytest.importorskip("peft", reason="peft is not installed")

OPTIONS = EncoderOptions(lora_rank=2, epochs=12, patience=12, batch_size=8, learning_rate=5e-3, max_tokens=16)
DATA = EncoderDataOptions(queries=150, folds=2)
LENIENT = GateOptions(margin=1.0, least_queries=2)
"""Four queries held back say nothing: what is refused has tests of its own."""


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> LocatedWeights:
    return make_weights(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def exported(tiny_weights: LocatedWeights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "encoder"
    exportable = describe_encoder(tiny_weights, make_texts(), max_tokens=16)
    export_model(exportable, target="onnx", out=folder, parity_source={"texts": "tests"})
    return folder


@pytest.fixture(scope="module")
def shop(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[LiveCatalog, OnnxEncoder]:
    """100 products, each of a noun and two adjectives that the tiny encoder has tokens for."""
    products = [
        Product(id=f"{adjective}-{noun}", title=f"{adjective} {ADJECTIVES[shift - position]} {noun}", price=1.0)
        for shift, noun in enumerate(NOUNS)
        for position, adjective in enumerate(ADJECTIVES)
    ]
    folder = tmp_path_factory.mktemp("shop") / "catalog"
    encoder = OnnxEncoder(exported)
    build_snapshot(products, EventTable.empty(), encoder, folder, BuildOptions(workers=1))
    return LiveCatalog(Snapshot(folder, encoder=encoder.identity), None), encoder


def rate() -> dict[str, dict[str, int]]:
    """Whoever types a noun wants the fresh one most."""
    return {
        noun: {f"{adjective}-{other}": 3 * (other == noun) - (adjective != "fresh" and other == noun)
               for adjective in ADJECTIVES for other in (noun, NOUNS[position - 1])}
        for position, noun in enumerate(NOUNS)
    }  # fmt: skip


def train(shop: tuple[LiveCatalog, OnnxEncoder], weights: LocatedWeights, out: Path, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"options": OPTIONS, "data_options": DATA, "gate": LENIENT, **changes}
    return train_encoder(*shop, weights, out, **arguments).as_json()


def embed(folder: Path) -> np.ndarray:  # type: ignore[type-arg]
    weights = locate_weights(TINY, folder=folder, sha256="")
    return run_module(describe_encoder(weights, make_texts()[:12], max_tokens=16))


@pytest.mark.parametrize("query_side", [True, False])
def test_merged_weights_are_exported_as_the_originals_are(
    shop: tuple[LiveCatalog, OnnxEncoder], tiny_weights: LocatedWeights, tmp_path: Path, query_side: bool
) -> None:
    options = EncoderOptions(**{**OPTIONS.__dict__, "query_side": query_side})
    metrics = train(shop, tiny_weights, tmp_path, options=options, ratings=rate())
    assert list(metrics["fits"]) == ["catalogue", "ratings and log"]
    fit = metrics["fits"]["catalogue"]
    assert min(fit["validation_loss"]) < fit["start_loss"]
    # rank 2: query, key, value and attention's output are 64 x 64, both layers of the perceptron 64 x 128
    assert metrics["trainable_weights"] == 2 * 2 * (4 * (64 + 64) + 2 * (64 + 128))
    assert metrics["judged_on"] == "ratings"
    assert metrics["kept"] < 1.0
    before, after = embed(tiny_weights.folder), embed(tmp_path)
    assert not np.allclose(before, after, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1.0, atol=1e-5)
    assert (tmp_path / NOTE).is_file() == query_side
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert ("Products keep their vectors" in card) == query_side
    assert "| dense recall@100 |" in card


def test_a_catalogue_is_served_with_a_query_side_of_its_encoder(
    shop: tuple[LiveCatalog, OnnxEncoder], exported: Path, tiny_weights: LocatedWeights, tmp_path: Path
) -> None:
    catalog, old = shop
    trained, tuned = tmp_path / "trained", tmp_path / "tuned"
    train(shop, tiny_weights, trained, options=EncoderOptions(**{**OPTIONS.__dict__, "query_side": True}))

    def export(folder: Path) -> dict[str, Any]:
        exportable = describe_encoder(locate_weights(TINY, folder=trained, sha256=""), make_texts(), max_tokens=16)
        return export_model(exportable, target="onnx", out=folder, parity_source={"texts": "tests"})

    identity = find_products(trained)
    assert identity == old.identity
    join_query_side(exported, export, tuned)
    new = OnnxEncoder(tuned)
    served = LiveCatalog(Snapshot(catalog.snapshot.folder, encoder=new.identity), None)
    np.testing.assert_array_equal(new.encode(list(NOUNS), "product"), old.encode(list(NOUNS), "product"))
    moved = (new.encode(["milk"]) * old.encode(["milk"])).sum()
    assert 0.0 < moved < 0.9999
    queries = ["fresh milk", "milk"]
    found = find_candidates(Retriever(served, None), new, queries)
    assert [one.query for one in found] == queries
    assert all(len(one.rows) for one in found)


def test_all_weights_are_trained_without_a_rank(
    shop: tuple[LiveCatalog, OnnxEncoder], tiny_weights: LocatedWeights, tmp_path: Path
) -> None:
    options = EncoderOptions(**{**OPTIONS.__dict__, "lora_rank": 0, "learning_rate": 1e-3, "query_side": True})
    metrics = train(shop, tiny_weights, tmp_path, options=options)
    assert metrics["trainable_weights"] > 24 * 64  # more than its table of tokens
    assert metrics["judged_on"] == "catalogue"
    assert "of the kind that it learned from" in (tmp_path / "MODEL_CARD.md").read_text()


def test_a_note_of_an_earlier_query_side_does_not_stay(
    shop: tuple[LiveCatalog, OnnxEncoder], tiny_weights: LocatedWeights, tmp_path: Path
) -> None:
    (tmp_path / NOTE).write_text(json.dumps({"products": "another"}))
    train(shop, tiny_weights, tmp_path)
    assert not (tmp_path / NOTE).exists()


def test_what_learned_nothing_is_not_written(
    shop: tuple[LiveCatalog, OnnxEncoder], tiny_weights: LocatedWeights, tmp_path: Path
) -> None:
    options = EncoderOptions(lora_rank=2, epochs=1, learning_rate=0.0, max_tokens=16, query_side=True)
    out = tmp_path / "out"
    with pytest.raises(ModelError, match="is not written: no pass made the loss of other queries less"):
        train(shop, tiny_weights, out, options=options, ratings=rate())
    assert not out.exists()


def test_a_set_too_small_to_judge_on_is_refused(
    shop: tuple[LiveCatalog, OnnxEncoder], tiny_weights: LocatedWeights, tmp_path: Path
) -> None:
    few = EncoderDataOptions(queries=0)
    with pytest.raises(DataError, match=r"needs at least 20 queries held back .* there are \d of ratings"):
        train(shop, tiny_weights, tmp_path, ratings=rate(), data_options=few, gate=GateOptions())
    with pytest.raises(DataError, match="there are 0 of catalogue"):
        train(shop, tiny_weights, tmp_path, data_options=few, gate=GateOptions())
    assert not list(tmp_path.iterdir())


def test_impossible_options_are_refused(
    shop: tuple[LiveCatalog, OnnxEncoder], tiny_weights: LocatedWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="--lora-rank: must be at least 1, or 0 to train all weights, got -1"):
        train(shop, tiny_weights, tmp_path, options=EncoderOptions(lora_rank=-1))
    monkeypatch.setattr(encoder_fit, "TEMPERATURE", float("nan"))
    with pytest.raises(ModelError, match="the loss of pass 1 is nan"):
        train(shop, tiny_weights, tmp_path)
