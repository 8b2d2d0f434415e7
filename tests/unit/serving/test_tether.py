import os
import subprocess
import sys

from mercato.serving import tether


def run_tethered(parent: int) -> subprocess.CompletedProcess[str]:
    program = ["/bin/sh", "-c", "echo $PPID $0", "argument"]
    return subprocess.run(
        [sys.executable, "-S", "-E", tether.__file__, str(parent), *program],
        capture_output=True,
        text=True,
        check=False,
    )


def test_program_takes_the_place_of_the_child() -> None:
    assert run_tethered(os.getpid()).stdout == f"{os.getpid()} argument\n"


def test_program_is_not_started_when_the_parent_has_already_ended() -> None:
    ended = run_tethered(os.getpid() + 1)
    assert (ended.returncode, ended.stdout) == (1, "")
