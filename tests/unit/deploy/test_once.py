"""`once`: a step of the compose project runs until its output is there, and no more."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.deploy.dockerfile import REPOSITORY

ONCE = REPOSITORY / "deploy" / "docker" / "once.sh"


def run_once(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run([str(ONCE), *words], cwd=folder, env=environment, capture_output=True, text=True)


def count_runs(folder: Path) -> int:
    ran = folder / "ran"
    return len(ran.read_text().splitlines()) if ran.exists() else 0


def make(output: str) -> tuple[str, ...]:
    """A step that writes its output and a line for each run."""
    return output, "sh", "-c", f"echo x >> ran; echo made > {output}"


def test_it_runs_until_the_output_is_there(tmp_path: Path) -> None:
    assert [run_once(tmp_path, *make("model")).returncode for _ in range(3)] == [0, 0, 0]
    assert count_runs(tmp_path) == 1


def test_rebuild_runs_it_again(tmp_path: Path) -> None:
    run_once(tmp_path, *make("model"))
    assert run_once(tmp_path, *make("model"), REBUILD="1").returncode == 0
    assert count_runs(tmp_path) == 2
    # As Compose passes a variable that is not set.
    run_once(tmp_path, *make("model"), REBUILD="")
    assert count_runs(tmp_path) == 2


def test_a_failure_is_passed_on_and_leaves_no_mark(tmp_path: Path) -> None:
    assert run_once(tmp_path, "events.done", "sh", "-c", "exit 3").returncode == 3
    assert not (tmp_path / "events.done").exists()


def test_a_mark_is_made_for_a_command_that_makes_no_file(tmp_path: Path) -> None:
    words = ("events.done", "sh", "-c", "echo x >> ran")
    assert [run_once(tmp_path, *words).returncode for _ in range(2)] == [0, 0]
    assert count_runs(tmp_path) == 1


def test_success_without_the_output_is_a_failure(tmp_path: Path) -> None:
    done = run_once(tmp_path, "model.plan", "true")
    assert done.returncode == 70
    assert "model.plan is not there" in done.stderr
    assert not (tmp_path / "model.plan").exists()


def test_without_what_it_needs_there_is_nothing_to_do(tmp_path: Path) -> None:
    done = run_once(tmp_path, *make("model"), NEEDS="events.parquet")
    assert (done.returncode, count_runs(tmp_path)) == (0, 0)
    assert "events.parquet is not there" in done.stdout
    (tmp_path / "events.parquet").touch()
    run_once(tmp_path, *make("model"), NEEDS="events.parquet")
    assert count_runs(tmp_path) == 1


def test_arguments_with_spaces_stay_whole(tmp_path: Path) -> None:
    assert run_once(tmp_path, "a b", "touch", "a b").returncode == 0
    assert (tmp_path / "a b").exists()


@pytest.mark.parametrize("words", [(), ("model",)])
def test_it_says_what_it_needs(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert run_once(tmp_path, *words).returncode == 64
