"""A whole export of a tiny encoder: what is written, and that nothing is when a gate closes."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper

from mercato_export.calibrate import observe_ranges
from mercato_export.errors import ExportError, ParityError
from mercato_export.exportable import Exportable, collate
from mercato_export.fuse import ATTENTION_OPSET, OLDER_OPSET, choose_opset, fuse_for_cpu
from mercato_export.graph import write_onnx
from mercato_export.pipeline import export_model, run_module
from mercato_export.quantize import quantize_int8
from mercato_export.targets import TARGETS
from tests.unit.export.tiny_encoder import HIDDEN_SIZE, MAX_TOKENS

SOURCE = {"texts": "tests"}


@pytest.fixture(scope="module")
def exported(exportable: Exportable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "encoder"
    export_model(exportable, target="int8", out=folder, parity_source=SOURCE)
    return folder


@pytest.fixture(scope="module")
def traced(exportable: Exportable, tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    file = tmp_path_factory.mktemp("traced") / "model.onnx"
    write_onnx(exportable, file)
    return onnx.load(str(file))


def run(model: onnx.ModelProto, **feed: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feed)[0]


def test_the_files_of_an_export_and_no_other(exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {
        "manifest.json",
        "model.int8.onnx",
        "model.onnx",
        "tokenizer.json",
    }
    assert [path.name for path in exported.parent.iterdir()] == ["encoder"]


def test_the_manifest_tells_source_files_shapes_tools_and_parity(exported: Path, exportable: Exportable) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    assert manifest["schema_version"] == 1
    assert manifest["source"]["repository"] == "tests/tiny"
    assert manifest["serving"]["dimension"] == HIDDEN_SIZE
    assert manifest["serving"]["max_tokens"] == MAX_TOKENS
    assert manifest["inputs"][0] == {"name": "input_ids", "dtype": "int64", "shape": ["batch", "sequence"]}
    assert manifest["outputs"] == [{"name": "embedding", "dtype": "float32", "shape": ["batch", HIDDEN_SIZE]}]
    assert manifest["opset"] == {"model.onnx": 17, "model.int8.onnx": choose_opset()}
    assert set(manifest["tools"]) >= {"python", "torch", "onnx", "onnxruntime", "transformers"}
    assert manifest["parity"]["measured_on"] == {"texts": "tests", "items": len(exportable.items)}
    for file in ("model.onnx", "model.int8.onnx", "tokenizer.json"):
        content = (exported / file).read_bytes()
        assert manifest["files"][file] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    for file in ("model.onnx", "model.int8.onnx"):
        figures = {name: figure for name, figure in manifest["parity"][file].items() if "loss" not in name}
        assert len(figures) == (3 if file == "model.onnx" else 4)
        assert all(figure["value"] >= figure["limit"] for figure in figures.values())
    lost = manifest["parity"]["model.int8.onnx"]["loss of similarity in the top 10"]
    assert lost["value"] <= lost["limit"] == 0.005
    assert manifest["shapes"]["buckets"] == [MAX_TOKENS]


def test_batch_and_sequence_are_dynamic(exported: Path) -> None:
    for file in ("model.onnx", "model.int8.onnx"):
        session = ort.InferenceSession(str(exported / file), providers=["CPUExecutionProvider"])
        for batch, sequence in ((1, 1), (3, 7), (2, MAX_TOKENS)):
            ids = np.full((batch, sequence), 5)
            (vectors,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
            assert vectors.shape == (batch, HIDDEN_SIZE)
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("opset", [OLDER_OPSET, ATTENTION_OPSET])
def test_fusing_changes_operators_and_not_results(traced: onnx.ModelProto, exportable: Exportable, opset: int) -> None:
    fused = fuse_for_cpu(traced, opset=opset, heads=exportable.heads, hidden_size=exportable.hidden_size)
    kinds = [node.op_type for node in fused.graph.node]
    assert kinds.count("Attention" if opset == ATTENTION_OPSET else "MultiHeadAttention") == 2
    assert kinds.count("Softmax") == 0
    assert kinds.count("Gelu") == 2
    batch = collate(exportable.items[:40])
    # fp32 in another order of additions
    np.testing.assert_allclose(run(fused, **batch), run(traced, **batch), atol=2e-6)


@pytest.mark.parametrize("opset", [OLDER_OPSET, ATTENTION_OPSET])
def test_a_text_is_the_same_alone_and_beside_longer_ones(
    traced: onnx.ModelProto, exportable: Exportable, opset: int
) -> None:
    fused = fuse_for_cpu(traced, opset=opset, heads=exportable.heads, hidden_size=exportable.hidden_size)
    model = quantize_int8(fused, observe_ranges(fused, exportable.calibration))
    shortest = min(exportable.items, key=lambda item: item["input_ids"].shape[1])
    longest = max(exportable.items, key=lambda item: item["input_ids"].shape[1])
    together = run(model, **collate([shortest, longest]))
    np.testing.assert_allclose(together[0], run(model, **shortest)[0], atol=1e-6)
    np.testing.assert_allclose(together[1], run(model, **longest)[0], atol=1e-6)


def test_a_row_without_a_token_is_finite(exported: Path) -> None:
    for file in ("model.onnx", "model.int8.onnx"):
        session = ort.InferenceSession(str(exported / file), providers=["CPUExecutionProvider"])
        ids, mask = np.zeros((2, 3), dtype=np.int64), np.array([[0, 0, 0], [1, 1, 0]])
        (vectors,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
        assert np.isfinite(vectors).all()


def test_opset_of_the_runtime() -> None:
    assert choose_opset("1.23.2") == OLDER_OPSET
    assert choose_opset("1.24.0") == ATTENTION_OPSET
    assert choose_opset("2.0.1") == ATTENTION_OPSET


def damage_all(model: onnx.ModelProto) -> None:
    """Give every int8 weight the scale of its first column, as a quantisation without channels would."""
    for tensor in model.graph.initializer:
        if tensor.name.endswith("/scale"):
            scales = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(np.full_like(scales, 10 * scales.flat[0]), tensor.name))


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def build(exportable: Exportable, source: Path, destination: Path) -> None:
        real_build(exportable, source, destination)
        model = onnx.load(str(destination))
        damage_all(model)
        onnx.save(model, str(destination))

    real_build = TARGETS["int8"].build
    assert real_build is not None
    return lambda: monkeypatch.setitem(TARGETS, "int8", replace(TARGETS["int8"], build=build))


def test_a_damaged_quantisation_is_refused_and_leaves_no_file(
    exportable: Exportable, damaged: Callable[[], None], tmp_path: Path
) -> None:
    damaged()
    with pytest.raises(
        ParityError, match=r"model\.int8\.onnx: cosine to PyTorch, mean .*must be >= 0\.99, misses it by"
    ):
        export_model(exportable, target="int8", out=tmp_path / "encoder", parity_source=SOURCE)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_leaves_what_was_there(
    exportable: Exportable, damaged: Callable[[], None], tmp_path: Path
) -> None:
    out = tmp_path / "encoder"
    export_model(exportable, target="onnx", out=out, parity_source=SOURCE)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    damaged()
    with pytest.raises(ParityError):
        export_model(exportable, target="int8", out=out, parity_source=SOURCE)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_an_export_replaces_the_folder_as_a_whole(exportable: Exportable, tmp_path: Path) -> None:
    out = tmp_path / "encoder"
    out.mkdir()
    (out / "stale.onnx").write_bytes(b"old")
    export_model(exportable, target="onnx", out=out, parity_source=SOURCE)
    assert {path.name for path in out.iterdir()} == {"manifest.json", "model.onnx", "tokenizer.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_targets_that_do_not_exist_or_have_no_gate(exportable: Exportable, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="--target: must be one of onnx, int8"):
        export_model(exportable, target="int4", out=tmp_path / "encoder", parity_source=SOURCE)
    without = replace(exportable, gates={"fp32": exportable.gates["fp32"]})
    with pytest.raises(ExportError, match="no parity gate for int8; it can be exported to onnx"):
        export_model(without, target="int8", out=tmp_path / "encoder", parity_source=SOURCE)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(exportable: Exportable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ExportError, match="--out: .* cannot be written"):
        export_model(exportable, target="onnx", out=tmp_path / "file" / "encoder", parity_source=SOURCE)


def test_the_module_is_run_in_padded_batches(exportable: Exportable) -> None:
    few = replace(exportable, items=exportable.items[:5], batch_size=2)
    alone = replace(few, batch_size=1)
    np.testing.assert_allclose(run_module(few), run_module(alone), atol=1e-6)


def test_items_are_padded_with_zeros() -> None:
    batch = collate([{"ids": np.array([[1, 2, 3]])}, {"ids": np.array([[4]])}])
    np.testing.assert_array_equal(batch["ids"], [[1, 2, 3], [4, 0, 0]])


def test_a_model_without_attention_passes_through(tmp_path: Path) -> None:
    """The exporter knows no model by name: a perceptron goes the same way, int8 included."""

    class Perceptron(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(3)
            self.layers = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return self.layers(values)

    from mercato_export.parity import CosineGate

    random = np.random.default_rng(0)
    perceptron = Exportable(
        name="perceptron",
        module=Perceptron().eval(),
        inputs=("values",),
        outputs=("result",),
        axes={"values": ("batch", "position", "width"), "result": ("batch", "position", "depth")},
        sizes={"width": 8, "depth": 4, "position": 3},
        items=[{"values": random.standard_normal((1, 3, 8)).astype(np.float32)} for _ in range(20)],
        gates={"fp32": CosineGate(mean=0.9999, minimum=0.9999), "int8": CosineGate(mean=0.99, minimum=0.9)},
        source={},
        serving={},
    )
    manifest = export_model(perceptron, target="int8", out=tmp_path / "perceptron", parity_source={})
    assert set(manifest["files"]) == {"model.onnx", "model.int8.onnx"}
    kinds = [node.op_type for node in onnx.load(str(tmp_path / "perceptron" / "model.int8.onnx")).graph.node]
    assert kinds.count("MatMulIntegerToFloat") == 2
