"""Which requests of a batch are worked on: those that somebody still waits for and that can be answered in time.

Triton refuses what finds its queue full; that costs little, and is all that Triton knows. Here the time is known that a
request takes, as measured, and the deadline that its caller named. A batch is as late as all its requests together, so
under load it is cut to what the deadlines leave time for, and the others are told at once when to come back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mercato.errors import AbandonedError, MercatoError, OverloadedError

WHOLE_SHARE = 0.6
"""Share of its shortest deadline in which a batch is taken whole; the rest is for wrong estimates, and for the network.
A request has waited for at most the batch before its own: no more than one batch an instance waits."""
CUT_SHARE = 0.3
"""Share to which a batch is cut that does not end within the other: more will come, and what is answered comes soon."""
PATIENCE_S = 30.0
"""Seconds that a caller is taken to allow that names no deadline, until such callers are seen to give up earlier."""
IMPATIENT_SHARE = 0.1
"""Share of them that has gone when their batch is done, which shows that they allow less."""
PATIENCE_GROWTH = 1.02
"""What they are taken to allow grows by this with each batch, so that an impatient hour is forgotten."""
DECAY = 0.8
"""What the batches before weigh beside the latest one."""
IDLE_S = 0.05
"""An instance that was idle for longer took its batch from an empty queue: nobody waited. Shorter pauses are what it
takes Triton to send some sixty answers and to hand over the next batch."""
ASK_AGAIN_S = 0.05
"""Seconds between two askings of the callers of one batch; each costs some 25 us of processor time a request."""
MIN_RETRY_AFTER_S, MAX_RETRY_AFTER_S = 0.1, 5.0


class Admission:
    """Admits the requests of one model instance, batch after batch. Used by one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Make it; until the first batch was measured everything is admitted.

        Args:
            clock: the time in seconds, never going back.
        """
        self._clock = clock
        self._patience_s = PATIENCE_S
        self._worked_s = 0.0
        self._worked_on = 0.0
        self._ended = -math.inf
        self._started = 0.0
        self._asked = 0.0
        self._requests: Sequence[Any] = ()
        self._refused: Mapping[int, MercatoError] = {}

    @property
    def request_s(self) -> float:
        """Seconds that one request of a batch takes; 0 before the first batch.

        The time of all batches over the requests in them, the latest weighing most. A ratio of sums, because a request
        alone takes several times what it adds to a batch of many: an average of ratios would refuse too much.
        """
        return self._worked_s / self._worked_on if self._worked_on else 0.0

    def refuse(self, requests: Sequence[Any]) -> dict[int, MercatoError]:
        """Find the requests of a batch that are not worth any work.

        Where not all can be answered in time as many as possible are; among equal deadlines those that came first.

        Args:
            requests: Triton's, in the order in which they came.

        Returns:
            The reason of each refused request, by its position.
        """
        self._requests = requests
        now = self._clock()
        waited_s = now - self._started if now - self._ended < IDLE_S else 0.0
        self._asked = self._started = now
        refused: dict[int, MercatoError] = {}
        if waited_s >= ASK_AGAIN_S:
            refused = {index: _tell_abandoned() for index, request in enumerate(requests) if request.is_cancelled()}
        waiting = [index for index in range(len(requests)) if index not in refused]
        deadlines_s = [read_deadline(requests[index]) or self._patience_s for index in waiting]
        admitted = set(select_in_time(deadlines_s, self.request_s, waited_s))
        late = [index for position, index in enumerate(waiting) if position not in admitted]
        if late:
            again_s = min(max(len(waiting) * self.request_s, MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S)
            problem = f"{len(admitted)} of {len(waiting)} requests can be answered in time"
            refused |= {index: OverloadedError(problem, retry_after_s=again_s) for index in late}
        self._refused = refused
        return refused

    @contextmanager
    def measure(self, admitted: int) -> Iterator[None]:
        """Measure the work on a batch.

        Args:
            admitted: how many requests are worked on.
        """
        started = self._clock()
        try:
            yield
        finally:
            self._ended = self._clock()
            batch_s = self._ended - started
            if admitted:
                self._worked_s = DECAY * self._worked_s + batch_s
                self._worked_on = DECAY * self._worked_on + admitted
                self._learn_patience(batch_s)
            self._requests, self._refused = (), {}

    def _learn_patience(self, batch_s: float) -> None:
        """Look how many of those that named no deadline have gone: theirs is known to gRPC alone, which cancels.

        They waited for one batch and for this one. A batch that took no longer than an asking is worth tells nothing.
        """
        self._patience_s = min(PATIENCE_S, self._patience_s * PATIENCE_GROWTH)
        if batch_s < ASK_AGAIN_S:
            return
        silent = [
            request
            for index, request in enumerate(self._requests)
            if index not in self._refused and not read_deadline(request)
        ]
        gone = sum(bool(request.is_cancelled()) for request in silent)
        if gone > 1 and gone >= IMPATIENT_SHARE * len(silent):
            self._patience_s = min(self._patience_s, 2 * batch_s)

    def watch(self, items: Sequence[object]) -> Callable[[], Mapping[int, MercatoError]] | None:
        """Return what finds, between two stages, the requests of a batch whose callers have gone; by position.

        Gone are those who cancelled, and those whose own deadline is shorter than the batch has taken already.

        Args:
            items: what is worked on; of a part of the batch the positions are not known, and nothing is returned.
        """
        return self._find_abandoned if len(items) == len(self._requests) else None

    def _find_abandoned(self) -> Mapping[int, MercatoError]:
        now = self._clock()
        if now - self._asked < ASK_AGAIN_S:
            return {}
        self._asked = now
        worked_s = now - self._started
        return {
            index: _tell_abandoned()
            for index, request in enumerate(self._requests)
            if index not in self._refused and (0 < read_deadline(request) <= worked_s or request.is_cancelled())
        }


def read_deadline(request: Any) -> float:
    """Return the seconds that a caller allows, its ``timeout`` parameter; 0 without one."""
    return int(request.timeout()) / 1e6


def select_in_time(deadlines_s: Sequence[float], request_s: float, waited_s: float = 0.0) -> list[int]:
    """Select the requests that one batch can answer in time: all of them, or so many that overload stays short.

    The batch of the n requests with the longest deadlines takes ``waited_s + n * request_s``. All are selected if that
    is at most `WHOLE_SHARE` of the shortest deadline; else the largest n for which it is at most `CUT_SHARE` of the
    shortest among the n, and one request always.

    Args:
        deadlines_s: seconds allowed, by request.
        request_s: seconds that one request takes; 0 for not known.
        waited_s: seconds that they may have waited already.

    Returns:
        Positions, those of the longest deadlines first; ties in their order.
    """
    longest_first = sorted(range(len(deadlines_s)), key=lambda index: -deadlines_s[index])

    def ends_in_time(count: int, share: float) -> bool:
        return waited_s + count * request_s <= share * deadlines_s[longest_first[count - 1]]

    count = len(longest_first)
    if count and not ends_in_time(count, WHOLE_SHARE):
        while count > 1 and not ends_in_time(count, CUT_SHARE):
            count -= 1
    return longest_first[:count]


def _tell_abandoned() -> MercatoError:
    return AbandonedError("the caller has gone: it cancelled the request, or its deadline is over")
