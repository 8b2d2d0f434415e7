"""The shapes an engine is built for: buckets of one axis, which callers pad to, ranges of the batch, CUDA graphs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mercato.errors import InvalidInputError

Element = TypeVar("Element", bound=np.generic)

# What Triton's dynamic batcher may put together; every configuration has the same.
MAX_BATCH_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class BatchRange:
    """A range of batch sizes.

    Attributes:
        minimum: least size.
        typical: the size that kernels are chosen for.
        maximum: greatest size.
    """

    minimum: int = 1
    typical: int = 8
    maximum: int = MAX_BATCH_SIZE


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The shapes of one optimisation profile.

    Attributes:
        batch: the batch sizes.
        shortest: least length of the axis with buckets.
        longest: greatest length, the one that kernels are chosen for, because callers pad up to it.
    """

    batch: BatchRange
    shortest: int
    longest: int

    def bounds(self, axis: str) -> tuple[int, int, int]:
        """Return minimum, typical and maximum length of the axis named ``batch``, or of the one with buckets."""
        if axis == "batch":
            return self.batch.minimum, self.batch.typical, self.batch.maximum
        return self.shortest, self.longest, self.longest


@dataclass(frozen=True, kw_only=True)
class EngineShapes:
    """What an engine is built for, checked when made.

    A request belongs to one profile only: the ranges of neighbouring buckets do not overlap. More buckets waste less
    on padding and take longer to build and more memory to run.

    Attributes:
        axis: name of the axis with buckets, as `Tensor.axes` has it.
        buckets: lengths that callers pad up to, rising.
        batch_ranges: ranges of the batch; every bucket gets a profile for each.
        graph_batches: batch sizes with a CUDA graph each, in every bucket. A batch between two of them runs as the
            larger one.
    """

    axis: str
    buckets: tuple[int, ...]
    batch_ranges: tuple[BatchRange, ...] = (BatchRange(),)
    graph_batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)

    def __post_init__(self) -> None:
        """Check all fields and report every problem at once."""
        problems = []
        for name, values in (("buckets", self.buckets), ("graph_batches", self.graph_batches)):
            if (
                not values
                or values[0] < 1
                or any(left >= right for left, right in zip(values, values[1:], strict=False))
            ):
                problems.append(f"{name} must rise from 1 or more, given {list(values)}")
        expected = 1
        for batch in self.batch_ranges:
            if not batch.minimum <= batch.typical <= batch.maximum:
                problems.append(
                    "batch_ranges must have minimum <= typical <= maximum, "
                    f"given {batch.minimum}, {batch.typical}, {batch.maximum}"
                )
            if batch.minimum != expected:
                problems.append(f"batch_ranges must follow each other from 1 on, {batch.minimum} given for {expected}")
            expected = batch.maximum + 1
        if not self.batch_ranges:
            problems.append("batch_ranges must not be empty")
        elif self.graph_batches and self.graph_batches[-1] > self.max_batch_size:
            problems.append(f"graph_batches must be at most {self.max_batch_size}, given {self.graph_batches[-1]}")
        if problems:
            raise InvalidInputError("engine shapes", "; ".join(problems))

    @property
    def max_batch_size(self) -> int:
        """The greatest batch."""
        return self.batch_ranges[-1].maximum

    def profiles(self) -> tuple[Profile, ...]:
        """Return the optimisation profiles, by batch range and then by bucket."""
        shortest = [1, *(bucket + 1 for bucket in self.buckets[:-1])]
        return tuple(
            Profile(batch=batch, shortest=least, longest=bucket)
            for batch in self.batch_ranges
            for least, bucket in zip(shortest, self.buckets, strict=True)
        )


def choose_bucket(length: int, buckets: Sequence[int]) -> int:
    """Return the least bucket that holds a length; the length itself where there is none."""
    return next((bucket for bucket in buckets if bucket >= length), length)


def pad_to_bucket(array: npt.NDArray[Element], buckets: Sequence[int], *, axis: int = 1) -> npt.NDArray[Element]:
    """Pad one axis with zeros on the right, up to the least bucket that holds it.

    Args:
        array: any array.
        buckets: lengths to pad to, rising; none leaves the array as it is, and so does a length above all of them.
        axis: the axis.

    Returns:
        The array itself where nothing is to be padded, else a longer copy.
    """
    missing = choose_bucket(array.shape[axis], buckets) - array.shape[axis]
    if not missing:
        return array
    widths: list[tuple[int, int]] = [(0, missing if position == axis else 0) for position in range(array.ndim)]
    padded: npt.NDArray[Any] = np.pad(array, widths)
    return padded
