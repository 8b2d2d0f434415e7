"""Before a server starts: engines fit, are built again, give way to ONNX, or stop the start."""

import json
import logging
from pathlib import Path

import pytest

from mercato.errors import ModelError
from mercato.models.engine.machine import Gpu, Machine
from mercato.models.engine.manifest import manifest_path
from mercato.serving.command import build_settings
from mercato.serving.diagnosis import Status, check_engines
from mercato.serving.engines import ServedEngines, list_engine_models, prepare_engines, run_exporter
from mercato.serving.options import ServerOptions
from mercato.serving.repository import project_repository, read_config, stage_repository

CAPABILITY = "8.6"
MACHINE = Machine(gpus=(Gpu(name="GPU", compute_capability=CAPABILITY),), tensorrt="10.9.0")


def write_engine(folder: Path, model: str, *, capability: str = CAPABILITY) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "model.plan").write_bytes(b"engine")
    described = {
        "schema_version": 1,
        "model": model,
        "engine": {"file": "model.plan", "bytes": 6, "sha256": "0" * 64},
        "onnx": {"file": "model.fp16.onnx", "bytes": 1, "sha256": "0" * 64},
        "flavour": "tensorrt",
        "version": "10.9.0.34",
        "compute_capabilities": [capability],
        "precision": "fp16",
        "buckets": [16, 64],
        "profiles": [],
        "parity": {},
        "built": "2026-01-01T00:00:00+00:00",
        "build_seconds": 1.0,
    }
    manifest_path(folder / "model.plan").write_text(json.dumps(described))


@pytest.fixture
def options(tmp_path: Path) -> ServerOptions:
    write_engine(tmp_path / "encoder", "encoder")
    write_engine(tmp_path / "ranker", "ranker")
    return ServerOptions(catalog=tmp_path, encoder=tmp_path / "encoder", ranker=tmp_path / "ranker", profile="default")


def test_default_profile_has_two_engines_and_the_others_none(options: ServerOptions) -> None:
    assert list_engine_models(options) == ["encoder", "ranker"]
    assert list_engine_models(options.model_copy(update={"profile": "cpu"})) == []
    assert list_engine_models(options.model_copy(update={"ranker": None})) == ["encoder"]
    assert list_engine_models(options.model_copy(update={"models": ("search", "ranker")})) == ["ranker"]


def test_fitting_engines_give_their_buckets_to_their_callers(options: ServerOptions) -> None:
    served = prepare_engines(options, machine=MACHINE)
    assert served == ServedEngines(buckets={"encoder": (16, 64), "ranker": (16, 64)})
    assert build_settings(options, served.buckets)["buckets"] == {"encoder": [16, 64], "ranker": [16, 64]}


def test_cpu_profiles_need_no_engine_and_pad_nothing(tmp_path: Path) -> None:
    for profile in ("cpu", "cpu-bls"):
        options = ServerOptions(catalog=tmp_path, encoder=tmp_path / "absent", profile=profile)
        assert prepare_engines(options, machine=Machine()) == ServedEngines()
        assert "buckets" not in build_settings(options, {})


def test_a_start_with_an_engine_of_another_gpu_is_refused_with_the_ways_out(options: ServerOptions) -> None:
    assert options.ranker is not None
    write_engine(options.ranker, "ranker", capability="9.0")
    with pytest.raises(ModelError, match="compute capability 9.0, GPU has 8.6; rebuild it: .*; or start with --reb"):
        prepare_engines(options, machine=MACHINE)


def test_fallback_serves_that_model_alone_from_onnx(options: ServerOptions, caplog: pytest.LogCaptureFixture) -> None:
    assert options.ranker is not None
    write_engine(options.ranker, "ranker", capability="9.0")
    with caplog.at_level(logging.WARNING):
        served = prepare_engines(options.model_copy(update={"fallback": True}), machine=MACHINE)
    assert served == ServedEngines(fallback=frozenset({"ranker"}), buckets={"encoder": (16, 64)})
    assert "ranker: served from ONNX on CPU" in caplog.text


def test_rebuild_builds_what_does_not_fit_and_nothing_else(options: ServerOptions) -> None:
    assert options.ranker is not None
    write_engine(options.ranker, "ranker", capability="9.0")
    built: list[Path] = []

    def rebuild(folder: Path) -> None:
        built.append(folder)
        write_engine(folder, "ranker")

    served = prepare_engines(options.model_copy(update={"rebuild": True}), machine=MACHINE, rebuild=rebuild)
    assert built == [options.ranker]
    assert served.buckets["ranker"] == (16, 64)


def test_what_still_does_not_fit_after_rebuilding_is_refused(options: ServerOptions) -> None:
    assert options.ranker is not None
    write_engine(options.ranker, "ranker", capability="9.0")
    with pytest.raises(ModelError, match="does not fit.*; or start with --fallback to serve"):
        prepare_engines(options.model_copy(update={"rebuild": True}), machine=MACHINE, rebuild=lambda _: None)


def test_a_failing_exporter_is_told_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be built again \(.*manifest.json cannot be read"):
        run_exporter(tmp_path)


def test_a_model_that_falls_back_is_staged_with_its_cpu_configuration(tmp_path: Path) -> None:
    staged = stage_repository(
        project_repository(), tmp_path / "staged", profile="default", models=["ranker"], fallback={"ranker"}
    )
    assert [(model.backend, model.instances) for model in staged] == [("python", 2)]
    assert read_config(tmp_path / "staged" / "ranker", "default") == read_config(
        project_repository() / "ranker", "cpu-bls"
    )


def test_doctor_says_which_engine_fits(options: ServerOptions, tmp_path: Path) -> None:
    assert options.encoder is not None and options.ranker is not None
    write_engine(options.ranker, "ranker", capability="9.0")
    folders = {"encoder": options.encoder, "ranker": options.ranker, "reranker": tmp_path / "absent"}
    fits, wrong, absent = check_engines(folders, MACHINE)
    assert (fits.status, wrong.status, absent.status) == (Status.OK, Status.WARNING, Status.ABSENT)
    assert "TensorRT 10.9.0.34, fp16" in fits.detail
    assert "built for compute capability 9.0, GPU has 8.6" in wrong.detail
    assert wrong.remedy.startswith("rebuild it: mercato export")
    assert absent.remedy.endswith(
        f"mercato export reranker --weights DIR --target tensorrt --out {tmp_path / 'absent'}"
    )
