import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mercato.serving.run_folder import (
    OWNER_FILE,
    create_run_folder,
    is_running,
    remove_run_folder,
    sweep_stale_runs,
)
from mercato.serving.shared_memory import regions, remove_regions


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def shared_memory(tmp_path: Path) -> Path:
    folder = tmp_path / "shm"
    folder.mkdir()
    return folder


def ended_process() -> tuple[int, float]:
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(process.pid).create_time()
    process.communicate(b"\n")
    return process.pid, started


def write_run(root: Path, name: str, pid: int, started: float, prefix: str) -> Path:
    run = root / name
    run.mkdir(parents=True)
    (run / OWNER_FILE).write_text(json.dumps({"pid": pid, "started": started, "prefix": prefix}))
    return run


def test_run_folders_are_private_and_never_the_same(root: Path) -> None:
    one, other = create_run_folder(root), create_run_folder(root)
    assert one.path != other.path
    assert not one.prefix.startswith(other.prefix)
    assert not other.prefix.startswith(one.prefix)
    assert root.stat().st_mode & 0o777 == 0o700
    assert one.path.stat().st_mode & 0o777 == 0o700


def test_owner_is_this_process(root: Path) -> None:
    folder = create_run_folder(root)
    owner = json.loads((folder.path / OWNER_FILE).read_text())
    assert owner["pid"] == os.getpid()
    assert is_running(owner["pid"], owner["started"])


def test_removed_folder_is_gone(root: Path) -> None:
    folder = create_run_folder(root)
    remove_run_folder(folder)
    assert list(root.iterdir()) == []
    remove_run_folder(folder)  # a second time does no harm


def test_what_an_ended_owner_left_is_removed_with_its_shared_memory(root: Path, shared_memory: Path) -> None:
    write_run(root, "run-dead", *ended_process(), "mercato_dead_")
    for name in ("mercato_dead_1", "mercato_dead_2", "mercato_other_1", "unrelated"):
        (shared_memory / name).write_text("")
    assert sweep_stale_runs(root, shared_memory) == ["run-dead"]
    assert list(root.iterdir()) == []
    assert sorted(path.name for path in shared_memory.iterdir()) == ["mercato_other_1", "unrelated"]


def test_folders_of_living_owners_stay(root: Path, shared_memory: Path) -> None:
    alive = psutil.Process()
    write_run(root, "run-alive", alive.pid, alive.create_time(), "mercato_alive_")
    (shared_memory / "mercato_alive_1").write_text("")
    assert sweep_stale_runs(root, shared_memory) == []
    assert regions("mercato_alive_", shared_memory) == [shared_memory / "mercato_alive_1"]


def test_owner_whose_id_was_given_to_another_process_is_gone(root: Path, shared_memory: Path) -> None:
    this = psutil.Process()
    write_run(root, "run-reused", this.pid, this.create_time() - 3600.0, "mercato_reused_")
    assert sweep_stale_runs(root, shared_memory) == ["run-reused"]


@pytest.mark.parametrize("prefix", ["", "mercato_", "psm_"])
def test_owner_with_a_prefix_that_could_be_anybodys_is_left_alone(root: Path, shared_memory: Path, prefix: str) -> None:
    run = write_run(root, "run-odd", *ended_process(), prefix)
    (shared_memory / "psm_1").write_text("")
    assert sweep_stale_runs(root, shared_memory) == []
    assert run.is_dir()
    assert (shared_memory / "psm_1").exists()


def test_folder_without_an_owner_may_be_in_the_making_and_stays(root: Path, shared_memory: Path) -> None:
    (root / "run-new").mkdir(parents=True)
    (root / "run-broken").mkdir()
    (root / "run-broken" / OWNER_FILE).write_text("{")
    assert sweep_stale_runs(root, shared_memory) == []
    assert len(list(root.iterdir())) == 2


def test_regions_are_never_removed_without_a_prefix(shared_memory: Path) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        remove_regions("", shared_memory)
    assert regions("any", shared_memory / "missing") == []
