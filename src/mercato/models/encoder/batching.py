"""Many texts in batches of similar length, and work on many batches side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mercato.errors import InvalidInputError

Part = TypeVar("Part")
Done = TypeVar("Done")

PARTS_A_WORKER = 8


@dataclass(frozen=True, kw_only=True)
class EncodedBatch:
    """Some of the texts, encoded.

    Attributes:
        positions: int64 [batch], where the texts stand in the input.
        vectors: float32 [batch, dimension], one row a position.
    """

    positions: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]


def order_by_length(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the positions of texts from the shortest (in characters) to the longest; equal ones keep their order."""
    lengths = np.fromiter((len(text) for text in texts), dtype=np.int64, count=len(texts))
    return np.argsort(lengths, kind="stable").astype(np.int64)


def split_by_tokens(lengths: npt.NDArray[np.int64], limit: int) -> list[npt.NDArray[np.int64]]:
    """Split texts into groups of similar length that hold, padding included, at most a number of tokens.

    Args:
        lengths: int64 [texts], tokens of each.
        limit: most tokens in a group, ``texts * longest``; a single text above it is a group of its own.

    Returns:
        Positions of the texts of each group, from the shortest texts to the longest; each position once.
    """
    order = np.argsort(lengths, kind="stable").astype(np.int64)
    starts = [0]
    for end, length in enumerate(lengths[order]):
        # Lengths rise, so the text at hand is the longest of its group.
        if (end + 1 - starts[-1]) * length > limit and end > starts[-1]:
            starts.append(end)
    return np.split(order, starts[1:]) if len(order) else []


def run_side_by_side(work: Callable[[Part], Done], parts: Iterable[Part], *, workers: int) -> Iterator[Done]:
    """Do the same work on many parts.

    Args:
        work: called from several threads when ``workers`` is above 1.
        parts: read as they are needed, in the caller's thread.
        workers: threads; 1 works in the caller's thread.

    Yields:
        What each part gave, in order. Nothing for no part.

    Raises:
        InvalidInputError: ``workers`` is below 1.
    """
    if workers < 1:
        raise InvalidInputError("workers", f"must be at least 1, got {workers}")
    return map(work, parts) if workers == 1 else _side_by_side(work, parts, workers)


def _side_by_side(work: Callable[[Part], Done], parts: Iterable[Part], workers: int) -> Iterator[Done]:
    waiting: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="encode") as pool:
        try:
            for part in parts:
                waiting.append(pool.submit(work, part))
                # Some parts a worker keep it busy while the next are made; more would only hold what nobody has taken.
                if len(waiting) >= PARTS_A_WORKER * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
