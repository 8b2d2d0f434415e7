"""The wheels, installed outside the checkout, are the whole product: from CSV files to an answer, as the README says.

What the wheels need from others (torch, Triton) is taken from the environment that runs the tests, so that it is not
installed a second time; Mercato itself is not.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import PATIENCE_S, ROOT

pytestmark = [pytest.mark.slow]

# Exporting the encoder takes half a minute on a machine that does nothing else.
LONG_PATIENCE_S = 8 * PATIENCE_S
PACKAGES = ("mercato", "mercato_export", "mercato_training", "mercato_client")
COLOURS = ("black", "white", "red", "green", "blue", "oak", "steel", "copper", "grey", "yellow")
THINGS = ("desk lamp", "floor lamp", "kettle", "frying pan", "office chair", "bookshelf", "coffee mug", "wall clock")
KINDS = ("small", "large", "folding", "electric", "wooden", "waterproof", "vintage")


@dataclass(frozen=True, kw_only=True)
class Installed:
    """An environment that has Mercato from its wheels alone.

    Attributes:
        folder: where its commands are run, outside the checkout.
        python: its interpreter.
        wheels: what was built, by distribution.
    """

    folder: Path
    python: Path
    wheels: dict[str, Path]

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start the command `mercato`."""
        command = [str(self.python.with_name("mercato")), *map(str, arguments)]
        outputs: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=_clean_environment(), **outputs)

    def run(self, *arguments: str | Path) -> dict[str, Any]:
        """Run the command `mercato` with `--json`; its document."""
        with self.start(*arguments, "--json") as process:
            stdout, stderr = process.communicate(timeout=LONG_PATIENCE_S)
        assert process.returncode == 0, f"mercato {arguments[0]} {arguments[1]}: {stdout}{stderr}"
        document: dict[str, Any] = json.loads(stdout)
        return document


def _clean_environment() -> dict[str, str]:
    left_out = ("PYTHONPATH", "VIRTUAL_ENV", "MERCATO_", "COVERAGE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env=_clean_environment(), capture_output=True, text=True, timeout=LONG_PATIENCE_S
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheels and install them into an empty environment."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    alone = ["-q", "--no-deps", "--no-index"]
    _run(
        [*pip, "wheel", *alone, "--no-build-isolation", "--wheel-dir", "built", str(ROOT / "client"), str(ROOT)], folder
    )
    wheels = {path.name.partition("-")[0]: path for path in sorted((folder / "built").glob("*.whl"))}
    assert set(wheels) == {"mercato", "mercato_client"}
    venv.create(folder / "environment", with_pip=False, symlinks=True)
    python = folder / "environment" / "bin" / "python"
    _run([*pip, "--python", str(python), "install", *alone, *map(str, wheels.values())], folder)
    inside = Path(_run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip())
    # A folder that a .pth file names is searched last, and its own .pth files (the checkout's) are not read.
    (inside / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(folder=folder, python=python, wheels=wheels)


def test_the_wheel_holds_packages_models_and_templates(installed: Installed) -> None:
    names = set(zipfile.ZipFile(installed.wheels["mercato"]).namelist())
    for package in ("mercato", "mercato_export", "mercato_training"):
        assert f"{package}/__init__.py" in names
    models = {str(path.relative_to(ROOT)) for path in (ROOT / "model_repository").rglob("*") if path.is_file()}
    models = {name for name in models if "__pycache__" not in name}
    assert len(models) > 30 and {f"mercato/{name}" for name in models} <= names
    other = {
        str(path.relative_to(source))
        for source in (ROOT / "src", ROOT / "export" / "src", ROOT / "training" / "src")
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "mercato/evaluation/report.html.jinja" in other and "mercato/filters/grammar.lark" in other
    assert other <= names


def test_mercato_comes_from_the_wheels_and_from_nowhere_else(installed: Installed) -> None:
    code = "import importlib, sys\nfor name in sys.argv[1:]: print(importlib.import_module(name).__file__)"
    files = _run([str(installed.python), "-c", code, *PACKAGES], installed.folder).splitlines()
    assert len(files) == len(PACKAGES)
    for file in files:
        assert Path(file).is_relative_to(installed.folder / "environment"), file


def list_commands() -> list[list[str]]:
    """Return the words of the commands of the README's "Your own shop", `mercato` left out."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = [shlex.split(line)[1:] for line in readme.splitlines() if line.startswith("    mercato ")]
    assert [words[0] for words in found] == ["export", "events", "index", "serve"]
    return found


def write_products(path: Path) -> int:
    """Write a shop's file of products; return how many."""
    rows = list(itertools.product(KINDS, COLOURS, THINGS))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "name", "price"))
        writer.writerows(
            (f"P{number:03}", f"{kind} {colour} {thing}", 5 + number % 90)
            for number, (kind, colour, thing) in enumerate(rows)
        )
    return len(rows)


def write_purchases(path: Path) -> None:
    """Write purchases of thirty customers, each of four things of one kind, again and again."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("customer", "product_id", "event_type", "time"))
        for customer, day in itertools.product(range(30), range(1, 29)):
            product = (customer % len(THINGS) + len(THINGS) * (day % 4 * 3 + customer)) % 560
            moment = f"2026-01-{day:02}T10:00:00Z"
            writer.writerow((f"c{customer}", f"P{product:03}", "purchase-complete", moment))


@contextmanager
def served(installed: Installed, *options: str | Path) -> Iterator[str]:
    """Serve with the command; yield the address, and stop it as a person does."""
    process = installed.start("serve", *options, "--port", "0", "--http-port", "0", "--metrics-port", "0", "--json")
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield json.loads(line)["grpc"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LONG_PATIENCE_S)


@pytest.mark.triton
def test_from_a_file_to_an_answer_by_commands_alone(installed: Installed, _triton: None) -> None:
    count = write_products(installed.folder / "products.csv")
    write_purchases(installed.folder / "purchases.csv")
    state = ("--state", "sqlite:state.db")
    exporting, importing, indexing, serving = list_commands()

    exported = installed.run(*exporting)
    assert set(exported["files"]) >= {"model.onnx", "model.int8.onnx"}
    installed.run(*importing)
    assert installed.run(*indexing)["products"] == count
    few = ("--window-days", "7", "--snapshot-dates", "1", "--searches", "0", "--epochs", "1", "--members", "1")
    trained = installed.run("train", "ranker", "--catalog", "catalog", *state, *few, "--out", "trained")
    assert trained["results"]["recommend"]["ranker"]["ndcg@10"]["mean"] > 0
    assert "Mercato ranker" in (installed.folder / "trained" / "MODEL_CARD.md").read_text()
    installed.run("export", "ranker", "--weights", "trained", "--out", "ranker")
    with served(installed, *serving[1:]) as address:
        found = installed.run("search", "folding oak bookshelf", "--server", address)
        assert "folding oak bookshelf" in json.dumps(found["results"][0])
        recommended = installed.run("recommend", "--user", "c3", "--server", address)
        assert recommended["results"]
