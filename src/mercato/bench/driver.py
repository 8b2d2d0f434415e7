"""Makes load: a closed loop of callers, or arrivals at a rate whether the server keeps up or not.

Messages are built before and travel as bytes, so that the driver, on the same cores as a local server, takes little.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import selectors
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import grpc
import numpy as np

from mercato.bench.figures import ANSWERED, Float64, Outcome, join_outcomes
from mercato.errors import InvalidInputError

METHOD = "/inference.GRPCInferenceService/ModelInfer"
SAMPLED_ANSWERS = 256
NOT_SENT = "not sent in time"
"""The error of a request that the driver got to only when it was to be given up already."""
_CONNECTIONS = 4  # of one driver at most: one connection's frames are written in turn
_LEAD_S = 0.4  # until the drivers of several processes begin together
_MAX_MESSAGE_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is asked of a server for some time.

    Attributes:
        callers: requests in flight, each followed by the next once it is answered (closed loop); None for an open one.
        rate_per_s: mean of a Poisson process by which requests arrive, answered or not (open loop).
        seconds: for how long it is measured.
        warm_up_s: for how long before that it runs without being measured.
        timeout_s: seconds after which the driver gives a request up, from when it was due.
        seed: of the arrivals.
    """

    callers: int | None = None
    rate_per_s: float | None = None
    seconds: float = 5.0
    warm_up_s: float = 0.5
    timeout_s: float = 5.0
    seed: int = 7

    def __post_init__(self) -> None:
        """Check what was given.

        Raises:
            InvalidInputError: neither a closed nor an open loop, or a number that means nothing.
        """
        if (self.callers is None) == (self.rate_per_s is None):
            raise InvalidInputError("load", "must have either callers (closed loop) or a rate (open loop)")
        if self.callers is not None and self.callers < 1:
            raise InvalidInputError("--callers", f"must be 1 or more, got {self.callers}")
        if self.rate_per_s is not None and not 0 < self.rate_per_s < 1e6:
            raise InvalidInputError("--rate", f"must be above 0 and below 1,000,000 a second, got {self.rate_per_s:g}")
        if not 0 < self.seconds < 86_400:
            raise InvalidInputError("--seconds", f"must be above 0 and less than a day, got {self.seconds:g}")
        if not 0 <= self.warm_up_s < 86_400:
            raise InvalidInputError("--warm-up-s", f"must be 0 or more and less than a day, got {self.warm_up_s:g}")
        if not 0 < self.timeout_s < 86_400:
            raise InvalidInputError("--timeout-s", f"must be above 0 and less than a day, got {self.timeout_s:g}")

    @property
    def total_s(self) -> float:
        """Seconds in which requests are sent."""
        return self.warm_up_s + self.seconds

    def split(self, parts: int) -> list[Load]:
        """Return loads of drivers that make it together: Poisson processes add up to one of the sum of their rates.

        Args:
            parts: how many drivers; fewer are used than there are callers.
        """
        if self.callers is not None:
            parts = min(parts, self.callers)
            shares = [self.callers // parts + (number < self.callers % parts) for number in range(parts)]
            return [replace(self, callers=share) for share in shares]
        rate = self.rate_per_s or 0.0
        return [replace(self, rate_per_s=rate / parts, seed=self.seed + number) for number in range(parts)]


def draw_arrivals(rate_per_s: float, total_s: float, rng: np.random.Generator) -> Float64:
    """Return when requests of a Poisson process are due: gaps are exponential with mean 1 / rate.

    Returns:
        float64 [n], rising, in seconds, below ``total_s``; possibly none.
    """
    arrivals: list[Float64] = []
    last, size = 0.0, max(16, int(1.2 * rate_per_s * total_s))
    while last < total_s:
        block = last + np.cumsum(rng.exponential(1 / rate_per_s, size))
        arrivals.append(block)
        last = float(block[-1])
    joined = np.concatenate(arrivals)
    return np.asarray(joined[joined < total_s])


def drive(server: str, load: Load, messages: Sequence[bytes], processes: int = 1) -> Outcome:
    """Make a load and return what became of each request.

    Args:
        server: gRPC address, ``HOST:PORT``.
        load: what to do.
        messages: serialised requests, sent in turn and from the first again after the last.
        processes: drivers; more than one where one cannot make the load.

    Raises:
        InvalidInputError: nothing to send, or fewer than one process.
    """
    if not messages:
        raise InvalidInputError("messages", "must hold one or more requests, got none")
    if processes < 1:
        raise InvalidInputError("--processes", f"must be 1 or more, got {processes}")
    loads = load.split(processes)
    if len(loads) == 1:
        return drive_here(server, load, messages, time.monotonic())
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(loads), mp_context=context) as pool:
        # Each has loaded what it needs, and none begins before the others can.
        for ready in [pool.submit(_settle) for _ in loads]:
            ready.result()
        begin = time.monotonic() + _LEAD_S
        parts = [
            pool.submit(drive_here, server, part, list(messages[number :: len(loads)]) or list(messages), begin)
            for number, part in enumerate(loads)
        ]
        return join_outcomes([part.result() for part in parts])


def _settle() -> None:
    time.sleep(0.2)


def drive_here(server: str, load: Load, messages: Sequence[bytes], begin: float) -> Outcome:
    """Make a load in this process.

    Args:
        server: gRPC address.
        load: what to do.
        messages: serialised requests.
        begin: when to begin, by `time.monotonic`, which all processes of a machine share.
    """
    # select(2) waits to the microsecond, where epoll rounds up to the next millisecond and all would be sent late.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        return runner.run(_Driver(load, messages, begin).run(server))


class _Driver:
    """One load under way."""

    def __init__(self, load: Load, messages: Sequence[bytes], begin: float) -> None:
        self._load = load
        self._messages = messages
        self._begin = begin
        self._sent = 0
        self._due_s: list[float] = []
        self._sent_s: list[float] = []
        self._done_s: list[float] = []
        self._errors: list[str] = []
        self._answers: list[bytes] = []
        self._answered = 0
        self._random = random.Random(load.seed)
        self._methods: list[Callable[..., Awaitable[bytes]]] = []

    async def run(self, server: str) -> Outcome:
        async with _Channels(server, min(_CONNECTIONS, self._load.callers or _CONNECTIONS)) as channels:
            self._methods = [channel.unary_unary(METHOD) for channel in channels]
            await asyncio.sleep(max(0.0, self._begin - time.monotonic()))
            cpu = time.process_time()
            self._begin = time.monotonic()
            if self._load.callers is not None:
                await asyncio.gather(*(self._call_in_turn() for _ in range(self._load.callers)))
            else:
                await self._call_as_due()
            return Outcome(
                due_s=np.array(self._due_s),
                sent_s=np.array(self._sent_s),
                done_s=np.array(self._done_s),
                errors=self._errors,
                answers=self._answers,
                cpu_s=time.process_time() - cpu,
                wall_s=time.monotonic() - self._begin,
            )

    async def _call_in_turn(self) -> None:
        while time.monotonic() - self._begin < self._load.total_s:
            await self._ask(None)

    async def _call_as_due(self) -> None:
        waiting: set[asyncio.Task[None]] = set()
        rate = self._load.rate_per_s or 1.0
        for due in draw_arrivals(rate, self._load.total_s, np.random.default_rng(self._load.seed)).tolist():
            early = due - (time.monotonic() - self._begin)
            if early > 0:
                await asyncio.sleep(early)
            elif self._sent % 64 == 0:
                await asyncio.sleep(0)  # a driver that is behind must read answers too
            task = asyncio.create_task(self._ask(due))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        if waiting:
            await asyncio.gather(*waiting)

    async def _ask(self, due: float | None) -> None:
        """Send the next request; where it is due at no moment of its own, it is when it is sent."""
        number = self._sent
        self._sent += 1
        message = self._messages[number % len(self._messages)]
        method = self._methods[number % len(self._methods)]
        sent = time.monotonic() - self._begin
        due = sent if due is None else due
        error = ANSWERED
        left = due + self._load.timeout_s - sent
        try:
            if left <= 0:
                error = NOT_SENT
            else:
                answer = await method(message, timeout=left)
                self._keep(answer)
        except grpc.aio.AioRpcError as exc:
            error = name_error(exc.code(), exc.details() or "")
            if exc.code() == grpc.StatusCode.UNAVAILABLE and self._load.callers is not None:
                await asyncio.sleep(0.01)  # refused at once: a closed loop would do nothing but ask
        self._due_s.append(due)
        self._sent_s.append(sent)
        self._done_s.append(time.monotonic() - self._begin)
        self._errors.append(error)

    def _keep(self, answer: bytes) -> None:
        """Keep answers so that each is as likely among them as any other (reservoir sampling, Vitter 1985)."""
        self._answered += 1
        if len(self._answers) < SAMPLED_ANSWERS:
            self._answers.append(answer)
        elif (place := self._random.randrange(self._answered)) < SAMPLED_ANSWERS:
            self._answers[place] = answer


class _Channels:
    """Connections of their own to one server."""

    def __init__(self, server: str, count: int) -> None:
        options = [
            ("grpc.use_local_subchannel_pool", 1),  # else channels to one address share a connection
            ("grpc.enable_retries", 0),  # a repeat would hide an error
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ]
        self._channels: list[Any] = [grpc.aio.insecure_channel(server, options=options) for _ in range(count)]

    async def __aenter__(self) -> list[Any]:
        await asyncio.gather(*(self._wait(channel) for channel in self._channels))
        return self._channels

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.gather(*(channel.close() for channel in self._channels))

    @staticmethod
    async def _wait(channel: Any) -> None:
        """Connect; where that fails, the requests themselves say why."""
        try:
            await asyncio.wait_for(channel.channel_ready(), timeout=5.0)
        except TimeoutError:
            return


def name_error(code: Any, message: str) -> str:
    """Return the kind of an error: the name of its status, or what Triton means where it says more.

    Args:
        code: ``grpc.StatusCode``.
        message: what came with it.
    """
    lowered = message.lower()
    if "timeout expired" in lowered:
        return "dropped from the queue"  # core: dynamic batcher's queue policy
    if "exceeds maximum queue size" in lowered:
        return "queue full"
    return str(code.name).lower().replace("_", " ")
