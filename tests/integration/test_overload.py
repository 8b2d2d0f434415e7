"""More than a server can do: what waits is bounded, what nobody waits for is never begun, neighbours are unharmed."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from mercato.errors import ServerError
from mercato.serving.binary import find_server
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer

PATIENCE_S = 60.0
QUEUE = 4  # of the repository's model


class SlowServer:
    """The server, asked by threads."""

    def __init__(self, server: TritonServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._threads = ThreadPoolExecutor(32)
        self._client = triton.InferenceServerClient(server.grpc_address)
        self._gates = 0

    def ask(self, word: str, *, timeout_us: int | None = None, deadline_s: float | None = None) -> Future[list[str]]:
        """Ask in a thread of its own."""
        return self._threads.submit(self._ask, word, timeout_us, deadline_s)

    def _ask(self, word: str, timeout_us: int | None, deadline_s: float | None) -> list[str]:
        tensor = triton.InferInput("WORD", [1, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[word.encode()]], dtype=object))
        answer = self._client.infer("slow", [tensor], timeout=timeout_us, client_timeout=deadline_s)
        return [worked_on.decode() for worked_on in answer.as_numpy("ANSWER")[0]]

    def hold(self) -> tuple[Future[list[str]], Path]:
        """Keep the one instance at work until the file that is returned is made."""
        self._gates += 1
        gate = self._folder / f"gate-{self._gates}"
        held = self.ask(f"hold:{gate}")
        log = self._server.log
        assert log is not None
        self.wait_for(lambda: f"begins hold:{gate}" in log.read_text())
        return held, gate

    def count(self, metric: str) -> int:
        """Read a counter of the model."""
        with urllib.request.urlopen(f"http://{self._server.metrics_address}/metrics", timeout=PATIENCE_S) as page:
            lines = re.findall(rf'^{metric}{{model="slow",[^}}]*}} (\d+)', page.read().decode(), re.MULTILINE)
        return sum(map(int, lines))

    def wait_for_waiting(self, count: int) -> None:
        """Return when so many requests wait in the queue."""
        self.wait_for(lambda: self.count("nv_inference_pending_request_count") == count)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return when something is so."""
        give_up = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > give_up:
                pytest.fail("what a test waits for did not happen")
            time.sleep(0.01)

    def close(self) -> None:
        """End the connection and the threads."""
        self._client.close()
        self._threads.shutdown()


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowServer]:
    try:
        find_server()
    except ServerError as exc:
        pytest.skip(f"no Triton: {exc}")
    folder = tmp_path_factory.mktemp("overload")
    options = ServerOptions(
        repository=Path(__file__).with_name("overload_repository"),
        models=("slow",),
        canaries={},
        ports=Ports(grpc=0, http=0, metrics=0),
        run_root=folder / "runs",
        log=folder / "server.log",
        stop_timeout_s=1.0,
    )
    with TritonServer(options) as server:
        asked = SlowServer(server, folder)
        asked.ask("first").result(PATIENCE_S)
        yield asked
        asked.close()


def refusal(asked: Future[list[str]]) -> tuple[str, str]:
    """The status and words that a call ended with."""
    with pytest.raises(InferenceServerException) as caught:
        asked.result(PATIENCE_S)
    return str(caught.value.status()).removeprefix("StatusCode."), str(caught.value.message())


def test_what_finds_the_queue_full_is_refused_while_the_model_works(slow: SlowServer) -> None:
    held, gate = slow.hold()
    waiting = [slow.ask("waits") for _ in range(QUEUE)]
    slow.wait_for_waiting(QUEUE)
    status, words = refusal(slow.ask("too many"))
    assert not held.done(), "the refusal needed no one of the model"
    assert (status, "Exceeds maximum queue size" in words) == ("UNAVAILABLE", True)
    gate.touch()
    assert all("waits" in one.result(PATIENCE_S) for one in [*waiting])
    assert "too many" not in slow.ask("after").result(PATIENCE_S)


def test_a_request_whose_caller_went_is_never_begun(slow: SlowServer) -> None:
    held, gate = slow.hold()
    gone, stays = slow.ask("gone", deadline_s=0.1), slow.ask("stays")
    assert refusal(gone)[0] == "DEADLINE_EXCEEDED"
    gate.touch()
    assert "gone" not in stays.result(PATIENCE_S)
    assert "gone" not in slow.ask("after").result(PATIENCE_S)
    assert "hold" in held.result(PATIENCE_S), "the one before it is answered"


def test_a_deadline_that_the_request_names_ends_its_waiting(slow: SlowServer) -> None:
    held, gate = slow.hold()
    late, patient = slow.ask("late", timeout_us=1_000), slow.ask("patient")
    slow.wait_for_waiting(2)
    gate.touch()
    assert refusal(late) == ("UNAVAILABLE", "Request timeout expired")
    assert "late" not in patient.result(PATIENCE_S)
    assert held.done()


def test_what_cannot_be_answered_in_time_is_told_when_to_come_back(slow: SlowServer) -> None:
    measured, gate = slow.hold()
    time.sleep(0.5)  # so long takes a request, as far as the server knows
    gate.touch()
    measured.result(PATIENCE_S)
    held, gate = slow.hold()
    time.sleep(0.5)
    hurried = [slow.ask(f"hurried {number}", timeout_us=1_000_000) for number in range(3)]
    bad = slow.ask("bad", timeout_us=50_000_000)
    slow.wait_for_waiting(4)
    gate.touch()
    held.result(PATIENCE_S)
    assert refusal(bad) == ("INVALID_ARGUMENT", "WORD: must be good")
    told = [refusal(one) for one in hurried]
    for status, words in told:
        assert status == "UNAVAILABLE"
        assert re.fullmatch(r"overloaded: 1 of 4 requests can be answered in time; come back in \d\.\d s", words), words
    assert not any("hurried" in word for word in slow.ask("after").result(PATIENCE_S))
