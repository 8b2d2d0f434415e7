"""When a call that no server took is made again, and how long that waits: without waiting itself.

gRPC repeats calls too, but after a time of its own and with the deadline of the first attempt. A server that sheds load
says when to come back, and each attempt tells the server what is left of the time.
"""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from typing import Any, Generic, TypeVar

from mercato_client._base import Countdown
from mercato_client._calls import Call
from mercato_client.errors import DeadlineExceededError, MercatoClientError, UnavailableError
from mercato_client.settings import Retries

Answer = TypeVar("Answer")

MAX_TOKENS = 10
"""As gRPC's own throttle (gRFC A6): each call that no server took costs one of these, and repeats stop at half."""
TOKENS_OF_A_SUCCESS = 0.1
JITTER = 0.2
"""A wait is up to this share shorter or longer; one that a server named only longer. Many callers refused at one
moment must not come back at one moment."""


class Throttle:
    """Stops the repeats of a client while most of its calls fail. Used by many threads."""

    def __init__(self) -> None:
        """Make it full."""
        self._lock = threading.Lock()
        self._tokens = float(MAX_TOKENS)

    def note_success(self) -> None:
        """Take note of a call that was answered."""
        with self._lock:
            self._tokens = min(MAX_TOKENS, self._tokens + TOKENS_OF_A_SUCCESS)

    def note_failure(self) -> bool:
        """Take note of a call that no server took.

        Returns:
            Whether it may be repeated.
        """
        with self._lock:
            self._tokens = max(0.0, self._tokens - 1)
            return self._tokens > MAX_TOKENS / 2


class Attempts(Generic[Answer]):
    """The attempts of one call."""

    def __init__(self, call: Call[Answer], retries: Retries, throttle: Throttle) -> None:
        """Start the time of a call.

        Args:
            call: the call.
            retries: how often and after how long it is repeated.
            throttle: that of the client.
        """
        self._call = call
        self._retries = retries
        self._throttle = throttle
        self._countdown = Countdown(call.timeout_s)
        self._made = 0

    def to_infer_arguments(self) -> dict[str, Any]:
        """The arguments of tritonclient's ``infer`` for the next attempt, with the time that is left.

        Raises:
            DeadlineExceededError: none is left.
        """
        self._made += 1
        if self._made == 1:
            return self._call.to_infer_arguments()
        left_s = self._countdown.remaining_s()
        return (self._call if left_s is None else replace(self._call, timeout_s=left_s)).to_infer_arguments()

    def note_answer(self) -> None:
        """Take note that the call was answered."""
        self._throttle.note_success()

    def wait_s(self, error: MercatoClientError) -> float | None:
        """Return the seconds to wait before the next attempt.

        Args:
            error: what the latest attempt ended with.

        Returns:
            None where there is to be none: the error is of another kind, the attempts or the time are used up, the
            call may not be repeated, or most calls fail.
        """
        if not isinstance(error, UnavailableError) or not self._throttle.note_failure():
            return None
        if not self._call.repeatable or self._made >= self._retries.attempts:
            return None
        backoff_s = min(self._retries.initial_backoff_s * 2 ** (self._made - 1), self._retries.max_backoff_s)
        wait_s = backoff_s * random.uniform(1 - JITTER, 1 + JITTER)
        if error.retry_after_s is not None:
            wait_s = max(wait_s, error.retry_after_s * random.uniform(1, 1 + JITTER))
        try:
            left_s = self._countdown.remaining_s()
        except DeadlineExceededError:
            return None
        return wait_s if left_s is None or wait_s < left_s else None
