"""Does an exported file compute what the PyTorch module computes? Measured on real inputs, and gated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mercato_export.errors import ParityError

Outputs = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number and the limit it must keep.

    Attributes:
        name: what was measured.
        value: the measurement; NaN never keeps a limit.
        limit: the gate.
        at_least: whether ``value`` must be at least the limit, or at most.
    """

    name: str
    value: float
    limit: float
    at_least: bool

    @property
    def passed(self) -> bool:
        """Whether the value keeps the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        """Say the figure, its limit, and by how much it misses it, if it does."""
        relation = ">=" if self.at_least else "<="
        missed = "" if self.passed else f", misses it by {abs(self.value - self.limit):.3g}"
        return f"{self.name} {self.value:.6g} (must be {relation} {self.limit:g}{missed})"


class Gate(Protocol):
    """Compares two sets of outputs."""

    def compare(self, expected: Outputs, actual: Outputs, *, what: str) -> tuple[Figure, ...]:
        """Return the figures of one comparison.

        Args:
            expected: the reference, float [items, ...].
            actual: the same items from the exported file.
            what: ``reference`` (module against file) or ``alone`` (batched against one at a time).
        """
        ...


@dataclass(frozen=True, kw_only=True)
class CosineGate:
    """For models that give a vector an item: the cosine of the two vectors.

    Attributes:
        mean: least mean over the items.
        minimum: least value of any item.
        alone: least value of any item encoded alone against the same item in a padded batch.
    """

    mean: float
    minimum: float
    alone: float = 0.99999

    def compare(self, expected: Outputs, actual: Outputs, *, what: str) -> tuple[Figure, ...]:
        """Return mean and minimum of ``cos = <e, a> / (|e| |a|)``; a zero or non-finite vector counts as NaN."""
        left = expected.astype(np.float64)
        right = actual.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            cosine = (left * right).sum(-1) / (np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1))
        minimum = float(cosine.min())
        if what == "alone":
            return (Figure(name="cosine alone to batched, minimum", value=minimum, limit=self.alone, at_least=True),)
        return (
            Figure(name="cosine to PyTorch, mean", value=float(cosine.mean()), limit=self.mean, at_least=True),
            Figure(name="cosine to PyTorch, minimum", value=minimum, limit=self.minimum, at_least=True),
        )


@dataclass(frozen=True, kw_only=True)
class DifferenceGate:
    """For models that give scores: the largest absolute difference.

    Attributes:
        maximum: most that any score may differ.
    """

    maximum: float

    def compare(self, expected: Outputs, actual: Outputs, *, what: str) -> tuple[Figure, ...]:
        """Return ``max |e - a|``."""
        name = "difference alone to batched" if what == "alone" else "difference to PyTorch"
        value = float(np.abs(expected.astype(np.float64) - actual.astype(np.float64)).max())
        return (Figure(name=f"{name}, maximum", value=value, limit=self.maximum, at_least=False),)


def require_parity(name: str, figures: Sequence[Figure]) -> None:
    """Refuse an exported file that misses a limit.

    Args:
        name: the file, for the message.
        figures: what was measured on it.

    Raises:
        ParityError: names each figure that misses its limit, and by how much.
    """
    failed = [str(figure) for figure in figures if not figure.passed]
    if failed:
        raise ParityError(
            f"{name}: {'; '.join(failed)}. Nothing was written. Export with --target onnx to serve full precision, or "
            "measure on inputs like those you serve"
        )
