"""The commands: train a query side, export it, and be told what is refused."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mercato.catalog.product import Product
from mercato.cli.main import app
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.models.encoder import OnnxEncoder, read_manifest
from mercato.state.values import EventTable
from mercato_export.encoder import describe_encoder
from mercato_export.pipeline import export_model
from mercato_export.weights import MINILM, locate_weights
from tests.unit.export.tiny_encoder import ADJECTIVES, NOUNS, make_texts, make_weights

pytest.importorskip("peft", reason="peft is not installed")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the weights of a tiny encoder, the encoder exported, and a catalogue of 100 products."""
    folder = tmp_path_factory.mktemp("shop")
    make_weights(folder / "weights")
    weights = locate_weights(MINILM, folder=folder / "weights", sha256="")
    export_model(
        describe_encoder(weights, make_texts()), target="onnx", out=folder / "encoder", parity_source={"texts": "tests"}
    )
    products = [
        Product(id=f"{adjective}-{noun}", title=f"{adjective} {ADJECTIVES[shift - position]} {noun}", price=1.0)
        for shift, noun in enumerate(NOUNS)
        for position, adjective in enumerate(ADJECTIVES)
    ]
    encoder = OnnxEncoder(folder / "encoder")
    build_snapshot(products, EventTable.empty(), encoder, folder / "catalog", BuildOptions(workers=1))
    return folder


def train(shop: Path, out: Path, *more: str) -> tuple[int, str]:
    words = ["train", "encoder", "--catalog", str(shop / "catalog"), "--encoder", str(shop / "encoder")]
    words += ["--weights", str(shop / "weights"), "--query-side", "--lora-rank", "2", "--out", str(out)]
    result = CliRunner().invoke(app, [*words, *more], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_a_query_side_is_trained_and_exported(shop: Path, tmp_path: Path) -> None:
    out, tuned = tmp_path / "trained", tmp_path / "tuned"
    steps = ("--queries", "150", "--epochs", "8", "--batch-size", "8", "--learning-rate", "5e-3")
    code, told = train(shop, out, "--folds", "2", "--margin", "1", *steps)
    assert code == 0, told
    assert "queries held back (catalogue)" in told
    assert "answer condensed nDCG@10" in told
    assert "--products" in told
    texts = tmp_path / "texts.txt"
    texts.write_text(
        "\n".join(f"{adjective} {one} {other}" for adjective in ADJECTIVES for one in NOUNS for other in NOUNS)
    )
    words = ["export", "encoder", "--weights", str(out), "--sha256", "", "--target", "onnx", "--texts", str(texts)]
    wrong = CliRunner().invoke(app, [*words, "--products", str(tmp_path / "none"), "--out", str(tuned)])
    assert wrong.exit_code == 1
    assert not tuned.exists()
    exported = CliRunner().invoke(app, [*words, "--products", str(shop / "encoder"), "--out", str(tuned)])
    assert exported.exit_code == 0, exported.output
    serving, old = read_manifest(tuned).serving, read_manifest(shop / "encoder").serving
    assert serving.identity == old.identity
    assert serving.query_identity not in ("", old.identity)


def test_what_is_too_small_is_refused_in_a_sentence(shop: Path, tmp_path: Path) -> None:
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("query,docid,rating\nmilk,fresh-milk,3\ntea,fresh-tea,3\n")
    code, told = train(shop, tmp_path / "trained", "--judgements", str(ratings), "--queries", "20")
    assert code == 1
    assert "needs at least 20 queries held back" in told
    assert "of ratings; give more, or fewer --folds, or leave --judgements out" in " ".join(told.split())
    assert not (tmp_path / "trained").exists()
    code, told = train(shop, tmp_path / "trained", "--fold", "5")
    assert code == 2
    assert "must be below --folds 5, got 5" in told
