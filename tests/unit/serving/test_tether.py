import os
import subprocess
import sys
from pathlib import Path

import pytest

from mercato.serving import tether

WRITE = """
import sys
for path in sys.argv[1:]:
    try:
        open(path, "w").close()
        print("made")
    except PermissionError:
        print("refused")
"""
FORBID = "from mercato.serving.tether import forbid_files; import sys; forbid_files(sys.argv.pop(1), [sys.argv.pop(1)])"


def run_tethered(
    parent: int, *program: str, secret: str = "", folders: str = "/nowhere"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", "-E", tether.__file__, str(parent), folders, *program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, tether.SECRET_VARIABLE: secret},
    )


def test_program_takes_the_place_of_the_child() -> None:
    run = run_tethered(os.getpid(), "/bin/sh", "-c", "echo $PPID $0", "argument")
    assert run.stdout == f"{os.getpid()} argument\n"


def test_program_is_not_started_when_the_parent_has_already_ended() -> None:
    ended = run_tethered(os.getpid() + 1, "/bin/echo", "started")
    assert (ended.returncode, ended.stdout) == (1, "")


def test_secret_is_an_argument_and_no_longer_a_variable() -> None:
    shown = f"echo $0; env | grep -c {tether.SECRET_VARIABLE}"
    run = run_tethered(os.getpid(), "/bin/sh", "-c", shown, "--key={secret}", secret="opens")
    assert run.stdout == "--key=opens\n0\n"


def test_files_can_be_made_below_what_is_allowed_alone(tmp_path: Path) -> None:
    if not tether.landlock_version():
        pytest.skip("this kernel has no Landlock (Linux 5.13 and later)")
    for folder in ("shared/run", "shared/other", "beside"):
        (tmp_path / folder).mkdir(parents=True)
    paths = [tmp_path / name / "file" for name in ("shared/run", "shared/other", "shared", "beside")]
    script = [sys.executable, "-c", f"{FORBID}\n{WRITE}", str(tmp_path / "shared"), str(tmp_path / "shared" / "run")]
    run = subprocess.run([*script, *map(str, paths)], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["made", "refused", "refused", "made"]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [(tether.TEMPORARY, True), ("/", True), (f"{tether.TEMPORARY}/shop", False), ("/var/lib/shop", False)],
)
def test_folders_that_hold_the_temporary_one_are_told_from_the_rest(folder: str, expected: bool) -> None:
    assert tether.holds_temporary(folder) is expected


def test_temporary_files_of_others_cannot_be_made_by_the_program(tmp_path: Path) -> None:
    if not tether.landlock_version():
        pytest.skip("this kernel has no Landlock (Linux 5.13 and later)")
    index = Path(tether.TEMPORARY) / f"mercato-test-{os.getpid()}"
    paths = [str(index), str(tmp_path / "file")]
    run = run_tethered(os.getpid(), sys.executable, "-c", WRITE, *paths, folders=f"/nowhere{os.pathsep}{tmp_path}")
    assert run.stdout.split() == ["refused", "made"]
