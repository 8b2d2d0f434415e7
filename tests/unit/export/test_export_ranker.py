"""A network of training goes through the same exporter."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from mercato_export.errors import ExportError, ParityError, WeightsError
from mercato_export.networks.loading import find_loader
from mercato_export.networks.ranker import RankerConfig, RankerNetwork, load_ranker, save_ranker
from mercato_export.pipeline import export_model
from mercato_export.ranker import PARITY_CANDIDATES, describe_ranker

FEATURES = ("fused", "price", "age")
DIMENSION = 16


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    torch.manual_seed(5)
    network = RankerNetwork(RankerConfig(feature_names=FEATURES, dimension=DIMENSION, projection=4, hidden=(8,)))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    network.standardize_by(torch.randn(200, len(FEATURES)) * 3 + 1)
    save_ranker(tmp_path / "trained", network)
    return tmp_path / "trained"


def test_scores_are_those_of_pytorch_for_any_batch_and_list_length(trained: Path, tmp_path: Path) -> None:
    exportable = describe_ranker(trained)
    manifest = export_model(exportable, target="onnx", out=tmp_path / "ranker", parity_source={"lists": "drawn"})
    assert manifest["serving"] == {"dimension": DIMENSION, "feature_names": list(FEATURES)}
    assert manifest["outputs"] == [{"name": "score", "dtype": "float32", "shape": ["batch", "candidates"]}]
    assert manifest == json.loads((tmp_path / "ranker" / "manifest.json").read_text())
    session = ort.InferenceSession(str(tmp_path / "ranker" / "model.onnx"), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    for batch, candidates in ((1, 1), (3, 10)):
        feed = {
            "query": random.standard_normal((batch, DIMENSION)).astype(np.float32),
            "history": random.standard_normal((batch, DIMENSION)).astype(np.float32),
            "candidates": random.standard_normal((batch, candidates, DIMENSION)).astype(np.float32),
            "features": random.standard_normal((batch, candidates, len(FEATURES))).astype(np.float32),
        }
        (scores,) = session.run(["score"], feed)
        with torch.inference_mode():
            expected = exportable.module(*(torch.from_numpy(feed[name]) for name in exportable.inputs)).numpy()
        np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_drawn_lists_look_like_those_of_serving(trained: Path) -> None:
    items = describe_ranker(trained).items
    without_query = [number for number, item in enumerate(items) if not item["query"].any()]
    assert without_query == list(range(0, len(items), 3))
    for item in items[1:3]:
        np.testing.assert_allclose(np.linalg.norm(item["candidates"], axis=-1), 1, atol=1e-5)
        assert item["candidates"].shape == (1, PARITY_CANDIDATES, DIMENSION)
    features = np.concatenate([item["features"][0] for item in items])
    # training's features had mean 1 and deviation 3; 96 * 64 draws come within 0.2 of them
    np.testing.assert_allclose(features.mean(axis=0), 1, atol=0.6)
    np.testing.assert_allclose(features.std(axis=0), 3, atol=0.6)


def test_scores_that_differ_are_refused(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mercato_export.ranker.LARGEST_DIFFERENCE", 0.0)
    exportable = describe_ranker(trained)
    # A module that answers otherwise when it is traced than when it is run stands for a broken export.
    forward = exportable.module.forward
    exportable.module.forward = lambda *inputs: forward(*inputs) + (1.0 if torch.jit.is_tracing() else 0.0)
    with pytest.raises(ParityError, match=r"model\.onnx: difference to PyTorch, maximum 1.*must be <= 0, misses it by"):
        export_model(exportable, target="onnx", out=tmp_path / "ranker", parity_source={})
    assert not (tmp_path / "ranker").exists()


def test_a_loader_that_is_not_there(trained: Path) -> None:
    for loader in ("mercato_export.networks.ranker:absent", "absent_module:load", "nonsense"):
        with pytest.raises(ExportError, match="--loader: .* must be MODULE:FUNCTION"):
            find_loader("ranker", loader)


def test_another_network_is_loaded_by_its_name(trained: Path) -> None:
    name = "mercato_export.networks.ranker:load_ranker"
    assert find_loader("ranker", name) is find_loader("ranker") is load_ranker
    assert describe_ranker(trained).source["loader"] == name


def test_a_folder_without_weights(trained: Path) -> None:
    network = load_ranker(trained)
    for file in trained.glob("*.safetensors"):
        file.unlink()
    with pytest.raises(WeightsError, match="has no .safetensors file"):
        describe_ranker(trained, load=lambda folder: network)
