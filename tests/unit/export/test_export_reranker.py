"""A trained reranker goes through the exporter, and what comes out is served."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from mercato.checksum import hash_file
from mercato.errors import ModelError
from mercato.models.reranker import OnnxReranker, PairTokenizer
from mercato.serving.preflight import check_folder
from mercato.triton_models.reranker import RERANKER
from mercato_export.errors import ExportError, WeightsError
from mercato_export.lists import sample_pairs
from mercato_export.networks.reranker import RerankerConfig, RerankerNetwork, cut_encoder, save_reranker
from mercato_export.pipeline import export_model
from mercato_export.reranker import PairGate, describe_reranker, draw_pairs
from tests.unit.export.tiny_encoder import make_texts, make_weights

ROUNDING = 1e-4


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reranker")
    (folder / "tiny").mkdir()
    weights = make_weights(folder / "tiny")
    trunk: Any = cut_encoder(weights.folder, (0,))
    tokenizer = weights.folder / "tokenizer.json"
    config = RerankerConfig(
        layers=(0,),
        max_tokens=24,
        query_tokens=8,
        weight=0.4,
        trunk=trunk.config.to_dict(),
        tokenizer_sha256=hash_file(tokenizer),
    )
    network = RerankerNetwork(config, trunk)
    torch.manual_seed(3)
    torch.nn.init.normal_(network.head.weight, std=0.3)
    save_reranker(folder / "trained", network, tokenizer)
    return folder / "trained"


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "reranker"
    exportable = describe_reranker(trained, sample_pairs(make_texts(), count=8))
    export_model(exportable, target="int8", out=out, parity_source={"lists": "texts"})
    return out


def test_manifest_says_what_serving_needs(trained: Path, exported: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    assert manifest["serving"] == {
        "tokenizer_sha256": hash_file(trained / "tokenizer.json"),
        "max_tokens": 24,
        "query_tokens": 8,
        "weight": 0.4,
        "layers": [0],
    }
    assert [entry["name"] for entry in manifest["inputs"]] == ["input_ids", "attention_mask", "token_type_ids"]
    assert manifest["outputs"] == [{"name": "score", "dtype": "float32", "shape": ["batch", 1]}]
    assert "Kendall tau to fp32, mean" in manifest["parity"]["model.int8.onnx"]
    check_folder(RERANKER, exported)


def test_served_scores_are_those_of_pytorch(trained: Path, exported: Path) -> None:
    lists = sample_pairs(make_texts(), count=3)
    exportable = describe_reranker(trained, lists)
    with torch.inference_mode():
        expected = [
            float(exportable.module(*(torch.from_numpy(item[name]) for name in exportable.inputs))[0, 0])
            for item in exportable.items
        ]
    queries, texts = zip(*lists, strict=True)
    exact = np.concatenate(OnnxReranker(exported, precision="fp32").score(queries, texts))
    np.testing.assert_allclose(exact, expected, atol=ROUNDING)
    quantised = np.concatenate(OnnxReranker(exported).score(queries, texts))
    assert not np.array_equal(quantised, exact)
    assert np.corrcoef(quantised, exact)[0, 1] > 0.99


def test_drawn_pairs_are_built_as_real_ones_are(trained: Path) -> None:
    tokenizer = PairTokenizer(trained / "tokenizer.json", max_tokens=24, query_tokens=8)
    real = tokenizer(["green tea"], [["frozen pizza"]])
    first, separator = real.input_ids[0, 0], real.input_ids[0, -1]
    drawn = draw_pairs(tokenizer, 60)
    assert [feed["input_ids"].shape[1] for feed in drawn] == [4, 8, 16, 24]
    for feed in drawn:
        ids, types = feed["input_ids"], feed["token_type_ids"]
        second = int(np.argmax(types[0] == 1))
        assert {*ids[:, 0]} == {first}
        assert {*ids[:, second - 1]} == {*ids[:, -1]} == {separator}
        np.testing.assert_array_equal(types[:, second:], 1)
        np.testing.assert_array_equal(types[:, :second], 0)
        np.testing.assert_array_equal(feed["attention_mask"], 1)


def test_int8_has_fixed_scales_after_normalisation(exported: Path) -> None:
    graph = onnx.load(str(exported / "model.int8.onnx")).graph
    after_gelu = {node.output[0] for node in graph.node if node.op_type == "Gelu"}
    fixed = [
        node
        for node in graph.node
        if node.op_type == "QuantizeLinear" and onnx_attributes(node).get("block_size", 0) == 0
    ]
    # one layer: before Q, K and V, after attention, before the feed-forward layer
    assert len(fixed) == 3
    assert not after_gelu & {name for node in fixed for name in node.input}


def onnx_attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}


def test_int8_score_does_not_depend_on_neighbours(exported: Path) -> None:
    reranker = OnnxReranker(exported)
    texts = make_texts()[:20]
    together = reranker.score(["green tea"], [texts])[0]
    alone = [float(reranker.score(["green tea"], [[text]])[0][0]) for text in texts]
    np.testing.assert_allclose(together, alone, atol=ROUNDING)


def test_gate_is_strict_about_neighbours_in_every_precision() -> None:
    gate = PairGate(maximum=1.0)
    scores = np.zeros((2, 1))
    [near] = gate.compare(scores, scores + 0.5, what="reference")
    [alone] = gate.compare(scores, scores + 0.5, what="alone")
    assert (near.passed, alone.passed) == (True, False)


def test_order_that_is_lost_is_refused(trained: Path) -> None:
    exportable = describe_reranker(trained, sample_pairs(make_texts(), count=2))
    assert exportable.quality is not None
    scores = np.arange(len(exportable.items), dtype=np.float32)[:, None]
    same = exportable.quality.compare(scores, scores * 2, precision="int8")
    turned = exportable.quality.compare(scores, -scores, precision="int8")
    assert (same[0].value, turned[0].value) == pytest.approx((1.0, -1.0))
    assert all(figure.passed for figure in same)
    assert not any(figure.passed for figure in turned)


def test_int8_may_exchange_what_scores_alike_and_half_precision_may_not(trained: Path) -> None:
    exportable = describe_reranker(trained, sample_pairs(make_texts(), count=2), int8_tau_tolerance=0.5)
    assert exportable.quality is not None
    scores = np.arange(len(exportable.items), dtype=np.float32)[:, None]
    # the two lists have 12 products each; the last two of each are exchanged: tau = 1 - 2 / 66 = 0.97
    other = scores.copy()
    other[[0, 1, 12, 13]] = other[[1, 0, 13, 12]]
    assert [figure.passed for figure in exportable.quality.compare(scores, other, precision="int8")] == [True, True]
    assert [figure.passed for figure in exportable.quality.compare(scores, other, precision="fp16")] == [False, True]


def test_engine_is_built_without_a_gpu(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed")
    # a network with random weights scores many pairs nearly alike
    exportable = describe_reranker(trained, sample_pairs(make_texts(), count=4), tolerance=0.05)
    assert exportable.shapes is not None
    assert exportable.shapes.buckets == (24,)
    export_model(exportable, target="tensorrt-rtx", out=tmp_path / "reranker", parity_source={"lists": "texts"})
    assert (tmp_path / "reranker" / "model.rtx.plan").stat().st_size > 0
    engine = json.loads((tmp_path / "reranker" / "model.rtx.plan.json").read_text())
    assert engine["model"] == "reranker"


def test_another_tokenizer_is_refused_before_and_after_export(trained: Path, exported: Path, tmp_path: Path) -> None:
    for source, check, error in ((trained, describe_with_lists, WeightsError), (exported, OnnxReranker, ModelError)):
        folder = tmp_path / source.name / "copy"
        shutil.copytree(source, folder)
        path = folder / "tokenizer.json"
        path.write_text(path.read_text().replace("pizza", "pasta"))
        with pytest.raises(error, match=r"tokenizer.json must have sha256"):
            check(folder)


def describe_with_lists(folder: Path) -> Any:
    return describe_reranker(folder, sample_pairs(make_texts(), count=2))


def test_lists_without_a_choice_measure_nothing(trained: Path) -> None:
    with pytest.raises(ExportError, match="no query found two products"):
        describe_reranker(trained, [("tea", ["green tea"]), ("soap", [])])


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="mercato train reranker"):
        describe_with_lists(tmp_path)
