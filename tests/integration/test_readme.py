"""The README's blocks run as they stand: only the server's address is another."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mercato.serving.server import TritonServer
from tests.integration.conftest import MERCATO, PATIENCE_S, ROOT, Shop

pytestmark = pytest.mark.triton
README = (ROOT / "README.md").read_text(encoding="utf-8")


def python_block() -> str:
    found = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(found) == 1, "the README has one Python block"
    return str(found[0])


def indented_commands(beginning: str) -> list[str]:
    """The indented lines of the README that begin with a command."""
    return [line.strip() for line in README.splitlines() if line.startswith("    " + beginning)]


def run(command: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def test_the_python_block_prints_products(shop_server: TritonServer, tmp_path: Path) -> None:
    block = python_block()
    assert '"127.0.0.1:8001"' in block
    script = tmp_path / "first.py"
    script.write_text(block.replace("127.0.0.1:8001", shop_server.grpc_address), encoding="utf-8")

    lines = run(f"{shlex.quote(sys.executable)} {script}", tmp_path).splitlines()

    assert len(lines) == 6, "three products found, three recommended"
    assert lines[0].startswith("1 ")
    assert "pizza" in lines[0].lower()


def test_curl_gets_an_answer(shop_server: TritonServer, tmp_path: Path) -> None:
    (command,) = indented_commands("curl ")
    answer = run(command.replace("localhost:8000", shop_server.http_address), tmp_path)
    assert '"PRODUCT_ID"' in answer
    assert "pizza" in answer.lower()


@pytest.mark.parametrize(
    "command", indented_commands(".venv/bin/mercato search") + indented_commands(".venv/bin/mercato rec")
)
def test_the_command_line_asks(shop_server: TritonServer, tmp_path: Path, command: str) -> None:
    asked = command.replace(".venv/bin/mercato", str(MERCATO)) + f" --server {shop_server.grpc_address}"
    assert "products" in run(asked, tmp_path)


def test_a_shop_of_ones_own_in_the_commands_given(shop: Shop, tmp_path: Path) -> None:
    """Import, index and the options of serve, on files with the columns that the README's options name."""
    shop.products.drop(columns=["categories"]).rename(columns={"title": "name"}).to_csv(
        tmp_path / "products.csv", index=False
    )
    pd.DataFrame(
        {
            "customer": ["c1", "c1", "c2"],
            "product_id": shop.products["id"].head(3),
            "event_type": "purchase-complete",
            "time": "2026-01-05T10:00:00Z",
        }
    ).to_csv(tmp_path / "purchases.csv", index=False)
    (imported,) = indented_commands("mercato events import")
    (indexed,) = indented_commands("mercato index")
    (served,) = indented_commands("mercato serve")
    (tmp_path / "var" / "models").mkdir(parents=True)
    (tmp_path / "var" / "models" / "encoder").symlink_to(shop.encoder)
    for command in (imported, indexed):
        run(command.replace("mercato", str(MERCATO), 1), tmp_path)
    options = dict(zip(shlex.split(served)[2::2], shlex.split(served)[3::2], strict=True))
    assert (tmp_path / options["--catalog"] / "manifest.json").is_file()
    assert (tmp_path / options["--state"].removeprefix("sqlite:")).is_file()
