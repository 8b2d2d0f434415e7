"""Which requests of a batch are worked on: those that somebody still waits for and that can be answered in time.

Triton refuses what finds its queue full; that costs little, and is all that Triton knows. Here the time is known that a
request takes, as measured, and the deadline that its caller named. A batch is as late as all its requests together, so
under load it is cut to what the deadlines leave time for, and the others are told at once when to come back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mercato.errors import AbandonedError, MercatoError, OverloadedError

WORK_SHARE = 0.15
"""Share of a request's time that its batch may take. The request may have waited for the batch before it, which took as
long; what is left of the time is for what was estimated wrongly, and for the network."""
ASSUMED_DEADLINE_S = 6.0
"""Seconds that a caller is taken to allow that does not say how many."""
DECAY = 0.8
"""What the batches before weigh beside the latest one."""
IDLE_S = 0.005
"""An instance that was idle for longer took its batch from an empty queue: nobody waited, and nobody has gone."""
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
        self._worked_s = 0.0
        self._worked_on = 0.0
        self._ended = -IDLE_S
        self._asked = 0.0
        self._requests: Sequence[Any] = ()

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
        self._asked = started = self._clock()
        gone = started - self._ended < IDLE_S
        refused: dict[int, MercatoError] = (
            {index: _tell_abandoned() for index, request in enumerate(requests) if request.is_cancelled()}
            if gone
            else {}
        )
        waiting = [index for index in range(len(requests)) if index not in refused]
        admitted = set(select_in_time([read_deadline(requests[index]) for index in waiting], self.request_s))
        late = [index for position, index in enumerate(waiting) if position not in admitted]
        if late:
            again_s = min(max(len(waiting) * self.request_s, MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S)
            problem = f"{len(admitted)} of {len(waiting)} requests can be answered in time"
            refused |= {index: OverloadedError(problem, retry_after_s=again_s) for index in late}
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
            self._requests = ()
            if admitted:
                self._worked_s = DECAY * self._worked_s + (self._ended - started)
                self._worked_on = DECAY * self._worked_on + admitted

    def watch(self, items: Sequence[object]) -> Callable[[], Mapping[int, MercatoError]] | None:
        """Return what finds, between two stages, the requests of a batch whose callers have gone; by position.

        Args:
            items: what is worked on; of a part of the batch the positions are not known, and nothing is returned.
        """
        return self._find_abandoned if len(items) == len(self._requests) else None

    def _find_abandoned(self) -> Mapping[int, MercatoError]:
        now = self._clock()
        if now - self._asked < ASK_AGAIN_S:
            return {}
        self._asked = now
        return {index: _tell_abandoned() for index, request in enumerate(self._requests) if request.is_cancelled()}


def read_deadline(request: Any) -> float:
    """Return the seconds that a caller allows: its ``timeout`` parameter, without one what is assumed."""
    timeout_us = int(request.timeout())
    return timeout_us / 1e6 if timeout_us > 0 else ASSUMED_DEADLINE_S


def select_in_time(deadlines_s: Sequence[float], request_s: float) -> list[int]:
    """Select as many requests as one batch can answer in time.

    The batch of the n requests with the longest deadlines is in time if ``n * request_s`` is at most `WORK_SHARE` of
    the shortest among them; the largest such n counts, and one request always is admitted.

    Args:
        deadlines_s: seconds allowed, by request.
        request_s: seconds that one request takes; 0 for not known.

    Returns:
        Positions, those of the longest deadlines first; ties in their order.
    """
    longest_first = sorted(range(len(deadlines_s)), key=lambda index: -deadlines_s[index])
    count = len(longest_first)
    while count > 1 and count * request_s > WORK_SHARE * deadlines_s[longest_first[count - 1]]:
        count -= 1
    return longest_first[:count]


def _tell_abandoned() -> MercatoError:
    return AbandonedError("the caller has gone: it cancelled the request, or its deadline is over")
