"""A folder that was exported for an engine alone still indexes and falls back: in full precision."""

import json
from pathlib import Path

import pytest

from mercato.errors import ModelError
from mercato.models.encoder import OnnxEncoder
from tests.adapters.tiny_models import write_encoder


def test_int8_is_taken_where_it_was_exported(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "encoder", 4, ["milk"])
    assert OnnxEncoder(folder).precision == "int8"
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["model.int8.onnx"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "model.int8.onnx").unlink()
    assert OnnxEncoder(folder).precision == "fp32"
    with pytest.raises(ModelError, match="model.int8.onnx is not in"):
        OnnxEncoder(folder, precision="int8")
