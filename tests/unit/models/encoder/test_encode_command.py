"""`mercato encode` and `mercato index --vectors` over a tiny exported encoder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mercato.cli.main import app
from mercato.index.snapshot import Snapshot
from tests.unit.export.tiny_encoder import make_texts

# What stands in a run beside a text moves the last bits of its vector.
TOLERANCE = 1e-6


@pytest.fixture
def products(tmp_path: Path) -> Path:
    path = tmp_path / "products.jsonl"
    rows = [{"id": f"p{number}", "title": text} for number, text in enumerate(make_texts()[:60])]
    path.write_text("\n".join(map(json.dumps, [*rows, {**rows[0], "id": "twin"}])))
    return path


def run(*arguments: object, status: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == status, result.output
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


def test_shards_of_a_file_are_what_an_index_takes(tmp_path: Path, products: Path, encoder_folder: Path) -> None:
    whole = run("index", products, "--out", tmp_path / "whole", "--encoder", encoder_folder)
    vectors = tmp_path / "vectors"
    shards = [
        run("encode", products, "--shard", f"{number}/3", "--out", vectors, "--encoder", encoder_folder)
        for number in (1, 2, 3)
    ]
    assert {shard["of"] for shard in shards} == {whole["texts"]}
    assert sum(shard["texts"] for shard in shards) == whole["texts"]

    taken = run("index", products, "--out", tmp_path / "taken", "--encoder", encoder_folder, "--vectors", vectors)

    assert taken["vectors"] == whole["texts"]
    assert "vectors" not in whole
    rows = np.arange(61)
    expected, found = (Snapshot(tmp_path / name).vectors(rows) for name in ("whole", "taken"))
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_a_missing_shard_is_named_and_its_texts_are_encoded(
    tmp_path: Path, products: Path, encoder_folder: Path
) -> None:
    run("encode", products, "--shard", "2/2", "--out", tmp_path / "vectors", "--encoder", encoder_folder)
    arguments = ["index", products, "--out", tmp_path / "out", "--encoder", encoder_folder]
    result = CliRunner().invoke(app, [*map(str, arguments), "--vectors", str(tmp_path / "vectors")])
    assert result.exit_code == 0, result.output
    assert "--vectors lack vectors-1-of-2: the texts of these shards are encoded here" in " ".join(
        result.stderr.split()
    )
    assert Snapshot(tmp_path / "out").manifest.products == 61


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encode", "--shard", "3/2"], "--shard: must be I/N"),
        (["encode", "--encode", "brand"], "--encode: must name title"),
        (["index", "--vectors", "nowhere"], "--vectors nowhere: has no vectors"),
    ],
)
def test_wrong_options_say_what_to_do(
    tmp_path: Path, products: Path, encoder_folder: Path, arguments: list[str], message: str
) -> None:
    command, *options = arguments
    printed = run(command, products, "--out", tmp_path / "out", "--encoder", encoder_folder, *options, status=1)
    assert message in printed["error"]
    assert not (tmp_path / "out").exists()


def test_vectors_are_not_written_over_a_file(tmp_path: Path, products: Path, encoder_folder: Path) -> None:
    printed = run("encode", products, "--out", products, "--encoder", encoder_folder, status=1)
    assert "is a file; give a folder for the vectors" in printed["error"]
