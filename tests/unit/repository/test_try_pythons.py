"""`make test-pythons`: which Pythons it takes, what it copies, what it reports."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import environment, try_pythons
from tools.environment import Interpreter
from tools.try_pythons import Outcome

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

OLDEST, NEWEST = environment.SUPPORTED[0], environment.SUPPORTED[-1]
PLAIN = Interpreter("/usr/bin/python3", (*OLDEST, 2), True, "/usr/lib/libpython3.so", None)
SHARED = Interpreter("/opt/python3", (*OLDEST, 7), True, "/opt/libpython3.so", ".".join(map(str, (*OLDEST, 7))))
OTHER = Interpreter("/opt/python3.y", (3, OLDEST[1] - 1, 1), True, "/opt/libpython3.so", f"3.{OLDEST[1] - 1}.1")
OK = Outcome("setup", True, 27.6, "setup: done")
BROKEN = Outcome("test", False, 300.2, "1 failed, 7 passed")

# A stand-in for the project's Makefile: each target proves which Python and which options it was given.
MAKEFILE = """
setup:
\t@echo "made with $(PYTHON)"
demo:
\t@echo "an answer"; echo "======="
test:
\t@echo "given: $(ARGS)"; exit 3
"""


def git(folder: Path, *arguments: str) -> None:
    names = {f"GIT_{role}_{part}": "x" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    subprocess.run(["git", *arguments], cwd=folder, check=True, env={**os.environ, **names}, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a commit and changes that are not committed."""
    root = tmp_path / "checkout"
    root.mkdir()
    for name, text in {
        "Makefile": MAKEFILE,
        "changed": "old",
        "gone": "",
        "removed": "",
        ".gitignore": "var/\n.venv/\n",
    }.items():
        (root / name).write_text(text)
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "first")
    (root / "changed").write_text("new")
    (root / "gone").unlink()
    git(root, "rm", "--quiet", "removed")
    (root / "folder").mkdir()
    (root / "folder" / "added").write_text("")
    (root / ".venv").mkdir()
    (root / ".venv" / "kept").write_text("")
    monkeypatch.setattr(try_pythons, "ROOT", root)
    monkeypatch.setattr(try_pythons, "CHECKOUTS", root / "var" / "pythons")
    return root


def test_one_python_is_tried_for_each_supported_version() -> None:
    assert try_pythons.choose_each([OTHER, PLAIN, SHARED]) == {SHARED.minor: SHARED}
    assert try_pythons.choose_each([OTHER]) == {}


def test_pythons_of_pyenv_are_found_without_being_switched_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minor = f"{NEWEST[0]}.{NEWEST[1]}"
    installed = tmp_path / "versions" / f"{minor}.1" / "bin" / f"python{minor}"
    installed.parent.mkdir(parents=True)
    installed.touch()
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert try_pythons.find_candidates() == [*environment.CANDIDATES, str(installed)]


def test_a_checkout_has_the_files_of_the_working_tree_and_keeps_its_own(checkout: Path) -> None:
    folder = checkout / "var" / "pythons" / "3.x"
    try_pythons.update_checkout(folder)
    (folder / ".venv").mkdir()
    (folder / "folder" / "stale").write_text("")
    try_pythons.update_checkout(folder)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {name for name in files if not name.startswith(".git/")} == {
        ".gitignore",
        "Makefile",
        "changed",
        "folder/added",
    }
    assert (folder / "changed").read_text() == "new"
    assert (folder / ".venv").is_dir()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_steps_run_in_their_checkout_and_their_end_is_told(checkout: Path) -> None:
    outcomes = try_pythons.try_python(SHARED, try_pythons.STEPS, "-k some")
    folder = checkout / "var" / "pythons" / SHARED.minor
    log = folder.with_name(f"{SHARED.minor}-test.log")
    assert [(one.step, one.passed) for one in outcomes] == [("setup", True), ("demo", True), ("test", False)]
    assert outcomes[0].summary == f"made with {SHARED.executable}"
    assert outcomes[1].summary == "an answer"
    assert "given: -k some" in log.read_text()
    assert outcomes[2].summary.endswith(f"({log})")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_nothing_follows_a_setup_that_failed(checkout: Path) -> None:
    (checkout / "Makefile").write_text("setup:\n\tfalse\n")
    assert [(one.step, one.passed) for one in try_pythons.try_python(SHARED, try_pythons.STEPS, "")] == [
        ("setup", False)
    ]


def test_the_table_has_a_line_for_each_python() -> None:
    table = try_pythons.format_table({"3.11.7": [OK, BROKEN], "3.12": []}, ["setup", "demo", "test"])
    assert table.splitlines() == [
        "Python  setup      demo       test",
        "3.11.7  ok 28 s    -          FAILED 300 s",
        "3.12    not found  not found  not found",
    ]


def test_a_failure_or_nothing_tried_ends_non_zero() -> None:
    assert not try_pythons.has_failed({"3.11.7": [OK], "3.12": []})
    assert try_pythons.has_failed({"3.11.7": [OK, BROKEN]})
    assert try_pythons.has_failed({"3.12": []})
