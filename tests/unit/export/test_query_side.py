"""A query side joined to the encoder that products keep."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertModel

from mercato.errors import ModelError
from mercato.models.encoder import OnnxEncoder, read_manifest
from mercato.pipeline.remote import SplitEncoder
from mercato_export.encoder import describe_encoder
from mercato_export.errors import ExportError
from mercato_export.pipeline import export_model
from mercato_export.query_side import NOTE, find_products, join_query_side, note_products, require_products
from mercato_export.weights import locate_weights
from tests.unit.export.tiny_encoder import MAX_TOKENS, TINY, make_texts, make_weights

TEXTS = make_texts()[:12]


def write_encoder(weights: Path, out: Path) -> dict[str, Any]:
    located = locate_weights(TINY, folder=weights, sha256="")
    exportable = describe_encoder(located, make_texts(), max_tokens=MAX_TOKENS)
    return export_model(exportable, target="onnx", out=out, parity_source={"texts": "tests"})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The encoder of products, another of queries, and both joined."""
    root = tmp_path_factory.mktemp("query-side")
    weights = make_weights(root / "weights").folder
    changed = root / "changed"
    model = BertModel.from_pretrained(weights)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.9)
    model.save_pretrained(changed)
    shutil.copyfile(weights / "tokenizer.json", changed / "tokenizer.json")
    write_encoder(weights, root / "products")
    write_encoder(changed, root / "queries")
    join_query_side(root / "products", lambda folder: write_encoder(changed, folder), root / "joined")
    return {name: root / name for name in ("weights", "changed", "products", "queries", "joined")}


def test_products_keep_their_vectors_and_queries_get_others(folders: dict[str, Path]) -> None:
    products, queries, joined = (OnnxEncoder(folders[name]) for name in ("products", "queries", "joined"))
    assert joined.identity == products.identity != queries.identity
    assert read_manifest(folders["joined"]).serving.query_identity == queries.identity
    np.testing.assert_array_equal(joined.encode_many(TEXTS), products.encode_many(TEXTS))
    np.testing.assert_array_equal(joined.encode(TEXTS, "query"), queries.encode(TEXTS))
    np.testing.assert_array_equal(joined.encode(TEXTS, "product"), products.encode(TEXTS))
    assert not np.allclose(joined.encode(TEXTS, "query"), joined.encode(TEXTS, "product"), atol=1e-3)
    # what the encoder's own Triton model embeds are products' tokens
    np.testing.assert_array_equal(joined.embed_tokens(*joined.tokenizer(TEXTS)), products.encode(TEXTS))


def test_a_query_side_is_checked_and_replaced_as_a_whole(folders: dict[str, Path], tmp_path: Path) -> None:
    altered = shutil.copytree(folders["joined"], tmp_path / "encoder")
    (altered / "query.onnx").write_bytes(b"?")
    with pytest.raises(ModelError, match=r"query\.onnx"):
        OnnxEncoder(altered)
    join_query_side(altered, lambda folder: write_encoder(folders["changed"], folder), altered)
    np.testing.assert_array_equal(OnnxEncoder(altered).encode(TEXTS), OnnxEncoder(folders["joined"]).encode(TEXTS))
    assert sorted(path.name for path in altered.iterdir()) == [
        "manifest.json", "model.onnx", "query.onnx", "tokenizer.json",
    ]  # fmt: skip


def test_weights_say_whose_products_they_are_for(folders: dict[str, Path], tmp_path: Path) -> None:
    identity = read_manifest(folders["products"]).serving.identity
    assert find_products(None) is None
    assert find_products(tmp_path) is None
    note_products(tmp_path, identity)
    assert find_products(tmp_path) == identity
    require_products(folders["products"], identity)
    require_products(folders["joined"], identity)
    with pytest.raises(ExportError, match="--products: .* but these weights encode queries for products of"):
        require_products(folders["queries"], identity)
    (tmp_path / NOTE).write_text(json.dumps([]))
    with pytest.raises(ExportError, match="cannot be read .* train the encoder again"):
        find_products(tmp_path)
    note_products(tmp_path, None)
    assert find_products(tmp_path) is None


def test_another_tokenizer_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    def export(folder: Path) -> dict[str, Any]:
        manifest = write_encoder(folders["changed"], folder)
        (folder / "tokenizer.json").write_text("{}")
        return manifest

    with pytest.raises(ExportError, match="their tokenizer is not that of"):
        join_query_side(folders["products"], export, tmp_path / "encoder")
    assert not list(tmp_path.iterdir())


def test_beside_a_call_queries_are_encoded_in_this_process(folders: dict[str, Path]) -> None:
    queries, products = OnnxEncoder(folders["joined"]), OnnxEncoder(folders["products"])
    split = SplitEncoder(queries, products)
    np.testing.assert_array_equal(split.encode(TEXTS), queries.encode(TEXTS, "query"))
    np.testing.assert_array_equal(split.encode(TEXTS, "product"), products.encode(TEXTS, "product"))
