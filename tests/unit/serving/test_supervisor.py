import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tritonclient.utils import InferenceServerException

from mercato.serving.options import ServerOptions
from mercato.serving.processes import Stub
from mercato.serving.repository import StagedModel
from mercato.serving.supervisor import CANARY_FAILURES_BEFORE_RELOAD, Supervisor

HANGING = "Deadline Exceeded"
DEAD = "Stub process 'echo_0_0' is not healthy."
BUSY = "Exceeds maximum queue size"
GONE = "Request for unknown model: 'echo' has no available versions"
ADMIN = {"triton-grpc-protocol-mercato-admin-key": "opens it"}
OPTIONS = ServerOptions(canaries={"echo": {}})


class ScriptedServer:
    """Stands in for tritonclient at its boundary: each canary gets the next outcome, empty for an answer."""

    def __init__(self, outcomes: Sequence[str] = (), state: str = "READY", reason: str = "") -> None:
        self.outcomes = list(outcomes)
        self.loaded: list[str] = []
        self.index = SimpleNamespace(models=[SimpleNamespace(name="echo", state=state, reason=reason)])

    def infer(self, model: str, inputs: list[Any], client_timeout: float) -> None:
        outcome = self.outcomes.pop(0) if self.outcomes else ""
        if outcome:
            raise InferenceServerException(outcome)

    def load_model(self, model: str, headers: dict[str, str], client_timeout: float) -> None:
        assert headers == ADMIN
        self.loaded.append(model)

    def get_model_repository_index(self, headers: dict[str, str], client_timeout: float) -> Any:
        assert headers == ADMIN
        return self.index


def watch(server: ScriptedServer, folder: Path) -> Supervisor:
    (folder / "1").mkdir(exist_ok=True)
    return Supervisor(
        client=server,
        admin_headers=ADMIN,
        server_pid=os.getpid(),  # has no stubs
        is_server_alive=lambda: True,
        prefix="mercato_unit_test_",
        models=[StagedModel(name="echo", backend="python", instances=1, folder=folder)],
        options=OPTIONS,
    )


@pytest.mark.parametrize("message", [DEAD, GONE], ids=["a dead stub", "an unloaded model"])
def test_what_is_certain_needs_a_reload_at_once(tmp_path: Path, message: str) -> None:
    assert watch(ScriptedServer([message]), tmp_path).check_canaries() == ["echo"]


def test_hanging_model_needs_a_reload_after_several_failures(tmp_path: Path) -> None:
    supervisor = watch(ScriptedServer([HANGING] * CANARY_FAILURES_BEFORE_RELOAD), tmp_path)
    outcomes = [supervisor.check_canaries() for _ in range(CANARY_FAILURES_BEFORE_RELOAD)]
    assert outcomes == [[], [], ["echo"]]


@pytest.mark.parametrize("relief", ["", BUSY], ids=["an answer", "a full queue"])
def test_failures_count_only_in_a_row(tmp_path: Path, relief: str) -> None:
    supervisor = watch(ScriptedServer([HANGING, HANGING, relief, HANGING, HANGING]), tmp_path)
    assert [supervisor.check_canaries() for _ in range(5)] == [[], [], [], [], []]


def test_reload_touches_the_version_folder_so_that_triton_does_load(tmp_path: Path) -> None:
    server = ScriptedServer()
    supervisor = watch(server, tmp_path)
    os.utime(tmp_path / "1", (1.0, 1.0))
    assert supervisor.reload("echo")
    assert server.loaded == ["echo"]
    assert supervisor.reloads == {"echo": 1}
    assert (tmp_path / "1").stat().st_mtime > 1.0


def test_reload_that_does_not_help_is_no_success(tmp_path: Path) -> None:
    assert not watch(ScriptedServer([HANGING]), tmp_path).reload("echo")


@pytest.mark.parametrize(
    ("state", "reason", "loads"),
    [
        ("READY", "", ["echo"]),
        ("UNAVAILABLE", "Internal: it broke", ["echo"]),
        ("UNAVAILABLE", "unloaded", ["echo"]),
        ("UNLOADING", "", []),
        ("LOADING", "", []),
    ],
)
def test_model_is_loaded_again_unless_it_is_being_moved(
    tmp_path: Path, state: str, reason: str, loads: list[str]
) -> None:
    server = ScriptedServer(state=state, reason=reason)
    watch(server, tmp_path).heal(["echo"])
    assert server.loaded == loads


def test_model_that_the_index_lacks_is_loaded_again(tmp_path: Path) -> None:
    server = ScriptedServer()
    server.index.models.clear()
    watch(server, tmp_path).heal(["echo"])
    assert server.loaded == ["echo"]


def test_failed_reload_is_not_repeated_at_once(tmp_path: Path) -> None:
    server = ScriptedServer([HANGING, HANGING])
    supervisor = watch(server, tmp_path)
    supervisor.heal(["echo"])
    supervisor.heal(["echo"])
    assert server.loaded == ["echo"]


def test_stub_that_is_gone_names_its_model(tmp_path: Path) -> None:
    supervisor = watch(ScriptedServer(), tmp_path)
    assert supervisor.check_processes() == []
    gone = Stub(pid=os.getpid(), started=1.0, model="echo", instance="echo_0_0", region="mercato_unit_test_1")
    supervisor.expect_stubs("echo", [gone, replace(gone, instance="echo_0_1")])
    assert supervisor.check_processes() == ["echo"]
