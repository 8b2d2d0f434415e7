"""The command line: one JSON document, one sentence on failure, an example in the help."""

import json
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from mercato.cli.export import export_app as app
from mercato.models.encoder import OnnxEncoder
from mercato_export.encoder import describe_encoder
from mercato_export.pipeline import export_model
from mercato_export.speed import measure_speed
from mercato_export.weights import locate_weights
from tests.unit.export.tiny_encoder import MAX_TOKENS, POSITIONS, TINY, make_texts, make_weights


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(f"{text} {number}" for number in range(6) for text in make_texts()))
    return file


def test_json_is_the_manifest_and_nothing_else(tmp_path: Path, texts: Path) -> None:
    weights = make_weights(tmp_path / "weights").folder
    out = tmp_path / "encoder"
    arguments = [
        "encoder",
        "--weights",
        str(weights),
        "--sha256",
        "",
        "--texts",
        str(texts),
        "--out",
        str(out),
        "--json",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == json.loads((out / "manifest.json").read_text())
    assert "comparing model.int8.onnx" in result.stderr
    assert OnnxEncoder(out).encode(["frozen pizza"]).shape == (1, 64)
    # the network has fewer positions than serving's usual limit
    assert json.loads(result.stdout)["serving"]["max_tokens"] == POSITIONS
    assert OnnxEncoder(out).encode(["tea " * 100]).shape == (1, 64)


def test_failure_is_one_sentence_and_status_1(tmp_path: Path, texts: Path) -> None:
    weights = make_weights(tmp_path / "weights").folder
    out = tmp_path / "encoder"
    result = CliRunner().invoke(app, ["encoder", "--weights", str(weights), "--texts", str(texts), "--out", str(out)])
    assert result.exit_code == 1
    assert "error: weights of" in result.stderr
    assert "must have sha256 53aa5117" in result.stderr
    assert "Traceback" not in result.output
    assert not out.exists()


@pytest.mark.parametrize("model", ["encoder", "ranker"])
def test_help_has_an_example(model: str) -> None:
    result = CliRunner().invoke(app, [model, "--help"])
    assert result.exit_code == 0
    assert f"Example: mercato export {model}" in result.stdout


def test_speed_compares_three_encoders_at_two_batch_sizes(tmp_path: Path) -> None:
    exportable = describe_encoder(make_weights(tmp_path / "weights"), make_texts(), max_tokens=MAX_TOKENS)
    export_model(exportable, target="int8", out=tmp_path / "encoder", parity_source={})
    lines: list[str] = []
    weights = locate_weights(TINY, folder=tmp_path / "weights", sha256="")
    threads = torch.get_num_threads()
    try:
        result = measure_speed(tmp_path / "encoder", weights, make_texts(), rounds=1, report=lines.append)
    finally:
        torch.set_num_threads(threads)
    assert {name: set(by_size) for name, by_size in result["ms_per_text"].items()} == {
        name: {"1", "32"} for name in ("int8", "fp32", "pytorch")
    }
    times = result["ms_per_text"]
    assert result["ratio"]["fp32"]["32"] == pytest.approx(times["fp32"]["32"] / times["int8"]["32"])
    assert [line.split(":")[0] for line in lines] == ["batch 1", "batch 32"]


def test_an_engine_in_one_command_and_again_in_another(tmp_path: Path, texts: Path) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed: pip install 'mercato[dev]'")
    weights, out = make_weights(tmp_path / "weights").folder, tmp_path / "encoder"
    build = ["--target", "tensorrt-rtx", "--compute-capability", "8.6", "--timing-cache", str(tmp_path / "cache")]
    named = ["--weights", str(weights), "--sha256", "", "--texts", str(texts), "--out", str(out)]
    result = CliRunner().invoke(app, ["encoder", *named, *build])
    assert result.exit_code == 0, result.stderr
    assert "compiling model.rtx.plan" in result.stderr
    (out / "model.rtx.plan.json").unlink()
    result = CliRunner().invoke(app, ["engine", str(out), *build, "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["engine"]["file"] == "model.rtx.plan"
    assert (out / "model.rtx.plan.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["engine", "absent"], "name a folder that mercato export wrote"),
        (["engine", ".", "--hardware-compatibility", "some"], "--hardware-compatibility: must be one of none, ampere"),
        (["config", "--repository", "absent"], "--repository: .* cannot be written"),
    ],
)
def test_other_commands_fail_in_one_sentence(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert re.search(words, result.stderr.replace("\n", " "))
    assert "Traceback" not in result.output
