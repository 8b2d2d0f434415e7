"""The driver against a real gRPC server in this process: what it sends, what it counts, what it makes of errors."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent import futures

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.bench.driver import METHOD, Load, draw_arrivals, drive, name_error
from mercato.bench.figures import ANSWERED
from mercato.errors import InvalidInputError

PATIENCE_S = 30.0


class Echo(grpc.GenericRpcHandler):
    """Answers what it is asked, holds a call where the message says so, and remembers."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return grpc.unary_unary_rpc_method_handler(self._answer) if details.method == METHOD else None

    def _answer(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        with self._lock:
            self.seen.append(message)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if message.startswith(b"wait"):
                time.sleep(float(message[4:]))
            if message.startswith(b"fail"):
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "QUERY: must be text")
            return message
        finally:
            with self._lock:
                self._at_once -= 1


@pytest.fixture
def echo() -> Iterator[tuple[str, Echo]]:
    handler = Echo()
    server = grpc.server(futures.ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers([handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", handler
    server.stop(None)


def make_load(**changes: object) -> Load:
    given: dict[str, object] = {"seconds": 0.4, "warm_up_s": 0.1, "timeout_s": PATIENCE_S, **changes}
    return Load(**given)  # type: ignore[arg-type]


def test_a_closed_loop_keeps_so_many_requests_in_flight(echo: tuple[str, Echo]) -> None:
    address, handler = echo
    outcome = drive(address, make_load(callers=3), [b"wait0.01", b"wait0.02"])
    assert handler.most_at_once == 3
    assert len(handler.seen) == len(outcome.errors) == len(outcome.due_s)
    assert set(outcome.errors) == {ANSWERED}
    assert (outcome.due_s == outcome.sent_s).all()
    assert (outcome.done_s > outcome.sent_s).all()
    assert set(outcome.answers) == {b"wait0.01", b"wait0.02"}
    assert outcome.cpu_s > 0


def test_an_open_loop_sends_at_its_arrivals_whether_answered_or_not(echo: tuple[str, Echo]) -> None:
    address, handler = echo
    load = make_load(rate_per_s=60.0, seed=3)
    outcome = drive(address, load, [b"wait0.2"])
    due = draw_arrivals(60.0, load.total_s, np.random.default_rng(3))
    assert np.sort(outcome.due_s) == pytest.approx(due)
    assert (outcome.sent_s >= outcome.due_s).all()
    assert handler.most_at_once > 1  # nobody waited for an answer


def test_a_server_that_stands_still_is_not_spared_what_became_due(echo: tuple[str, Echo]) -> None:
    address, _ = echo
    # One message in ten holds its worker; 16 workers, so the others wait. Each latency counts from when it was due.
    load = make_load(rate_per_s=200.0, seconds=0.5, warm_up_s=0.0)
    outcome = drive(address, load, [b"wait0.5"])
    latency = outcome.done_s - outcome.due_s
    assert latency.max() > 2 * 0.5  # behind two rounds of 16 held workers
    assert latency.min() >= 0.5


def test_requests_are_sent_in_turn(echo: tuple[str, Echo]) -> None:
    address, handler = echo
    messages = [b"a", b"b", b"c"]
    drive(address, make_load(callers=1, seconds=0.1, warm_up_s=0), messages)
    assert handler.seen == [messages[number % 3] for number in range(len(handler.seen))]


def test_errors_are_counted_by_kind(echo: tuple[str, Echo]) -> None:
    address, _ = echo
    outcome = drive(address, make_load(callers=2, timeout_s=2.0), [b"ok", b"fail", b"wait3"])
    assert set(outcome.errors) == {ANSWERED, "invalid argument", "deadline exceeded"}


def test_nobody_listening_is_an_error_of_each_request() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = drive(address, make_load(callers=1, seconds=0.1, warm_up_s=0, timeout_s=0.5), [b"a"])
    assert len(outcome.errors) >= 1
    assert set(outcome.errors) <= {"unavailable", "deadline exceeded"}


def test_several_processes_make_one_load(echo: tuple[str, Echo]) -> None:
    address, handler = echo
    outcome = drive(address, make_load(callers=3), [b"wait0.01"], processes=2)
    assert len(outcome.errors) == len(handler.seen)
    assert handler.most_at_once == 3


@given(st.integers(1, 200), st.integers(1, 20))
def test_callers_are_divided_and_none_is_lost(callers: int, parts: int) -> None:
    shares = [part.callers or 0 for part in Load(callers=callers).split(parts)]
    assert sum(shares) == callers
    assert max(shares) - min(shares) <= 1
    assert min(shares) >= 1


@given(st.floats(1, 10_000), st.integers(1, 20))
def test_rates_are_divided_and_arrive_differently(rate: float, parts: int) -> None:
    loads = Load(rate_per_s=rate).split(parts)
    assert sum(part.rate_per_s or 0 for part in loads) == pytest.approx(rate)
    assert len({part.seed for part in loads}) == parts


@given(st.floats(0.1, 2000), st.floats(0.01, 5), st.integers(0, 2**32))
def test_arrivals_rise_and_end_in_time(rate: float, total: float, seed: int) -> None:
    arrivals = draw_arrivals(rate, total, np.random.default_rng(seed))
    assert (np.diff(arrivals) >= 0).all()
    assert ((arrivals >= 0) & (arrivals < total)).all()


def test_arrivals_are_a_poisson_process() -> None:
    arrivals = draw_arrivals(100.0, 400.0, np.random.default_rng(7))
    # 40,000 expected, standard deviation 200; counts of a second have a variance of their mean.
    assert abs(len(arrivals) - 40_000) < 5 * 200
    counts = np.bincount(arrivals.astype(int), minlength=400)
    assert counts.var() == pytest.approx(100, rel=0.35)  # five standard deviations of a variance of 400 counts


@pytest.mark.parametrize(
    ("given_values", "said"),
    [
        ({}, "either callers"),
        ({"callers": 1, "rate_per_s": 1.0}, "either callers"),
        ({"callers": 0}, "--callers: must be 1 or more, got 0"),
        ({"rate_per_s": 0.0}, "--rate: must be above 0"),
        ({"rate_per_s": float("nan")}, "--rate: must be above 0"),
        ({"callers": 1, "seconds": 0.0}, "--seconds: must be above 0"),
        ({"callers": 1, "warm_up_s": -1.0}, "--warm-up-s: must be 0 or more"),
        ({"callers": 1, "timeout_s": 0.0}, "--timeout-s: must be above 0"),
    ],
)
def test_loads_that_mean_nothing_are_refused(given_values: dict[str, float], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        Load(**given_values)  # type: ignore[arg-type]


def test_nothing_to_send_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="must hold one or more requests"):
        drive("127.0.0.1:1", Load(callers=1), [])
    with pytest.raises(InvalidInputError, match="--processes: must be 1 or more"):
        drive("127.0.0.1:1", Load(callers=1), [b"a"], processes=0)


def test_what_triton_means_is_told_apart() -> None:
    unavailable = grpc.StatusCode.UNAVAILABLE
    assert name_error(unavailable, "Request timeout expired") == "dropped from the queue"
    assert name_error(unavailable, "Exceeds maximum queue size") == "queue full"
    assert name_error(unavailable, "Connection refused") == "unavailable"
    assert name_error(grpc.StatusCode.DEADLINE_EXCEEDED, "") == "deadline exceeded"
