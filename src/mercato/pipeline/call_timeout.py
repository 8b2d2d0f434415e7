"""Calls of other models that are given up when they are late, so that one model that hangs does not hang them all.

Triton's own timeout of a request counts only while it waits in a queue: a model that is stuck in its work holds its
caller for ever (measured on 2.51). Calls are therefore made in threads of their own, and a late answer is dropped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from mercato.errors import InvalidInputError, ModelError

if TYPE_CHECKING:  # the command line checks timeouts and must not load the stages for that
    from mercato.models.stages import RerankerStage
    from mercato.pipeline.remote import Arrays, Call

Outputs = dict[str, npt.NDArray[Any]]
Result = TypeVar("Result")

DEFAULT_TIMEOUTS_MS: Mapping[str, int] = {"encoder": 2000, "retriever": 5000, "ranker": 2000}
"""Milliseconds of one call by model. Generous: they are for what hangs; a shop that wants short answers sets less. The
reranker has its own, in ``rerank_budget_ms``."""
CALLS_AT_ONCE = 2
"""Calls of one model that may be under way: one that counts, and a late one. While two are late no other is made, so
that a model that hangs costs its timeout twice and then nothing."""
FORGOTTEN_S = 30.0
"""A call that is under way this long counts as lost: the next one is made beside it. A model that hung was reloaded
long before, and its calls ended with an error; this is for calls that no answer will ever end."""


def check_timeouts(timeouts_ms: Mapping[str, int]) -> None:
    """Check timeouts by model, as ``--stage-budget`` sets them.

    Raises:
        InvalidInputError: no such stage, or a timeout that is not above 0.
    """
    unknown = sorted(set(timeouts_ms) - set(DEFAULT_TIMEOUTS_MS))
    if unknown:
        raise InvalidInputError(
            "stage budget", f"must name one of {', '.join(DEFAULT_TIMEOUTS_MS)}, got {', '.join(unknown)[:80]!r}"
        )
    for name, timeout_ms in timeouts_ms.items():
        if not timeout_ms > 0:
            raise InvalidInputError("stage budget", f"of {name} must be above 0 milliseconds, got {timeout_ms}")


def parse_timeouts(pairs: Sequence[str]) -> dict[str, int]:
    """Read timeouts as the command line gives them, such as ``encoder=200``.

    Raises:
        InvalidInputError: no such pair, no such stage, or a timeout that is not above 0.
    """
    timeouts_ms: dict[str, int] = {}
    for pair in pairs:
        name, equals, number = pair.partition("=")
        if not equals or not number.strip().isdecimal():
            raise InvalidInputError("--stage-budget", f"must be STAGE=MILLISECONDS, got {pair[:80]!r}")
        timeouts_ms[name.strip()] = int(number)
    check_timeouts(timeouts_ms)
    return timeouts_ms


class TimeLimit(Generic[Result]):
    """Runs one piece of work after the other, each in a thread, and gives up those that are late."""

    def __init__(self, name: str, timeout_s: float) -> None:
        """Make a limit.

        Args:
            name: what works, for messages and threads.
            timeout_s: seconds that a piece of work may take.
        """
        self._name = name
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._idle: list[_Worker[Result]] = []
        self._busy: dict[_Worker[Result], float] = {}
        """When each busy worker was given its work, by the monotonic clock."""

    def run(self, work: Callable[[], Result]) -> Result:
        """Work in time. What is late goes on in its thread, and its result is dropped.

        Raises:
            ModelError: it is late, or work that was late is still under way; or what the work raises.
        """
        future: Future[Result] = Future()
        self._take_worker().tasks.put((work, future))
        try:
            return future.result(timeout=self._timeout_s)
        except FutureTimeoutError as exc:
            raise ModelError(f"{self._name}: no answer within {self._timeout_s:g} s") from exc

    def _take_worker(self) -> _Worker[Result]:
        now = time.monotonic()
        with self._lock:
            for worker in [worker for worker, since in self._busy.items() if now - since > FORGOTTEN_S]:
                del self._busy[worker]
            if len(self._busy) >= CALLS_AT_ONCE:
                raise ModelError(f"{self._name}: {CALLS_AT_ONCE} late calls are still under way; none was made")
            worker = self._idle.pop() if self._idle else _Worker(f"call of {self._name}", self._release)
            self._busy[worker] = now
        return worker

    def _release(self, worker: _Worker[Result]) -> None:
        with self._lock:
            if self._busy.pop(worker, None) is not None:
                self._idle.append(worker)
            else:  # it was forgotten, and another has its place
                worker.tasks.put(None)


class _Worker(Generic[Result]):
    """A thread that makes one call after the other. A daemon: a call that never ends must not keep the process."""

    def __init__(self, name: str, release: Callable[[_Worker[Result]], None]) -> None:
        self.tasks: SimpleQueue[tuple[Callable[[], Result], Future[Result]] | None] = SimpleQueue()
        self._release = release
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        while (task := self.tasks.get()) is not None:
            work, future = task
            try:
                answer = work()
            except BaseException as exc:  # whoever waits decides
                self._release(self)
                future.set_exception(exc)
            else:
                self._release(self)
                future.set_result(answer)
                del answer
            del task, work, future  # what a call holds in shared memory goes before the next one comes


class CallTimeout:
    """Runs inferences with a time limit for each model that has one. Used by one thread at a time."""

    def __init__(self, call: Call, timeouts_ms: Mapping[str, int]) -> None:
        """Wrap a call.

        Args:
            call: runs one inference.
            timeouts_ms: milliseconds by model; a model without a timeout is waited for.
        """
        self._call = call
        self._limits: dict[str, TimeLimit[Outputs]] = {
            model: TimeLimit(f"model {model}", timeout_ms / 1000) for model, timeout_ms in timeouts_ms.items()
        }

    def __call__(self, model: str, inputs: Arrays, outputs: Sequence[str]) -> Outputs:
        """Run one inference.

        Raises:
            ModelError: it failed, is late, or calls that were late are still under way.
        """
        limit = self._limits.get(model)
        if limit is None:
            return self._call(model, inputs, outputs)
        # Copied: what a late call still reads must not change.
        given = {name: np.array(array) for name, array in inputs.items()}
        return limit.run(lambda: self._call(model, given, outputs))


class RerankerTimeout:
    """A reranker with a time limit, in which it tokenizes too and may make several calls."""

    def __init__(self, stage: RerankerStage, timeout_s: float) -> None:
        """Wrap a stage.

        Args:
            stage: what scores.
            timeout_s: seconds that the pairs of one batch may take.
        """
        self._stage = stage
        self._limit: TimeLimit[list[npt.NDArray[np.float32]]] = TimeLimit("reranker", timeout_s)

    @property
    def weight(self) -> float:
        """Share of the reranker in the blend."""
        return self._stage.weight

    def score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float32]]:
        """Score pairs in time; see `mercato.models.stages.RerankerStage.score`.

        Raises:
            ModelError: the stage failed, is late, or still works on calls that were late.
        """
        return self._limit.run(lambda: self._stage.score(queries, texts))
