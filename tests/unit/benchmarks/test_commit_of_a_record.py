"""A result names the commit that it was measured on, and says when the code differed from it."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.harness import record


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    for name in ("code.py", "README.md", "benchmarks/results/load.json"):
        (tmp_path / name).write_text("1\n")
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(record, "REPOSITORY", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "dirty"),
    [("", False), ("code.py", True), ("README.md", False), ("benchmarks/results/load.json", False), ("new.txt", False)],
)
def test_a_commit_is_dirty_where_what_runs_differs(checkout: Path, changed: str, dirty: bool) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
    if changed:
        (checkout / changed).write_text("2\n")
    assert record.read_commit() == head.stdout[:12] + ("-dirty" if dirty else "")


def test_outside_of_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "REPOSITORY", tmp_path)
    assert record.read_commit() == ""
