"""A stage that is given up when it is late, so that what comes after it is not."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

import numpy as np
import numpy.typing as npt

from mercato.errors import ModelError
from mercato.models.stages import RerankerStage

CALLS_AT_ONCE = 2
"""Calls that may be under way: one that counts, and a late one whose answer nobody waits for."""


class TimelyReranker:
    """A reranker with a time limit. A call that cannot be stopped goes on in a thread, and its answer is dropped."""

    def __init__(self, stage: RerankerStage, budget_s: float) -> None:
        """Wrap a stage.

        Args:
            stage: what scores.
            budget_s: seconds that one call may take.
        """
        self._stage = stage
        self._budget_s = budget_s
        self._free = threading.BoundedSemaphore(CALLS_AT_ONCE)
        self._pool = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="rerank")

    @property
    def weight(self) -> float:
        """Share of the reranker in the blend."""
        return self._stage.weight

    def score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float32]]:
        """Score pairs in time; see `mercato.models.stages.RerankerStage.score`.

        Raises:
            ModelError: the stage failed, is late, or still works on calls that were late.
        """
        if not self._free.acquire(blocking=False):
            raise ModelError(f"reranker: {CALLS_AT_ONCE} late calls are still under way; none was made")
        future = self._pool.submit(self._work, queries, texts)
        try:
            return future.result(timeout=self._budget_s)
        except FutureTimeoutError as exc:
            raise ModelError(f"reranker: no answer within {self._budget_s:g} s") from exc

    def _work(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float32]]:
        try:
            return self._stage.score(queries, texts)
        finally:
            self._free.release()
