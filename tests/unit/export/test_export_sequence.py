"""A trained sequence model goes through the same exporter, and is served with its products."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mercato.cli.export import export_app as app
from mercato.models.sequence import SequenceModel, read_sequence_manifest
from mercato_export.errors import ExportError, ParityError, WeightsError
from mercato_export.networks.sequence import SequenceConfig, SequenceNetwork, save_sequence
from mercato_export.pipeline import export_model
from mercato_export.sequence import NextProductQuality, describe_sequence, draw_histories

IDS = [f"p{number}" for number in range(40)]


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    torch.manual_seed(5)
    network = SequenceNetwork(SequenceConfig(products=len(IDS), layers=2, max_length=20))
    for name, weights in network.named_parameters():
        if "distance" in name:
            torch.nn.init.normal_(weights)
    torch.nn.init.normal_(network.bias)
    save_sequence(tmp_path / "trained", network, IDS)
    return tmp_path / "trained"


def test_what_is_served_predicts_as_pytorch_does(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "sequence"
    result = CliRunner().invoke(app, ["sequence", "--weights", str(trained), "--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["serving"] == {"products": 40, "max_length": 20, "width": 64}
    assert manifest["outputs"] == [{"name": "state", "dtype": "float32", "shape": ["batch", 64]}]
    assert set(manifest["files"]) == {"model.onnx", "products.json", "products.safetensors"}

    network = describe_sequence(trained).module
    model = SequenceModel(out)
    histories = [[1], [5, 5, 40], list(range(1, 31))]
    indices, scores = model.next_products(histories, 5)
    for row, history in enumerate(histories):
        with torch.inference_mode():
            expected = network.score(network(torch.tensor([history[-20:]])), torch.arange(1, 41))[0].numpy()  # type: ignore[operator]
        np.testing.assert_allclose(scores[row], np.sort(expected)[::-1][:5], atol=1e-4)
        np.testing.assert_allclose(expected[indices[row]], scores[row], atol=1e-4)


def test_the_weight_that_was_chosen_is_kept(trained: Path, tmp_path: Path) -> None:
    network = describe_sequence(trained).module
    assert isinstance(network, SequenceNetwork)
    save_sequence(tmp_path / "weighed", network, IDS, weight=30.0)
    export_model(describe_sequence(tmp_path / "weighed"), target="onnx", out=tmp_path / "model", parity_source={})
    assert read_sequence_manifest(tmp_path / "model").serving.weight == 30.0


def test_how_late_its_events_were_is_kept(trained: Path, tmp_path: Path) -> None:
    export_model(describe_sequence(trained), target="onnx", out=tmp_path / "model", parity_source={})
    assert "last_event_time" not in read_sequence_manifest(tmp_path / "model").serving.model_fields_set
    (trained / "learned_from.json").write_text('{"last_event_time": 1320105600.0}')
    export_model(describe_sequence(trained), target="onnx", out=tmp_path / "model", parity_source={})
    assert read_sequence_manifest(tmp_path / "model").serving.last_event_time == 1_320_105_600.0


def test_half_precision_keeps_the_next_products(trained: Path, tmp_path: Path) -> None:
    manifest = export_model(describe_sequence(trained), target="fp16", out=tmp_path / "out", parity_source={})
    figures = manifest["parity"]["model.fp16.onnx"]
    assert figures["agreement of the top 10"]["value"] >= 0.98
    assert figures["cosine to PyTorch, minimum"]["value"] >= 0.999


def test_an_order_that_is_lost_is_refused(trained: Path, tmp_path: Path) -> None:
    exportable = describe_sequence(trained, tolerance=-0.1)
    with pytest.raises(ParityError, match="agreement of the top 10"):
        export_model(exportable, target="fp16", out=tmp_path / "out", parity_source={})
    assert not (tmp_path / "out").exists()


def test_agreement_is_the_share_that_is_found() -> None:
    vectors = np.eye(20, dtype=np.float32)
    quality = NextProductQuality(items=[], vectors=vectors, bias=np.zeros(20, np.float32), tolerance=0.1)
    expected = np.arange(20, 0, -1, dtype=np.float32)[None]
    other = expected.copy()
    other[0, [0, 19]] = other[0, [19, 0]]
    (figure,) = quality.compare(expected, other, precision="fp16")
    assert (figure.value, figure.limit, figure.passed) == (9 / 10, 0.9, True)


def test_int8_has_no_gate(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="sequence has no parity gate for int8; it can be exported to onnx, fp16"):
        export_model(describe_sequence(trained), target="int8", out=tmp_path / "out", parity_source={})


@pytest.mark.parametrize("name", ["products.json", "products.safetensors"])
def test_a_folder_without_products(trained: Path, name: str) -> None:
    (trained / name).unlink()
    with pytest.raises(WeightsError, match=f"lacks {name}; mercato train sequence writes all of them"):
        describe_sequence(trained)


def test_drawn_histories_have_every_length() -> None:
    lengths = [item["product_codes"].shape[1] for item in draw_histories(40, 20)]
    assert (min(lengths), max(lengths), len(set(lengths))) == (1, 20, 20)
