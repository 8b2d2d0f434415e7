"""The commands of docs/bring-your-own-catalogue.md run as they stand: only the server's address is another."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer
from tests.integration.conftest import MERCATO, PATIENCE_S, ROOT

pytestmark = pytest.mark.triton
DOCUMENT = (ROOT / "docs" / "bring-your-own-catalogue.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", DOCUMENT, re.DOTALL)


def run(commands: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euc", commands.replace(".venv/bin/mercato", shlex.quote(str(MERCATO)))],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * PATIENCE_S,
    )
    assert done.returncode == 0, f"{commands}\n{done.stderr}"
    return done.stdout


def test_from_a_file_to_an_evaluated_search(_triton: None, encoder_folder: Path, tmp_path: Path) -> None:
    files, index, report, serve, search, first, second = BLOCKS
    (tmp_path / "var" / "models").mkdir(parents=True)
    (tmp_path / "var" / "models" / "encoder").symlink_to(encoder_folder)
    run(files, tmp_path)
    assert "10" in run(index, tmp_path)
    assert "products without a price" not in (told := run(report, tmp_path)) and "no product has" in told
    assert (tmp_path / "var" / "mine" / "report" / "report.html").is_file()

    given = dict(zip(shlex.split(serve)[2::2], shlex.split(serve)[3::2], strict=True))
    options = ServerOptions(
        catalog=tmp_path / given["--catalog"],
        state=f"sqlite:{tmp_path / given['--state'].removeprefix('sqlite:')}",
        encoder=encoder_folder,
        ports=Ports(grpc=0, http=0, metrics=0),
        stop_timeout_s=1.0,
    )
    with TritonServer(options) as server:
        address = f" --server {server.grpc_address}"
        lamps, kettles, pans = (run(line + address, tmp_path) for line in search.splitlines())
        assert "Desk lamp with clamp" in lamps
        assert "whistling kettle" in kettles and "Electric kettle" not in kettles  # 28.90 and 34.90: cents were divided
        assert "Cast iron frying pan" in pans and "saucepan" not in pans
        assert "ndcg@10" in run(first.rstrip() + address, tmp_path)
        compared = json.loads(run(second.rstrip() + address + " --json", tmp_path))

    assert (tmp_path / "var" / "mine" / "first" / "report.html").is_file()
    assert compared["queries"] == 5
    assert compared["metrics"]["ndcg@10_condensed"] > 0.7
    assert compared["against"]["gain"]["ndcg@10"]["queries"] == 5
