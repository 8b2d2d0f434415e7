"""Does an engine fit a machine? Said in one sentence, with the command that builds it again."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from mercato.errors import ModelError
from mercato.models.engine.machine import Gpu, Machine, find_tensorrt, parse_gpus
from mercato.models.engine.manifest import (
    EngineManifest,
    NamedFile,
    check_engine,
    find_mismatches,
    manifest_path,
    rebuild_command,
)

ENGINE, GRAPH = b"engine bytes", b"graph bytes"
A10 = Gpu(name="NVIDIA A10", compute_capability="8.6")
H100 = Gpu(name="NVIDIA H100", compute_capability="9.0")
T4 = Gpu(name="Tesla T4", compute_capability="7.5")


def describe(**changes: Any) -> EngineManifest:
    fields: dict[str, Any] = {
        "model": "encoder",
        "engine": NamedFile(file="model.plan", bytes=len(ENGINE), sha256=hashlib.sha256(ENGINE).hexdigest()),
        "onnx": NamedFile(file="model.fp16.onnx", bytes=len(GRAPH), sha256=hashlib.sha256(GRAPH).hexdigest()),
        "flavour": "tensorrt",
        "version": "10.9.0.34",
        "compute_capabilities": ("8.6",),
        "precision": "fp16",
        "buckets": (16, 32),
        "profiles": ({"input_ids": ((1, 1), (8, 16), (64, 16))},),
        "parity": {},
        "built": "2026-01-01T00:00:00+00:00",
        "build_seconds": 1.5,
    }
    return EngineManifest(**{**fields, **changes})


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    (tmp_path / "model.plan").write_bytes(ENGINE)
    (tmp_path / "model.fp16.onnx").write_bytes(GRAPH)
    manifest_path(tmp_path / "model.plan").write_text(describe().model_dump_json())
    return tmp_path / "model.plan"


FITTING = Machine(gpus=(A10,), tensorrt="10.9.0")


@pytest.mark.parametrize(
    ("changes", "machine", "expected"),
    [
        ({}, FITTING, []),
        ({}, Machine(gpus=(A10, A10)), []),
        ({}, Machine(tensorrt="10.9.0"), ["this machine has no GPU"]),
        (
            {},
            Machine(gpus=(H100,), tensorrt="10.9.0"),
            ["built for compute capability 8.6, NVIDIA H100 has 9.0"],
        ),
        ({}, Machine(gpus=(A10, T4)), ["built for compute capability 8.6, Tesla T4 has 7.5"]),
        ({"hardware_compatibility": "ampere_plus"}, Machine(gpus=(H100,)), []),
        (
            {"hardware_compatibility": "ampere_plus"},
            Machine(gpus=(T4,)),
            ["built for compute capability 8.6 and newer, Tesla T4 has 7.5"],
        ),
        ({"hardware_compatibility": "same_compute_capability"}, Machine(gpus=(A10,)), []),
        (
            {},
            Machine(gpus=(A10,), tensorrt="10.13.2"),
            ["built with TensorRT 10.9.0.34, the server has 10.13.2"],
        ),
        (
            {"flavour": "tensorrt-rtx", "version": "1.7.1.116"},
            FITTING,
            ["it is a tensorrt-rtx engine and Triton's backend loads tensorrt engines"],
        ),
    ],
)
def test_what_does_not_fit(changes: dict[str, Any], machine: Machine, expected: list[str]) -> None:
    assert find_mismatches(describe(**changes), machine) == expected


def test_a_fitting_engine_gives_its_manifest(engine: Path) -> None:
    assert check_engine(engine, "encoder", FITTING) == describe()


def test_everything_that_does_not_fit_is_one_sentence_with_the_command(engine: Path) -> None:
    engine.write_bytes(ENGINE + b"!")
    engine.with_name("model.fp16.onnx").write_bytes(b"another graph")
    with pytest.raises(ModelError) as raised:
        check_engine(engine, "ranker", Machine(gpus=(H100,), tensorrt="11.4.0"))
    assert str(raised.value) == (
        f"ranker: {engine} does not fit: it is the engine of encoder, and it has 13 bytes instead of 12, and "
        "it was built from another model.fp16.onnx than the one beside it, and built for compute capability 8.6, "
        "NVIDIA H100 has 9.0, and built with TensorRT 10.9.0.34, the server has 11.4.0; rebuild it: "
        f"mercato export engine {engine.parent} --target tensorrt"
    )


def test_without_a_graph_the_command_exports_the_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="encoder: engine .*model.plan does not exist; build it: mercato export enc"):
        check_engine(tmp_path / "model.plan", "encoder", FITTING)
    assert rebuild_command(tmp_path / "model.plan", "encoder") == (
        f"mercato export encoder --target tensorrt --out {tmp_path}"
    )


def test_an_engine_without_its_graph_is_enough(engine: Path) -> None:
    engine.with_name("model.fp16.onnx").unlink()
    check_engine(engine, "encoder", FITTING)


def test_a_missing_or_damaged_manifest(engine: Path) -> None:
    manifest_path(engine).write_text('{"model": 3}')
    with pytest.raises(ModelError, match="is not a manifest .*flavour: Field required"):
        check_engine(engine, "encoder", FITTING)
    manifest_path(engine).unlink()
    with pytest.raises(ModelError, match=r"model\.plan\.json cannot be read"):
        check_engine(engine, "encoder", FITTING)


def test_gpus_are_read_from_the_drivers_lines() -> None:
    lines = ["NVIDIA H100 80GB HBM3, 9.0", "Card, with comma, 8.6", "[N/A]", ""]
    assert parse_gpus(lines) == (
        Gpu(name="NVIDIA H100 80GB HBM3", compute_capability="9.0"),
        Gpu(name="Card, with comma", compute_capability="8.6"),
    )


def test_tensorrts_version_is_that_of_its_file(tmp_path: Path) -> None:
    empty, there = tmp_path / "empty", tmp_path / "there"
    for folder, names in ((empty, ["libnvinfer.so", "libnvinfer.so.10"]), (there, ["libnvinfer.so.10.13.2"])):
        folder.mkdir()
        for name in names:
            (folder / name).touch()
    assert find_tensorrt([tmp_path / "absent", empty, there]) == "10.13.2"
    assert find_tensorrt([empty]) is None
