"""Asking all shards at once, and what becomes of one that does not answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mercato.errors import MercatoError, ModelError

logger = logging.getLogger(__name__)

ShardCall = Callable[[bytes], bytes]
"""Sends a message to a shard and returns its answer; raises ModelError where none comes in time."""


@dataclass(frozen=True, kw_only=True)
class ShardAddress:
    """Where a shard is reached.

    Attributes:
        name: for messages, as ``HOST:PORT``.
        call: sends it a message.
        products: how many products it has.
    """

    name: str
    call: ShardCall
    products: int


class FanOut:
    """The shards of a catalogue, in the order of their numbers."""

    def __init__(self, shards: Sequence[ShardAddress], *, answers_in_part: bool) -> None:
        """Take the shards.

        Args:
            shards: all of them.
            answers_in_part: whether searches are answered by those that can be reached where one cannot; else they are
                refused.
        """
        self.shards = shards
        self._answers_in_part = answers_in_part
        self._threads = ThreadPoolExecutor(max_workers=4 * len(shards), thread_name_prefix="shard")

    def ask(self, messages: Mapping[int, bytes]) -> dict[int, bytes]:
        """Send messages to shards and wait for the answers.

        Args:
            messages: by the index of the shard.

        Returns:
            The answers of those that answered.

        Raises:
            ModelError: one did not, and answers in part are not wanted; or none did.
        """
        calls = {index: self._threads.submit(self.shards[index].call, message) for index, message in messages.items()}
        answers: dict[int, bytes] = {}
        problems: list[str] = []
        for index, call in calls.items():
            try:
                answers[index] = call.result()
            except MercatoError as exc:
                logger.warning("shard %d (%s) did not answer: %s", index + 1, self.shards[index].name, exc)
                problems.append(f"shard {index + 1} of {len(self.shards)} ({self.shards[index].name}): {exc}")
        if problems and (not self._answers_in_part or not answers):
            raise ModelError(
                f"{'; '.join(problems)}; start what is down, or serve with --missing-shards answer to be answered from "
                "the others"
            )
        return answers

    def share(self, indexes: Sequence[int]) -> float:
        """Return how much of the catalogue some shards hold, 0 to 1."""
        return sum(self.shards[index].products for index in indexes) / sum(shard.products for shard in self.shards)
