"""Offering load that does not wait for answers: Poisson arrivals, or a fixed number of callers, of prepared messages.

What waits in the generator counts: latency runs from the moment at which a call was due, so that a server that stalls
does not slow down the questions that would show it (coordinated omission). The messages are serialized beforehand and
the answers are not read, which leaves the generator some 80 us of processor time a call.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2

METHOD = "/inference.GRPCInferenceService/ModelInfer"
CHANNELS = 4
Messages = Sequence[bytes]


@dataclass(kw_only=True)
class Outcomes:
    """What became of the calls of one load.

    Attributes:
        seconds: how long the load was offered.
        offered: calls made.
        latencies_s: seconds from due to answered, of the answered ones.
        ended_s: when each answered one was, in seconds from the start; as `latencies_s`.
        errors: how many ended with which status and words.
        generator_cpu_s: processor time of this process meanwhile.
    """

    seconds: float
    offered: int = 0
    latencies_s: list[float] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    generator_cpu_s: float = 0.0

    def describe(self) -> dict[str, Any]:
        """Return the figures: rates, quantiles of what was answered, errors by kind."""
        latencies_ms = 1000 * np.asarray(self.latencies_s or [np.nan])
        return {
            "offered_per_s": round(self.offered / self.seconds, 1),
            "answered_per_s": round(len(self.latencies_s) / self.seconds, 1),
            "p50_ms": round(float(np.percentile(latencies_ms, 50)), 1),
            "p99_ms": round(float(np.percentile(latencies_ms, 99)), 1),
            "errors": dict(self.errors.most_common()),
            "generator_cores": round(self.generator_cpu_s / self.seconds, 3),
        }


def prepare_messages(
    model: str, requests: Sequence[Mapping[str, str | int]], *, timeout_s: float | None
) -> list[bytes]:
    """Serialize one message for each request.

    Args:
        model: the model asked.
        requests: its inputs by name; text or whole numbers.
        timeout_s: the deadline that the message names, in seconds; None names none.
    """
    messages = []
    for request in requests:
        message = service_pb2.ModelInferRequest(model_name=model)
        if timeout_s is not None:
            message.parameters["timeout"].int64_param = round(timeout_s * 1e6)
        for name, value in request.items():
            data = np.array([[value if isinstance(value, int) else value.encode()]])
            tensor = triton.InferInput(name, [1, 1], "INT32" if isinstance(value, int) else "BYTES")
            tensor.set_data_from_numpy(data.astype(np.int32 if isinstance(value, int) else object))
            message.inputs.append(tensor._get_tensor())
            message.raw_input_contents.append(tensor._get_content())
        messages.append(message.SerializeToString())
    return messages


def offer_load(
    address: str, messages: Messages, *, rate_per_s: float, seconds: float, deadline_s: float, seed: int = 7
) -> Outcomes:
    """Offer calls at random moments (a Poisson process), whether the ones before are answered or not.

    Args:
        address: the server, ``HOST:PORT``.
        messages: sent in turn.
        rate_per_s: calls a second, on average.
        seconds: how long.
        deadline_s: after which the caller gives up, in seconds.
        seed: of the moments.
    """
    generator = np.random.default_rng(seed)
    due = np.cumsum(generator.exponential(1 / rate_per_s, size=round(rate_per_s * seconds * 1.1) + 100))
    return asyncio.run(_offer(address, messages, due[due < seconds].tolist(), seconds, deadline_s))


def saturate(address: str, messages: Messages, *, callers: int, seconds: float) -> Outcomes:
    """Let callers ask one question after the other, each as soon as the one before was answered."""
    return asyncio.run(_saturate(address, messages, callers, seconds))


class _Caller:
    """Makes calls over some channels and notes what becomes of them."""

    def __init__(self, address: str, outcomes: Outcomes, deadline_s: float | None) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        self._channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(CHANNELS)]
        self._methods = [channel.unary_unary(METHOD) for channel in self._channels]
        self._outcomes = outcomes
        self._deadline_s = deadline_s
        self._turn = count()
        self.started = time.perf_counter()

    async def call(self, message: bytes, due: float) -> None:
        outcomes = self._outcomes
        outcomes.offered += 1
        try:
            await self._methods[next(self._turn) % CHANNELS](message, timeout=self._deadline_s)
        except grpc.aio.AioRpcError as error:
            outcomes.errors[_name_error(error)] += 1
        else:
            ended = time.perf_counter() - self.started
            outcomes.latencies_s.append(ended - due)
            outcomes.ended_s.append(ended)

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


def _name_error(error: grpc.aio.AioRpcError) -> str:
    words = (error.details() or "").removeprefix("[request id: <id_unknown>] ").split(":")[0].split(";")[0]
    return f"{error.code().name}: {words[:60]}"


async def _offer(address: str, messages: Messages, due: Sequence[float], seconds: float, deadline_s: float) -> Outcomes:
    outcomes = Outcomes(seconds=seconds)
    caller = _Caller(address, outcomes, deadline_s)
    await asyncio.gather(*(caller.call(messages[0], 0.0) for _ in range(CHANNELS)))  # connects
    outcomes.offered, outcomes.latencies_s, outcomes.ended_s, outcomes.errors = 0, [], [], Counter()
    running: set[asyncio.Task[None]] = set()
    before, caller.started = time.process_time(), time.perf_counter()
    for number, moment in enumerate(due):
        ahead = moment - (time.perf_counter() - caller.started)
        if ahead > 0.001:
            await asyncio.sleep(ahead)
        elif number % 16 == 0:
            await asyncio.sleep(0)  # behind: answers must be read nevertheless
        task = asyncio.create_task(caller.call(messages[number % len(messages)], moment))
        running.add(task)
        task.add_done_callback(running.discard)
    outcomes.seconds = max(seconds, time.perf_counter() - caller.started)  # longer where the generator cannot keep up
    await asyncio.gather(*running)
    outcomes.generator_cpu_s = time.process_time() - before
    await caller.close()
    return outcomes


async def _saturate(address: str, messages: Messages, callers: int, seconds: float) -> Outcomes:
    outcomes = Outcomes(seconds=seconds)
    caller = _Caller(address, outcomes, None)
    turn = count()
    before = time.process_time()

    async def ask() -> None:
        while (now := time.perf_counter() - caller.started) < seconds:
            await caller.call(messages[next(turn) % len(messages)], now)

    await asyncio.gather(*(ask() for _ in range(callers)))
    outcomes.generator_cpu_s = time.process_time() - before
    await caller.close()
    return outcomes
