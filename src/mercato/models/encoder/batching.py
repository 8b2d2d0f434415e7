"""Many texts to vectors, in batches of texts of similar length."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mercato.errors import InvalidInputError

Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]


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


def iterate_batches(encode: Encode, texts: Sequence[str], *, batch_size: int, workers: int) -> Iterator[EncodedBatch]:
    """Encode texts in batches of similar length.

    Args:
        encode: texts to float32 [texts, dimension]; called from several threads when ``workers`` is above 1.
        texts: the texts.
        batch_size: texts in one call.
        workers: threads; 1 encodes in the caller's thread.

    Yields:
        Batches in the order of length, each position once. Nothing for no text.

    Raises:
        InvalidInputError: ``batch_size`` or ``workers`` is below 1.
    """
    if batch_size < 1:
        raise InvalidInputError("batch_size", f"must be at least 1, got {batch_size}")
    if workers < 1:
        raise InvalidInputError("workers", f"must be at least 1, got {workers}")
    order = order_by_length(texts)
    parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return _in_turn(encode, texts, parts) if workers == 1 else _side_by_side(encode, texts, parts, workers)


def _encode_part(encode: Encode, texts: Sequence[str], positions: npt.NDArray[np.int64]) -> EncodedBatch:
    return EncodedBatch(positions=positions, vectors=encode([texts[position] for position in positions]))


def _in_turn(encode: Encode, texts: Sequence[str], parts: list[npt.NDArray[np.int64]]) -> Iterator[EncodedBatch]:
    for part in parts:
        yield _encode_part(encode, texts, part)


def _side_by_side(
    encode: Encode, texts: Sequence[str], parts: list[npt.NDArray[np.int64]], workers: int
) -> Iterator[EncodedBatch]:
    waiting: deque[Future[EncodedBatch]] = deque()
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="encode") as pool:
        try:
            for part in parts:
                waiting.append(pool.submit(_encode_part, encode, texts, part))
                # Two batches a worker keep it busy; more would only hold results that nobody has taken.
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
