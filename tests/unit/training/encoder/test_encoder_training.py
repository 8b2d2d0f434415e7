"""The encoder's fine-tuning: what is learned, what is written, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mercato.catalog.product import Product
from mercato.errors import DataError, ModelError
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato_export.encoder import describe_encoder
from mercato_export.pipeline import run_module
from mercato_export.weights import LocatedWeights, locate_weights
from mercato_training.encoder import fit as encoder_fit
from mercato_training.encoder.fit import TEMPERATURE, EncoderOptions, compute_contrast
from mercato_training.encoder.pairs import RatedTexts, TextPair, order_rated
from mercato_training.encoder.train import train_encoder
from mercato_training.reranker.data import RerankerDataOptions
from tests.unit.export.tiny_encoder import TINY, make_texts, make_weights

pytest.importorskip("peft", reason="peft is not installed")

OPTIONS = EncoderOptions(lora_rank=2, epochs=3, patience=3, batch_size=8, learning_rate=2e-3, max_tokens=16)
QUERIES = ("milk", "bread", "apples", "cheese", "soap", "tea")


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> LocatedWeights:
    return make_weights(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def catalog(snapshot: Snapshot) -> LiveCatalog:
    return LiveCatalog(snapshot, None)


def train(
    catalog: LiveCatalog, encoder: Any, weights: LocatedWeights, out: Path, products: int = 32, **changes: Any
) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "options": OPTIONS,
        "data_options": RerankerDataOptions(products=products),
        **changes,
    }
    return train_encoder(catalog, encoder, weights, out, **arguments).as_json()


def rate(products: list[Product]) -> dict[str, dict[str, int]]:
    return {query: {product.id: 3 * int(query in product.title) for product in products[:24]} for query in QUERIES}


def embed(folder: Path) -> np.ndarray:  # type: ignore[type-arg]
    weights = locate_weights(TINY, folder=folder, sha256="")
    return run_module(describe_encoder(weights, make_texts()[:12], max_tokens=16))


def test_merged_weights_are_exported_as_the_originals_are(
    catalog: LiveCatalog, encoder: Any, tiny_weights: LocatedWeights, products: list[Product], tmp_path: Path
) -> None:
    metrics = train(catalog, encoder, tiny_weights, tmp_path, products=0, ratings=rate(products))
    fit = metrics["fit"]
    assert min(fit["validation_loss"]) < fit["start_loss"]
    # rank 2, width 64, two projections of two layers, two matrices each
    assert metrics["trainable_weights"] == 2 * 64 * 2 * 2 * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "1_Pooling", "MODEL_CARD.md", "config.json", "config_sentence_transformers.json", "metrics.json",
        "model.safetensors", "modules.json", "tokenizer.json",
    ]  # fmt: skip
    before, after = embed(tiny_weights.folder), embed(tmp_path)
    assert not np.allclose(before, after, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1.0, atol=1e-5)
    assert "over 1 queries that were not learned from" in (tmp_path / "MODEL_CARD.md").read_text()


def test_nothing_gained_leaves_the_encoder_as_it_was(
    catalog: LiveCatalog, encoder: Any, tiny_weights: LocatedWeights, tmp_path: Path
) -> None:
    options = EncoderOptions(lora_rank=2, epochs=1, learning_rate=0.0, max_tokens=16)
    metrics = train(catalog, encoder, tiny_weights, tmp_path, options=options)
    assert metrics["fit"]["best_epoch"] == 0
    np.testing.assert_allclose(embed(tmp_path), embed(tiny_weights.folder), atol=1e-5)


def test_ratings_are_learned_and_measured(
    catalog: LiveCatalog, encoder: Any, tiny_weights: LocatedWeights, products: list[Product], tmp_path: Path
) -> None:
    metrics = train(catalog, encoder, tiny_weights, tmp_path, products=0, ratings=rate(products))
    assert metrics["counts"]["rated_queries"] == len(QUERIES)
    assert metrics["pairs"]["rated_queries_of_test"] == 1
    assert all(0 <= values["ndcg@10"] <= 1 for values in metrics["results"].values())


def test_too_little_to_learn_from_is_refused(
    catalog: LiveCatalog, encoder: Any, tiny_weights: LocatedWeights, tmp_path: Path
) -> None:
    for ratings in ({}, {"milk": {"p00": 3, "p01": 0}}, {query: {"p00": 0, "p06": 0} for query in QUERIES}):
        with pytest.raises(DataError, match="needs at least 2 pairs of query and product and one held out"):
            train(catalog, encoder, tiny_weights, tmp_path, products=0, ratings=ratings)
    with pytest.raises(DataError, match="--lora-rank: must be at least 1, got 0"):
        train(catalog, encoder, tiny_weights, tmp_path, options=EncoderOptions(lora_rank=0))


def test_loss_that_is_not_finite_is_an_error(
    catalog: LiveCatalog,
    encoder: Any,
    tiny_weights: LocatedWeights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoder_fit, "TEMPERATURE", float("nan"))
    with pytest.raises(ModelError, match="the loss of pass 1 is nan"):
        train(catalog, encoder, tiny_weights, tmp_path)


def test_contrast_leaves_the_same_product_out() -> None:
    table = {"q": [1.0, 0.0], "r": [0.0, 1.0], "x": [1.0, 0.0], "n": [0.0, 1.0]}

    def encode(texts: Any, role: str) -> torch.Tensor:
        return torch.tensor([table[text] for text in texts])

    # q: x (its own) against n; the other x is not held against it. r: the same with cosine 0 for x and 1 for n.
    pairs = [TextPair(query="q", product="x", counterexample="n"), TextPair(query="r", product="x", counterexample="n")]
    of_q = -np.log(np.exp(1 / TEMPERATURE) / (np.exp(1 / TEMPERATURE) + 2 * np.exp(0)))
    of_r = -np.log(np.exp(0) / (np.exp(0) + 2 * np.exp(1 / TEMPERATURE)))
    assert float(compute_contrast(encode, pairs)) == pytest.approx((of_q + of_r) / 2, rel=1e-5)


def test_order_of_rated_products_is_measured_alone() -> None:
    table = {"q": [1.0, 0.0], "good": [1.0, 0.0], "bad": [0.0, 1.0]}

    def encode(texts: Any, role: str) -> np.ndarray:  # type: ignore[type-arg]
        return np.array([table[text] for text in texts], np.float32)

    right = [RatedTexts(query="q", texts=["bad", "good"], ratings=[0, 3])]
    wrong = [RatedTexts(query="q", texts=["good", "bad"], ratings=[0, 3])]
    assert order_rated(encode, right) == {"ndcg@10": pytest.approx(1.0)}
    # the good one at rank 2: 1 / log2(3)
    assert order_rated(encode, wrong) == {"ndcg@10": pytest.approx(1 / np.log2(3))}
    assert np.isnan(order_rated(encode, [])["ndcg@10"])
