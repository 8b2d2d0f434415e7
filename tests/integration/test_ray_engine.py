"""`mercato encode --engine ray`: a local Ray in an environment of its own writes the vectors that one process does.

Ray takes 600 MB beside the packages of Mercato, so what development installs does not have it.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.integration.conftest import PATIENCE_S, ROOT

pytestmark = pytest.mark.slow

TEXTS = 300
INSTALL_PATIENCE_S = 600


@pytest.fixture(scope="module")
def ray_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `mercato` of an environment with Ray."""
    folder = tmp_path_factory.mktemp("ray")
    venv.create(folder, with_pip=True)
    wanted = ["-c", str(ROOT / "constraints.txt"), "-e", str(ROOT / "client"), "-e", f"{ROOT}[ray]"]
    subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *wanted],
        check=True,
        cwd=ROOT,
        timeout=INSTALL_PATIENCE_S,
    )
    return folder / "bin" / "mercato"


def encode(command: Path, encoder: Path, folder: Path, out: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Encode the file of a folder."""
    return subprocess.run(
        [command, "encode", "products.csv", "--out", out, "--encoder", encoder, "--json", *options],
        cwd=folder,
        env={**os.environ, "RAY_ADDRESS": "local"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def read_vectors(folder: Path) -> dict[int, list[float]]:
    """The vectors of all shards of a folder, by hash."""
    found: dict[int, list[float]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        arrays = load_file(file)
        found.update(zip(arrays["hashes"].tolist(), arrays["vectors"].tolist(), strict=True))
    return found


def test_tasks_of_ray_write_what_one_process_writes(ray_command: Path, encoder_folder: Path, tmp_path: Path) -> None:
    with (tmp_path / "products.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "title"])
        rows.writerows([number, f"{['red', 'oak'][number % 2]} lamp number {number}"] for number in range(TEXTS))
    alone = encode(Path(sys.executable).with_name("mercato"), encoder_folder, tmp_path, "alone")
    assert alone.returncode == 0, alone.stderr
    spread = encode(ray_command, encoder_folder, tmp_path, "spread", "--engine", "ray", "--shards", "3")
    assert spread.returncode == 0, spread.stderr

    told = json.loads(spread.stdout)
    assert (told["shards"], told["texts"], told["of"]) == (3, TEXTS, TEXTS)
    assert len(list((tmp_path / "spread").glob("vectors-*-of-3.safetensors"))) == 3
    expected, found = read_vectors(tmp_path / "alone"), read_vectors(tmp_path / "spread")
    assert len(found) == TEXTS
    assert found.keys() == expected.keys()
    # The same texts in batches of other lengths: sums run in another order.
    np.testing.assert_allclose([found[one] for one in expected], list(expected.values()), atol=1e-6)


def test_what_a_task_finds_wrong_is_said(ray_command: Path, encoder_folder: Path, tmp_path: Path) -> None:
    failed = encode(ray_command, encoder_folder, tmp_path, "none", "--engine", "ray", "--shards", "2")
    assert failed.returncode == 1
    assert "products.csv" in json.loads(failed.stdout)["error"]
