import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mercato.serving.binary import STUB_NAME
from mercato.serving.processes import (
    ProcessMemory,
    describe_memory,
    end_orphans,
    is_alive,
    list_orphans,
    list_stubs,
    parse_rollup,
    process_memory,
)

MEBIBYTE = 1 << 20


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    return f"mercato_{os.getpid()}_{tmp_path.name}_"


@pytest.fixture
def stub_process(tmp_path: Path, prefix: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the command line of a stub: a shell whose script is the model file."""
    model = tmp_path / "models" / "search" / "1" / "model.py"
    model.parent.mkdir(parents=True)
    model.write_text("read line\n")
    arguments = [str(tmp_path / STUB_NAME), str(model), f"{prefix}1", "1048576", "1048576", "1", "backends", "336"]
    process = subprocess.Popen(
        [*arguments, "search_0_1", "DEFAULT"], executable="/bin/sh", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    yield process
    process.kill()
    process.communicate()


def test_stub_is_read_from_its_command_line(stub_process: subprocess.Popen[bytes], prefix: str) -> None:
    (stub,) = list_stubs(os.getpid(), prefix)
    assert (stub.pid, stub.model, stub.instance, stub.region) == (
        stub_process.pid,
        "search",
        "search_0_1",
        f"{prefix}1",
    )
    assert is_alive(stub)
    assert list_orphans(prefix) == [stub]


def test_stubs_of_another_server_are_not_ours(stub_process: subprocess.Popen[bytes]) -> None:
    assert list_stubs(os.getpid(), "mercato_other_") == []
    assert list_orphans("mercato_other_") == []


def test_ended_stub_is_not_alive_even_before_it_was_waited_for(
    stub_process: subprocess.Popen[bytes], prefix: str
) -> None:
    (stub,) = list_stubs(os.getpid(), prefix)
    psutil.Process(stub.pid).kill()
    os.waitid(os.P_PID, stub.pid, os.WEXITED | os.WNOWAIT)  # ended, and still a zombie
    assert psutil.Process(stub.pid).status() == psutil.STATUS_ZOMBIE
    assert not is_alive(stub)
    assert list_stubs(os.getpid(), prefix) == []


def test_orphans_are_ended(stub_process: subprocess.Popen[bytes], prefix: str) -> None:
    assert end_orphans(prefix) == 1
    assert list_orphans(prefix) == []
    assert end_orphans(prefix) == 0


def test_memory_of_a_process_and_its_children(stub_process: subprocess.Popen[bytes]) -> None:
    memory = {one.pid: one for one in process_memory(os.getpid())}
    assert memory[stub_process.pid].name == "stub of search_0_1"
    assert memory[os.getpid()].rss_bytes > memory[stub_process.pid].rss_bytes > 0
    assert all(one.pss_bytes <= one.rss_bytes for one in memory.values())


def test_ended_server_has_neither_stubs_nor_memory(stub_process: subprocess.Popen[bytes], prefix: str) -> None:
    stub_process.kill()
    stub_process.wait()
    assert list_stubs(stub_process.pid, prefix) == []
    assert process_memory(stub_process.pid) == []


def test_rollup_is_read_in_bytes() -> None:
    text = "5581-7ffd ---p 00000000 00:00 0   [rollup]\nRss:    2048 kB\nPss:    1024 kB\nPss_Dirty:   512 kB\n"
    assert parse_rollup(text) == {"Rss": 2048 * 1024, "Pss": 1024 * 1024}


def test_memory_adds_up() -> None:
    one = ProcessMemory(pid=1, name="tritonserver", rss_bytes=3 * MEBIBYTE, pss_bytes=2 * MEBIBYTE)
    other = ProcessMemory(pid=2, name="stub of search_0_0", rss_bytes=5 * MEBIBYTE, pss_bytes=4 * MEBIBYTE)
    described = describe_memory([one, other])
    assert described["rss_bytes"] == (3 + 5) * MEBIBYTE
    assert described["pss_bytes"] == (2 + 4) * MEBIBYTE
    assert [process["name"] for process in described["processes"]] == ["tritonserver", "stub of search_0_0"]
