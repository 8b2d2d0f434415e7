import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mercato.errors import ServerError
from mercato.serving.access import (
    OPEN_CALLS,
    OWNER_CALLS,
    describe_exposure,
    is_loopback,
    make_admin_key,
    read_admin_key,
    restriction_arguments,
)
from mercato.serving.diagnosis import Status, check_exposure, check_owner_calls
from mercato.serving.ports import Ports
from mercato.serving.processes import hide_argument

KEY = "a-key_of.37~characters-for-an-operator"
# All that `tritonserver --help` lists for --grpc-restricted-protocol and --http-restricted-api.
TRITONS_GROUPS = {
    *("health", "metadata", "inference", "shared-memory", "model-config"),
    *("model-repository", "statistics", "trace", "logging"),
}


def write_key(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_every_group_of_calls_is_either_open_or_the_owners() -> None:
    assert {*OPEN_CALLS, *OWNER_CALLS} == TRITONS_GROUPS
    assert len(OPEN_CALLS) + len(OWNER_CALLS) == len(TRITONS_GROUPS)


def test_both_protocols_are_closed_alike() -> None:
    grpc, http = restriction_arguments()
    assert grpc.partition("=")[2] == http.partition("=")[2]


def test_made_keys_differ_and_can_be_read_back(tmp_path: Path) -> None:
    one, other = make_admin_key(), make_admin_key()
    assert one != other
    assert read_admin_key(write_key(tmp_path, one.encode())) == one


def test_white_space_around_a_key_does_not_count(tmp_path: Path) -> None:
    assert read_admin_key(write_key(tmp_path, f" {KEY}\n".encode(), mode=0o440)) == KEY


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (b"short", 0o600, "must hold 32 to 256 letters.*given 5 characters; make one: .*openssl rand"),
        (b"", 0o600, "given 0 characters"),
        (KEY.encode() + b",=:", 0o600, "letters, digits or any of"),
        (KEY.encode() + b"\n" + KEY.encode(), 0o600, "letters, digits or any of"),
        ("schlüssel".encode() * 5, 0o600, "no text in ASCII"),
        (KEY.encode(), 0o644, "every user of this machine may read or write .*chmod o-rw"),
    ],
)
def test_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes, mode: int, problem: str) -> None:
    with pytest.raises(ServerError, match=problem) as caught:
        read_admin_key(write_key(tmp_path, content, mode))
    assert KEY not in str(caught.value)


def test_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"cannot be read \(No such file or directory\); make one"):
        read_admin_key(tmp_path / "key")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("", False),
        ("::", False),
        ("192.0.2.7", False),
        ("no such name", False),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_exposure_names_who_and_where() -> None:
    assert "only this machine" in describe_exposure("127.0.0.1", Ports())
    sentence = describe_exposure("0.0.0.0", Ports(grpc=9001, http=9000, metrics=9002))
    assert sentence.startswith(
        "every machine that reaches 0.0.0.0 on port 9001 or 9000 can search, recommend, read what is known of"
    )
    assert "metrics on port 9002" in sentence


def test_doctor_tells_what_is_open() -> None:
    near, far = check_exposure("127.0.0.1", Ports()), check_exposure("0.0.0.0", Ports())
    assert (near.status, far.status) == (Status.OK, Status.WARNING)
    assert "(health, metadata, inference, model-config, statistics)" in near.detail
    assert "listen on 127.0.0.1" in far.remedy


def test_doctor_tells_what_is_closed() -> None:
    assert check_owner_calls(3).status is Status.OK
    without = check_owner_calls(0)
    assert without.status is Status.ABSENT
    assert "model-repository, shared-memory, logging, trace" in without.detail


@pytest.fixture
def other_process() -> Iterator["subprocess.Popen[bytes]"]:
    script = "import sys; print('read', flush=True); sys.stdin.readline(); print(sys.argv)"
    command = [sys.executable, "-c", script, f"--key={KEY}", f"--again={KEY}", "--last=(a b)"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"read\n"
    yield process
    process.communicate()


def test_secret_is_written_over_where_others_see_it_and_nowhere_else(
    other_process: "subprocess.Popen[bytes]",
) -> None:
    if not hide_argument(other_process.pid, KEY):
        pytest.skip("this system does not let a process write into its child")
    shown = Path(f"/proc/{other_process.pid}/cmdline").read_bytes().split(b"\0")
    stars = b"*" * len(KEY)
    assert shown[-4:-1] == [b"--key=" + stars, b"--again=" + stars, b"--last=(a b)"]
    answer, _ = other_process.communicate(b"\n")
    assert answer.decode().strip() == str(["-c", f"--key={KEY}", f"--again={KEY}", "--last=(a b)"])


def test_process_that_is_gone_hides_nothing() -> None:
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    assert not hide_argument(ended.pid, KEY)
