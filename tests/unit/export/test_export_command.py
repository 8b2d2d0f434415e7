"""The command line: one JSON document, one sentence on failure, an example in the help."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from export.__main__ import app
from mercato.encoder import OnnxEncoder
from tests.unit.export.tiny_encoder import make_texts, make_weights


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


def test_failure_is_one_sentence_and_status_1(tmp_path: Path, texts: Path) -> None:
    weights = make_weights(tmp_path / "weights").folder
    out = tmp_path / "encoder"
    result = CliRunner().invoke(app, ["encoder", "--weights", str(weights), "--texts", str(texts), "--out", str(out)])
    assert result.exit_code == 1
    assert "export failed: weights of" in result.stderr
    assert "must have sha256 53aa5117" in result.stderr
    assert "Traceback" not in result.output
    assert not out.exists()


@pytest.mark.parametrize("model", ["encoder", "ranker"])
def test_help_has_an_example(model: str) -> None:
    result = CliRunner().invoke(app, [model, "--help"])
    assert result.exit_code == 0
    assert f"Example: python -m export {model}" in result.stdout
