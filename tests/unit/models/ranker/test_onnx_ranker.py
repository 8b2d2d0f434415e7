import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mercato.errors import ModelError
from mercato.features.features import FEATURE_NAMES
from mercato.models.ranker.onnx_ranker import OnnxRanker

DIMENSION = 4


def write_model(folder: Path, *, feature_names: tuple[str, ...] = FEATURE_NAMES) -> None:
    """Write a model whose score is query . candidate + history . candidate + sum of features."""
    features = len(FEATURE_NAMES)

    def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    nodes = [
        helper.make_node("Add", ["query", "history"], ["both"]),
        helper.make_node("Unsqueeze", ["both", "last"], ["column"]),
        helper.make_node("MatMul", ["candidates", "column"], ["cosine"]),
        helper.make_node("Squeeze", ["cosine", "last"], ["flat"]),
        helper.make_node("ReduceSum", ["features", "last"], ["sum"], keepdims=0),
        helper.make_node("Add", ["flat", "sum"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "ranker",
        [
            value("query", "batch", DIMENSION),
            value("history", "batch", DIMENSION),
            value("candidates", "batch", "n", DIMENSION),
            value("features", "batch", "n", features),
        ],
        [value("score", "batch", "n")],
        [helper.make_tensor("last", TensorProto.INT64, [1], [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "model.onnx"))
    manifest = {"serving": {"feature_names": list(feature_names), "dimension": DIMENSION}}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def make_inputs(batch: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    shapes = ((batch, DIMENSION), (batch, DIMENSION), (batch, count, DIMENSION), (batch, count, len(FEATURE_NAMES)))
    query, history, candidates, features = (rng.random(shape, np.float32) for shape in shapes)
    return query, history, candidates, features


def test_scores_come_back_in_batch_shape(tmp_path: Path) -> None:
    write_model(tmp_path)
    query, history, candidates, features = make_inputs(3, 5)
    scores = OnnxRanker(tmp_path).score(query, history, candidates, features)
    assert scores.dtype == np.float32
    expected = np.einsum("bd,bnd->bn", query + history, candidates) + features.sum(axis=2)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


@pytest.mark.parametrize(("batch", "count"), [(0, 5), (2, 0)])
def test_nothing_to_score(tmp_path: Path, batch: int, count: int) -> None:
    write_model(tmp_path)
    assert OnnxRanker(tmp_path).score(*make_inputs(batch, count)).shape == (batch, count)


def test_shapes_that_do_not_fit_are_named(tmp_path: Path) -> None:
    write_model(tmp_path)
    query, history, candidates, features = make_inputs(2, 5)
    with pytest.raises(ModelError, match=r"candidates must be \(2, 5, 4\), given \(2, 4, 4\)"):
        OnnxRanker(tmp_path).score(query, history, candidates[:, :4], features)


def test_other_features_are_refused_by_name(tmp_path: Path) -> None:
    write_model(tmp_path, feature_names=("colour", *FEATURE_NAMES[1:]))
    with pytest.raises(ModelError, match=f"not computed here: colour; not known to the model: {FEATURE_NAMES[0]}"):
        OnnxRanker(tmp_path)


def test_another_order_of_features_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path, feature_names=FEATURE_NAMES[::-1])
    with pytest.raises(ModelError, match="same names in another order"):
        OnnxRanker(tmp_path)


def test_missing_manifest_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"manifest.json cannot be read.*mercato export ranker"):
        OnnxRanker(tmp_path)


@pytest.mark.parametrize("content", ["{", "{}", '{"serving": {"dimension": 4}}', '{"serving": 3}'])
def test_malformed_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ModelError, match=r"serving\.feature_names"):
        OnnxRanker(tmp_path)


def test_broken_model_file_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded"):
        OnnxRanker(tmp_path)
