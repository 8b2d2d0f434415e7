"""The real server, over a repository of tiny models: started, healed, stopped, and nothing left behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from tritonclient import grpc as triton

from mercato.errors import ServerError
from mercato.serving.binary import find_server
from mercato.serving.command import build_settings
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.processes import Stub, is_alive, list_orphans, list_stubs
from mercato.serving.server import TritonServer
from mercato.serving.shared_memory import regions

HERE = Path(__file__).parent
REPOSITORY = HERE / "echo_repository"
ANY_PORTS = Ports(grpc=0, http=0, metrics=0)
# Generous: what is awaited takes one to four seconds on a quiet machine.
PATIENCE_S = 60.0
# Enough for every instance of echo (two) to be asked.
ENOUGH_REQUESTS = 6


@pytest.fixture(scope="module", autouse=True)
def _server_can_be_found() -> None:
    try:
        find_server()
    except ServerError as exc:
        pytest.skip(f"no Triton server on this machine: {exc}")


def echo_options(folder: Path, **changes: object) -> ServerOptions:
    settings = {
        "repository": REPOSITORY,
        "models": ("echo",),
        "canaries": {"echo": None},
        "ports": ANY_PORTS,
        "run_root": folder / "runs",
        "log": folder / "server.log",
        "stop_timeout_s": 4.0,
        "check_interval_s": 0.2,
        "canary_interval_s": 0.5,
    }
    return ServerOptions(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    with TritonServer(echo_options(tmp_path_factory.mktemp("server"))) as running:
        yield running


def await_true(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain until {what}"
        time.sleep(0.05)


def ask_echo(address: str, value: float) -> float:
    client = triton.InferenceServerClient(address)
    tensor = triton.InferInput("VALUE", [1, 1], "FP32")
    tensor.set_data_from_numpy(np.array([[value]], dtype=np.float32))
    try:
        return float(client.infer("echo", [tensor], client_timeout=PATIENCE_S).as_numpy("ECHO")[0, 0])
    finally:
        client.close()


def stubs_of(server: TritonServer) -> list[Stub]:
    return list_stubs(server.pid, server.shared_memory_prefix)


@pytest.mark.triton
def test_ready_server_answers_over_grpc_and_http(server: TritonServer) -> None:
    assert server.models == ("echo",)
    assert ask_echo(server.grpc_address, 4.5) == 4.5
    with urllib.request.urlopen(f"http://{server.http_address}/v2/models/echo/ready", timeout=10) as answer:
        assert answer.status == 200
    with urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=10) as answer:
        assert b"nv_inference_request_success" in answer.read()


@pytest.mark.triton
def test_stub_runs_this_environment_python_with_the_settings(server: TritonServer) -> None:
    assert server.log is not None
    names = sorted(build_settings(server.options))
    assert {"catalog", "encoder", "ranker", "state"} < set(names)
    line = f"echo: python {sys.version.split()[0]} in {sys.prefix}, settings {names}"
    assert line in server.log.read_text()


@pytest.mark.triton
def test_server_listens_on_loopback_only(server: TritonServer) -> None:
    listening = [c for c in psutil.Process(server.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert {c.laddr.port for c in listening} == {server.ports.grpc, server.ports.http, server.ports.metrics}
    assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}


@pytest.mark.triton
def test_memory_names_the_server_and_each_stub(server: TritonServer) -> None:
    memory = server.memory()
    assert memory[0].name == "tritonserver"
    assert {"stub of echo_0_0", "stub of echo_0_1"} <= {process.name for process in memory}
    assert all(0 < process.pss_bytes <= process.rss_bytes for process in memory)


@pytest.mark.triton
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["dead stub", "hanging stub"])
def test_supervision_heals_a_model(server: TritonServer, blow: signal.Signals) -> None:
    assert server.supervisor is not None
    before = server.supervisor.reloads["echo"]
    os.kill(stubs_of(server)[-1].pid, blow)
    await_true(lambda: server.supervisor.reloads["echo"] > before, "the model was reloaded")
    answers = [ask_echo(server.grpc_address, float(number)) for number in range(ENOUGH_REQUESTS)]
    assert answers == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.triton
def test_healing_leaves_no_old_stub_and_no_old_memory(server: TritonServer) -> None:
    assert server.supervisor is not None
    server.supervisor.remove_leftovers(now=time.monotonic() + PATIENCE_S)
    await_true(lambda: len(stubs_of(server)) == 2, "only the two instances of echo have a stub")
    await_true(lambda: len(regions(server.shared_memory_prefix)) == 2, "only they have shared memory")
    assert ask_echo(server.grpc_address, 7.0) == 7.0


@pytest.mark.triton
def test_stop_leaves_no_process_no_shared_memory_and_no_folder(tmp_path: Path) -> None:
    server = TritonServer(echo_options(tmp_path)).start()
    pid, prefix, stubs = server.pid, server.shared_memory_prefix, stubs_of(server)
    assert len(stubs) == 2
    assert len(regions(prefix)) == 2
    server.stop()
    assert not psutil.pid_exists(pid)
    assert not any(is_alive(stub) for stub in stubs)
    assert list_orphans(prefix) == []
    assert regions(prefix) == []
    assert list((tmp_path / "runs").iterdir()) == []
    server.stop()  # a second time does no harm


@pytest.mark.triton
def test_server_that_dies_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    with TritonServer(echo_options(tmp_path)) as server:
        prefix = server.shared_memory_prefix
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(ServerError, match="(?s)ended with signal SIGKILL.*Started Metrics Service") as caught:
            server.wait()
        assert "CudaDriverHelper" not in str(caught.value)
    assert list_orphans(prefix) == []
    assert regions(prefix) == []


@pytest.mark.triton
def test_model_that_cannot_be_loaded_is_named_with_its_reason(tmp_path: Path) -> None:
    server = TritonServer(echo_options(tmp_path, models=("broken", "echo")))
    with pytest.raises(ServerError, match="the weights of broken are unreadable"):
        server.start()
    assert list_orphans(server.shared_memory_prefix) == []
    assert regions(server.shared_memory_prefix) == []


@pytest.mark.triton
def test_port_in_use_is_reported_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = TritonServer(echo_options(tmp_path, ports=Ports(grpc=port, http=0, metrics=0)))
        with pytest.raises(ServerError, match=f"port {port}: already in use on 127.0.0.1.*--port"):
            server.start()
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "server.log").exists()


@contextmanager
def handed_down(disposition: signal.Handlers, *numbers: signal.Signals) -> Iterator[None]:
    """Start children with `disposition` for these signals, whatever this process inherited.

    A script's background jobs and `nohup` ignore signals, and what is ignored stays so in children. `preexec_fn` would
    do it in the child alone, but it forks, which a process with threads (gRPC's) must not.
    """
    inherited = {number: signal.signal(number, disposition) for number in numbers}
    try:
        yield
    finally:
        for number, handler in inherited.items():
            signal.signal(number, handler)


class ServeProcess:
    """``mercato serve`` in a process of its own, ready."""

    def __init__(self, folder: Path, disposition: signal.Handlers = signal.SIG_DFL) -> None:
        self.errors = folder / "errors.txt"
        with self.errors.open("wb") as stream, handed_down(disposition, signal.SIGINT, signal.SIGHUP):
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "serve_echo.py"), str(folder / "server.log"), str(folder / "runs")],
                stdout=subprocess.PIPE,
                stderr=stream,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors.read_text()
        self.ready = json.loads(line)
        owner = json.loads(next((folder / "runs").glob("run-*/owner.json")).read_text())
        self.prefix = str(owner["prefix"])

    def leaves_nothing(self) -> bool:
        alive = psutil.pid_exists(self.ready["pid"])
        return not alive and not list_orphans(self.prefix) and not regions(self.prefix)


@pytest.fixture
def serving(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ServeProcess]:
    serve = ServeProcess(tmp_path, getattr(request, "param", signal.SIG_DFL))
    yield serve
    if serve.process.poll() is None:
        serve.process.terminate()
    serve.process.wait(PATIENCE_S)
    assert serve.process.stdout is not None
    serve.process.stdout.close()


@pytest.mark.triton
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_serve_stops_cleanly_on_a_signal(serving: ServeProcess, number: signal.Signals) -> None:
    assert ask_echo(serving.ready["grpc"], 2.5) == 2.5
    serving.process.send_signal(number)
    assert serving.process.wait(PATIENCE_S) == 0
    assert serving.leaves_nothing()
    assert serving.process.stdout is not None
    assert serving.process.stdout.read() == b"", "--json is one document and nothing else"


@pytest.mark.triton
@pytest.mark.parametrize("serving", [signal.SIG_IGN], indirect=True, ids=["ignored when it started"])
def test_serve_goes_on_after_signals_that_its_starter_ignores(serving: ServeProcess) -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        serving.process.send_signal(number)
    assert ask_echo(serving.ready["grpc"], 3.5) == 3.5
    serving.process.terminate()
    assert serving.process.wait(PATIENCE_S) == 0
    assert "SIGTERM: stopping" in serving.errors.read_text()
    assert not re.search("SIG(INT|HUP): stopping", serving.errors.read_text())


@pytest.mark.triton
def test_serve_reports_memory_of_all_its_processes(serving: ServeProcess) -> None:
    memory = serving.ready["memory"]
    assert {"tritonserver", "stub of echo_0_0", "stub of echo_0_1"} <= {one["name"] for one in memory["processes"]}
    assert memory["rss_bytes"] == sum(one["rss_bytes"] for one in memory["processes"])


@pytest.mark.triton
def test_server_ends_when_serve_is_killed(serving: ServeProcess) -> None:
    serving.process.kill()
    serving.process.wait(PATIENCE_S)
    await_true(serving.leaves_nothing, "the server ended with its parent")


@pytest.mark.triton
def test_serve_exits_with_an_error_when_the_server_dies(serving: ServeProcess) -> None:
    os.kill(serving.ready["pid"], signal.SIGKILL)
    assert serving.process.wait(PATIENCE_S) == 1
    assert "tritonserver ended with signal SIGKILL" in serving.errors.read_text()
    assert serving.leaves_nothing()
