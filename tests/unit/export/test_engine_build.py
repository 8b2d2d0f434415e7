"""Real engines, built by TensorRT for RTX, which needs no GPU; and everything that can go wrong on the way."""

import hashlib
import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from mercato.errors import MercatoError
from mercato.models.engine.manifest import EngineManifest, manifest_path, read_engine_manifest
from mercato.models.engine.shapes import EngineShapes
from mercato_export.engine import bounds_of, build_engine
from mercato_export.errors import ExportError, ParityError
from mercato_export.exportable import Exportable
from mercato_export.graph import write_onnx
from mercato_export.half import halve
from mercato_export.options import BuildOptions
from mercato_export.parity import DifferenceGate
from mercato_export.pipeline import export_model
from mercato_export.quality import OrderQuality
from mercato_export.rebuild import rebuild_engine
from mercato_export.targets import TARGETS
from mercato_export.tensorrt_flavour import FLAVOURS
from mercato_export.weights import MINILM, locate_weights
from tests.unit.export.tiny_encoder import MAX_TOKENS

pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed: pip install 'mercato[dev]'")

RTX = FLAVOURS["tensorrt-rtx"]
AMPERE = BuildOptions(capabilities=("8.6",), timing_cache=None)


def export_engine(exportable: Exportable, out: Path) -> None:
    export_model(exportable, target="tensorrt-rtx", out=out, parity_source={}, engine=AMPERE)


@pytest.fixture(scope="module")
def exported(exportable: Exportable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine") / "encoder"
    export_engine(exportable, folder)
    return folder


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "encoder"))


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_engine_with_graph_and_manifests_and_no_other_file(exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {
        "manifest.json",
        "model.fp16.onnx",
        "model.onnx",
        "model.rtx.plan",
        "model.rtx.plan.json",
        "tokenizer.json",
    }
    assert {path.name for path in exported.parent.iterdir()} == {"encoder"}


def test_the_engines_manifest_tells_what_it_is(exported: Path) -> None:
    manifest = read_engine_manifest(exported / "model.rtx.plan", "encoder")
    engine = (exported / "model.rtx.plan").read_bytes()
    graph = (exported / "model.fp16.onnx").read_bytes()
    assert (manifest.engine.bytes, manifest.engine.sha256) == (len(engine), hashlib.sha256(engine).hexdigest())
    assert (manifest.onnx.file, manifest.onnx.sha256) == ("model.fp16.onnx", hashlib.sha256(graph).hexdigest())
    assert (manifest.flavour, manifest.precision, manifest.compute_capabilities) == ("tensorrt-rtx", "fp16", ("8.6",))
    assert manifest.buckets == (MAX_TOKENS,)
    assert manifest.profiles == (
        {name: ((1, 1), (8, MAX_TOKENS), (64, MAX_TOKENS)) for name in ("input_ids", "attention_mask")},
    )
    assert set(manifest.parity) >= {"cosine to PyTorch, minimum", "agreement of the top 10"}
    # a folder's manifest lists what the engine's does not: an engine is replaced without the rest
    assert set(json.loads((exported / "manifest.json").read_text())["files"]) == {
        "model.fp16.onnx",
        "model.onnx",
        "tokenizer.json",
    }


def test_several_targets_in_one_export(exportable: Exportable, tmp_path: Path) -> None:
    few = replace(exportable, items=exportable.items[:8], quality=None)
    export_model(few, target="int8,tensorrt-rtx", out=tmp_path / "encoder", parity_source={}, engine=AMPERE)
    assert {path.name for path in (tmp_path / "encoder").iterdir()} >= {"model.int8.onnx", "model.rtx.plan"}


def test_minilm_becomes_an_engine(tmp_path: Path) -> None:
    from mercato_export.encoder import describe_encoder

    encoder = describe_encoder(locate_weights(MINILM, allow_hub=False), ["green tea", "frozen pizza"] * 5)
    graph = tmp_path / "model.fp16.onnx"
    write_onnx(replace(encoder, module=halve(encoder.module)), graph)
    manifest = build_engine(
        graph,
        model="encoder",
        flavour=RTX,
        shapes=EngineShapes(axis="sequence", buckets=(16,)),
        axes={name: encoder.axes[name] for name in encoder.inputs},
        precision="fp16",
        parity={},
        options=AMPERE,
    )
    # 22.7 million parameters of two bytes
    assert manifest.engine.bytes > 2 * 22_700_000


def test_rebuilding_replaces_the_engine_alone(copied: Path) -> None:
    before = read_files(copied)
    built = rebuild_engine(
        copied, target="tensorrt-rtx", options=BuildOptions(capabilities=("8.9",), timing_cache=None)
    )
    after = read_files(copied)
    assert {name for name in after if after[name] != before.get(name)} == {"model.rtx.plan", "model.rtx.plan.json"}
    assert set(after) == set(before)
    assert built.compute_capabilities == ("8.9",)
    assert built.parity == EngineManifest.model_validate_json(before["model.rtx.plan.json"]).parity


def test_an_altered_graph_is_not_built_from(copied: Path) -> None:
    with (copied / "model.fp16.onnx").open("ab") as stream:
        stream.write(b"!")
    with pytest.raises(ExportError, match=r"model\.fp16\.onnx must have sha256 .*, it was altered; export it again"):
        rebuild_engine(copied, target="tensorrt-rtx", options=AMPERE)


def test_a_folder_without_a_graph(copied: Path, tmp_path: Path) -> None:
    (copied / "model.fp16.onnx").unlink()
    with pytest.raises(ExportError, match="has no model.fp16.onnx; export it again: mercato export encoder --target"):
        rebuild_engine(copied, target="tensorrt-rtx", options=AMPERE)
    with pytest.raises(ExportError, match="name a folder that mercato export wrote"):
        rebuild_engine(tmp_path / "absent", target="tensorrt-rtx", options=AMPERE)
    with pytest.raises(ExportError, match="an engine is built with one of tensorrt, tensorrt-rtx, got 'int8'"):
        rebuild_engine(copied, target="int8", options=AMPERE)


@contextmanager
def disk_of(size_bytes: int) -> Iterator[None]:
    """Let no file grow beyond a size, as a full disk would not; Python gets an OSError."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_leaves_the_old_engine(copied: Path) -> None:
    before = read_files(copied)
    with (
        disk_of(len(before["model.rtx.plan"]) // 2),
        pytest.raises(ExportError, match="written: .*too large"),
    ):
        rebuild_engine(copied, target="tensorrt-rtx", options=AMPERE)
    assert read_files(copied) == before


def test_a_full_disk_while_exporting_leaves_nothing(exportable: Exportable, tmp_path: Path) -> None:
    few = replace(exportable, items=exportable.items[:4], quality=None)
    with disk_of(10_000), pytest.raises(ExportError, match=r"cannot write model\.onnx|cannot be written"):
        export_engine(few, tmp_path / "encoder")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_told_before_the_work(
    exportable: Exportable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = replace(FLAVOURS["tensorrt"], module="tensorrt_that_is_not_there")
    monkeypatch.setitem(TARGETS, "tensorrt", replace(TARGETS["tensorrt"], flavour=absent))
    lines: list[str] = []
    with pytest.raises(ExportError, match="--target tensorrt: tensorrt_that_is_not_there cannot be imported .*; build"):
        export_model(exportable, target="tensorrt", out=tmp_path / "encoder", parity_source={}, report=lines.append)
    assert lines == []
    assert list(tmp_path.iterdir()) == []


class Determinant(torch.nn.Module):
    def forward(self, matrix: torch.Tensor) -> torch.Tensor:
        return torch.linalg.det(matrix)


class Sorting(torch.nn.Module):
    def forward(self, matrix: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(matrix).sum((1, 2))


def make_matrix_model(module: torch.nn.Module) -> Exportable:
    random = np.random.default_rng(0)
    return Exportable(
        name="matrix",
        module=module.eval(),
        inputs=("matrix",),
        outputs=("result",),
        axes={"matrix": ("batch", "length", "width"), "result": ("batch",)},
        sizes={"width": 3},
        items=[{"matrix": random.standard_normal((1, 3, 3)).astype(np.float32)} for _ in range(4)],
        gates={"fp32": DifferenceGate(maximum=1e-3), "fp16": DifferenceGate(maximum=1e-3)},
        source={},
        serving={},
        shapes=EngineShapes(axis="length", buckets=(3,)),
    )


def test_an_operator_that_tensorrt_lacks(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"--target tensorrt-rtx: model\.fp16\.onnx cannot be (read|built): .*Det"):
        export_engine(make_matrix_model(Determinant()), tmp_path / "matrix")
    assert list(tmp_path.iterdir()) == []


def test_an_operator_that_onnx_lacks(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"matrix: PyTorch cannot write model\.onnx: .*bessel"):
        export_engine(make_matrix_model(Sorting()), tmp_path / "matrix")
    assert list(tmp_path.iterdir()) == []


def test_shapes_that_do_not_fit_the_graph(exported: Path, exportable: Exportable, tmp_path: Path) -> None:
    graph = Path(shutil.copy(exported / "model.fp16.onnx", tmp_path))

    def build(shapes: EngineShapes, axes: dict[str, tuple[str, ...]]) -> None:
        build_engine(
            graph,
            model="encoder",
            flavour=RTX,
            shapes=shapes,
            axes=axes,
            precision="fp16",
            parity={},
            options=AMPERE,
        )

    right = {name: exportable.axes[name] for name in exportable.inputs}
    shapes = EngineShapes(axis="sequence", buckets=(16,))
    with pytest.raises(ExportError, match="engine shapes: no input has an axis 'length'"):
        build(replace(shapes, axis="length"), right)
    with pytest.raises(ExportError, match="the graph has inputs .*attention_mask.*, declared are .'input_ids'"):
        build(shapes, {"input_ids": right["input_ids"]})
    with pytest.raises(ExportError, match=r"input_ids is \[-1, -1\] in the graph .* profile has \[1, 1, 0\]"):
        build(shapes, {**right, "input_ids": ("batch", "sequence", "width")})
    with pytest.raises(ExportError, match=r"input_ids is \[-1, -1\] in the graph .* profile has \[1, 0\]"):
        build(shapes, {**right, "input_ids": ("batch", "width")})
    assert [path.name for path in tmp_path.iterdir()] == ["model.fp16.onnx"]


def test_a_bucket_longer_than_the_networks_positions(copied: Path) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["shapes"]["buckets"] = [1024]
    (copied / "manifest.json").write_text(json.dumps(manifest))
    before = read_files(copied)
    with pytest.raises(ExportError, match=r"model\.fp16\.onnx does not run at sequence 1024, the longest bucket"):
        rebuild_engine(copied, target="tensorrt-rtx", options=AMPERE)
    assert read_files(copied) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_ranges": [{"minimum": 1, "typical": 100, "maximum": 64}]}, "must have minimum <= typical <= maximum"),
        ({"buckets": [32, 16]}, "buckets must rise"),
        ({"buckets": "x"}, "is not what the exporter wrote .*; export it again: mercato export encoder"),
        ({"axis": "width"}, "no input has an axis 'width'"),
    ],
)
def test_wrong_profiles_leave_the_old_engine(copied: Path, change: dict[str, Any], message: str) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["shapes"].update(change)
    (copied / "manifest.json").write_text(json.dumps(manifest))
    before = read_files(copied)
    with pytest.raises(MercatoError, match=message):
        rebuild_engine(copied, target="tensorrt-rtx", options=AMPERE)
    assert read_files(copied) == before


def test_a_file_that_is_no_graph(tmp_path: Path) -> None:
    (tmp_path / "model.fp16.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(ExportError, match=r"model\.fp16\.onnx cannot be read"):
        build_engine(
            tmp_path / "model.fp16.onnx",
            model="encoder",
            flavour=RTX,
            shapes=EngineShapes(axis="sequence", buckets=(16,)),
            axes={"input_ids": ("batch", "sequence")},
            precision="fp16",
            parity={},
            options=AMPERE,
        )


def test_a_gpu_that_the_library_cannot_build_for(copied: Path) -> None:
    with pytest.raises(ExportError, match=r"--compute-capability: must be of 7\.5, 8\.0.*, got 1\.0"):
        rebuild_engine(copied, target="tensorrt-rtx", options=replace(AMPERE, capabilities=("1.0",)))
    with pytest.raises(ExportError, match="--hardware-compatibility: tensorrt-rtx has none"):
        rebuild_engine(copied, target="tensorrt-rtx", options=replace(AMPERE, compatibility="ampere_plus"))


def test_a_precision_that_loses_too_much_makes_no_engine(exportable: Exportable, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    # lists whose order hangs on less than fp16 can tell
    scores = 1 + random.random((4, 3)) * 1e-5

    class Near(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(1, 1)
            torch.nn.init.ones_(self.line.weight)
            torch.nn.init.zeros_(self.line.bias)

        def forward(self, matrix: torch.Tensor) -> torch.Tensor:
            return self.line(matrix).squeeze(2)

    items = [{"matrix": row[None, :, None].astype(np.float32)} for row in scores]
    near = replace(
        make_matrix_model(Near()),
        items=items,
        axes={"matrix": ("batch", "length", "width"), "result": ("batch", "length")},
        sizes={"width": 1},
        quality=OrderQuality(items=items, lengths=[3] * 4),
    )
    with pytest.raises(ParityError, match=r"model\.fp16\.onnx: Kendall tau to fp32, mean .* misses it by"):
        export_engine(near, tmp_path / "near")
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_shapes_gets_no_engine(exportable: Exportable, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="encoder has no shapes to build an engine for; .* onnx, int8, fp16"):
        export_engine(replace(exportable, shapes=None), tmp_path / "encoder")


def test_bounds_are_those_of_the_declaration() -> None:
    shapes = EngineShapes(axis="candidates", buckets=(32, 128))
    axes = {"query": ("batch", "dimension"), "features": ("batch", "candidates", "feature")}
    assert bounds_of(shapes, axes) == [
        {"query": ((1, 0), (8, 0), (64, 0)), "features": ((1, 1, 0), (8, 32, 0), (64, 32, 0))},
        {"query": ((1, 0), (8, 0), (64, 0)), "features": ((1, 33, 0), (8, 128, 0), (64, 128, 0))},
    ]


def test_an_engine_without_manifest_is_never_left_alone(exported: Path) -> None:
    assert manifest_path(exported / "model.rtx.plan").is_file()
    assert onnx.load(str(exported / "model.fp16.onnx")).opset_import[0].version == 17
