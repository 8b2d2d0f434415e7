"""Padding up to a bucket, on the side of whoever calls an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mercato.models.engine.shapes import choose_bucket

Element = TypeVar("Element", bound=np.generic)


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
