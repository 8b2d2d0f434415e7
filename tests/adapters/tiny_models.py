"""Networks small enough to be written down: one of each model, in the folders that serving reads."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from mercato.features.features import FEATURE_NAMES
from mercato.triton_models.sequence import SEQUENCE_WIDTH

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
IDENTITY = "tiny-encoder-1"


def write_encoder(folder: Path, dimension: int, texts: Iterable[str], identity: str = IDENTITY) -> Path:
    """Write an encoder: each word of ``texts`` is a random direction, a text the direction of their sum."""
    folder.mkdir(parents=True, exist_ok=True)
    words = sorted({word for text in texts for word in re.findall(r"\w+", text.lower())})
    vocabulary = {word: number for number, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(7).normal(size=(len(vocabulary), dimension)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["words", "column"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "tokens"], ["sum"], keepdims=0),
        helper.make_node("ReduceL2", ["sum"], ["norm"], axes=[1], keepdims=1),
        helper.make_node("Max", ["norm", "smallest"], ["divisor"]),
        helper.make_node("Div", ["sum", "divisor"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info(name, INT64, ["batch", "sequence"]) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("embedding", FLOAT, ["batch", dimension])],
        [
            numpy_helper.from_array(table, "table"),
            helper.make_tensor("last", INT64, [1], [2]),
            helper.make_tensor("tokens", INT64, [1], [1]),
            helper.make_tensor("smallest", FLOAT, [1], [1e-9]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for name in ("model.onnx", "model.int8.onnx"):
        onnx.save(model, str(folder / name))
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "manifest.json"}
    manifest = {
        "schema_version": 1,
        "serving": {"identity": identity, "dimension": dimension, "max_tokens": 32, "pooling": "sum"},
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def write_ranker(folder: Path, dimension: int) -> Path:
    """Write a ranker: score = fused + (query + history) . candidate."""
    folder.mkdir(parents=True, exist_ok=True)
    count = len(FEATURE_NAMES)
    fused = np.zeros((count, 1), np.float32)
    fused[FEATURE_NAMES.index("fused")] = 1.0

    def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, FLOAT, shape)

    nodes = [
        helper.make_node("Add", ["query", "history"], ["both"]),
        helper.make_node("Unsqueeze", ["both", "last"], ["column"]),
        helper.make_node("MatMul", ["candidates", "column"], ["cosine"]),
        helper.make_node("MatMul", ["features", "fused_column"], ["fused"]),
        helper.make_node("Add", ["cosine", "fused"], ["sum"]),
        helper.make_node("Squeeze", ["sum", "last"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "ranker",
        [
            value("query", "batch", dimension),
            value("history", "batch", dimension),
            value("candidates", "batch", "n", dimension),
            value("features", "batch", "n", count),
        ],
        [value("score", "batch", "n")],
        [helper.make_tensor("last", INT64, [1], [2]), numpy_helper.from_array(fused, "fused_column")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "model.onnx"))
    manifest = {"serving": {"feature_names": list(FEATURE_NAMES), "dimension": dimension}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def write_reranker(folder: Path, worth: Mapping[str, float], *, weight: float = 1.0) -> Path:
    """Write a reranker: the score of a pair is the sum of what the words of its product are worth."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *worth])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.array([0.0, 0.0, 0.0, 0.0, *worth.values()], np.float32)
    names = ("input_ids", "attention_mask", "token_type_ids")
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["worth"]),
        helper.make_node("Mul", ["attention_mask", "token_type_ids"], ["product"]),
        helper.make_node("Cast", ["product"], ["mask"], to=FLOAT),
        helper.make_node("Mul", ["worth", "mask"], ["counted"]),
        helper.make_node("ReduceSum", ["counted", "tokens"], ["score"], keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "reranker",
        [helper.make_tensor_value_info(name, INT64, ["batch", "sequence"]) for name in names],
        [helper.make_tensor_value_info("score", FLOAT, ["batch", 1])],
        [numpy_helper.from_array(table, "table"), helper.make_tensor("tokens", INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for name in ("model.onnx", "model.int8.onnx"):
        onnx.save(model, str(folder / name))
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "manifest.json"}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = {
        "schema_version": 1,
        "serving": {
            "tokenizer_sha256": digests["tokenizer.json"],
            "max_tokens": 32,
            "query_tokens": 8,
            "weight": weight,
        },
        "files": {name: {"bytes": len(content), "sha256": digests[name]} for name, content in files.items()},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def write_sequence(folder: Path, successors: Mapping[str, str], *, weight: float | None = None) -> Path:
    """Write a sequence model: a product's score is how many products of the history have it as their successor.

    Args:
        folder: made where it is missing.
        successors: of each product; at most 64 products in all.
        weight: that its training chose; None leaves it out of the manifest, as older models have it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids = sorted({*successors, *successors.values()})
    table = np.zeros((len(ids) + 1, SEQUENCE_WIDTH), np.float32)
    for product, successor in successors.items():
        table[ids.index(product) + 1, ids.index(successor)] = 1.0
    nodes = [
        helper.make_node("Gather", ["table", "product_codes"], ["each"]),
        helper.make_node("ReduceSum", ["each", "axes"], ["state"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "sequence",
        [helper.make_tensor_value_info("product_codes", INT64, ["batch", "sequence"])],
        [helper.make_tensor_value_info("state", FLOAT, ["batch", SEQUENCE_WIDTH])],
        [numpy_helper.from_array(table, "table"), helper.make_tensor("axes", INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "products.json").write_text(json.dumps(ids))
    vectors = np.eye(len(ids), SEQUENCE_WIDTH, dtype=np.float32)
    save_file({"vectors": vectors, "bias": np.zeros(len(ids), np.float32)}, folder / "products.safetensors")
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "manifest.json"}
    chosen = {} if weight is None else {"weight": weight}
    manifest = {
        "schema_version": 1,
        "serving": {"products": len(ids), "max_length": 50, "width": SEQUENCE_WIDTH, **chosen},
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
