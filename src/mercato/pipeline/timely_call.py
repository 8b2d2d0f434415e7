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
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.errors import ModelError
from mercato.pipeline.remote import Arrays, Call

Outputs = dict[str, npt.NDArray[Any]]

CALLS_AT_ONCE = 2
"""Calls of one model that may be under way: one that counts, and a late one. While two are late no other is made, so
that a model that hangs costs its budget twice and then nothing."""
FORGOTTEN_S = 30.0
"""A call that is under way this long counts as lost: the next one is made beside it. A model that hung was reloaded
long before, and its calls ended with an error; this is for calls that no answer will ever end."""


class TimelyCall:
    """Runs inferences with a time limit for each model that has one. Used by one thread at a time."""

    def __init__(self, call: Call, budgets_ms: Mapping[str, int]) -> None:
        """Wrap a call.

        Args:
            call: runs one inference.
            budgets_ms: milliseconds by model; a model without a budget is waited for.
        """
        self._call = call
        self._lanes = {model: _Lane(model, budget_ms / 1000) for model, budget_ms in budgets_ms.items()}

    def __call__(self, model: str, inputs: Arrays, outputs: Sequence[str]) -> Outputs:
        """Run one inference.

        Raises:
            ModelError: it failed, is late, or calls that were late are still under way.
        """
        lane = self._lanes.get(model)
        if lane is None:
            return self._call(model, inputs, outputs)
        # Copied: what a late call still reads must not change.
        given = {name: np.array(array) for name, array in inputs.items()}
        return lane.run(lambda: self._call(model, given, outputs))


class _Lane:
    """The calls of one model."""

    def __init__(self, model: str, budget_s: float) -> None:
        self._model = model
        self._budget_s = budget_s
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._busy: dict[_Worker, float] = {}
        """When each busy worker was given its call, by the monotonic clock."""

    def run(self, work: Callable[[], Outputs]) -> Outputs:
        future: Future[Outputs] = Future()
        self._take_worker().tasks.put((work, future))
        try:
            return future.result(timeout=self._budget_s)
        except FutureTimeoutError as exc:
            raise ModelError(f"model {self._model}: no answer within {self._budget_s:g} s") from exc

    def _take_worker(self) -> _Worker:
        now = time.monotonic()
        with self._lock:
            for worker in [worker for worker, since in self._busy.items() if now - since > FORGOTTEN_S]:
                del self._busy[worker]
            if len(self._busy) >= CALLS_AT_ONCE:
                raise ModelError(f"model {self._model}: {CALLS_AT_ONCE} late calls are still under way; none was made")
            worker = self._idle.pop() if self._idle else _Worker(self._model, self._release)
            self._busy[worker] = now
        return worker

    def _release(self, worker: _Worker) -> None:
        with self._lock:
            if self._busy.pop(worker, None) is not None:
                self._idle.append(worker)
            else:  # it was forgotten, and another has its place
                worker.tasks.put(None)


class _Worker:
    """A thread that makes one call after the other. A daemon: a call that never ends must not keep the process."""

    def __init__(self, model: str, release: Callable[[_Worker], None]) -> None:
        self.tasks: SimpleQueue[tuple[Callable[[], Outputs], Future[Outputs]] | None] = SimpleQueue()
        self._release = release
        threading.Thread(target=self._run, name=f"call of {model}", daemon=True).start()

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
