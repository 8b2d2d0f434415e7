"""From a ranker's scores to probabilities: how likely is it that the shopper buys the product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercato.arrays import Float64
from mercato.features.features import COLUMN


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A map from scores to probabilities that keeps the order of every list.

    ``logit = offset + slope * score + sum over shopper of weight * feature``, and ``p = 1 / (1 + exp(-logit))`` (Platt
    1999), or, where there are knots, what lies between them at the logit (isotonic regression, Zadrozny and Elkan
    2002). The features are those of the shopper, the same for each candidate of a list: a softmax over a list teaches
    scores that say which product and not whether anything at all is bought.

    Attributes:
        event: what has the probability, for people.
        offset: of the logit.
        slope: of the score; more than 0.
        shopper: name of a feature that is the same over a list, to its weight.
        logits: knots, rising; empty for the curve itself.
        probabilities: at the knots, 0 to 1, never falling.
    """

    event: str
    offset: float
    slope: float
    shopper: Mapping[str, float] = field(default_factory=dict)
    logits: Sequence[float] = ()
    probabilities: Sequence[float] = ()

    def __post_init__(self) -> None:
        """Check that the map keeps the order of scores, and that its features are computed."""
        problems = []
        if not self.slope > 0:
            problems.append(f"slope must be more than 0, given {self.slope}")
        unknown = sorted(set(self.shopper) - set(COLUMN))
        if unknown:
            problems.append(f"shopper must name features, given {', '.join(unknown)}")
        numbers = np.array([self.offset, self.slope, *self.shopper.values(), *self.logits, *self.probabilities])
        if not np.isfinite(numbers).all():
            problems.append("numbers must be finite")
        if len(self.logits) != len(self.probabilities) or len(self.logits) == 1:
            problems.append(
                f"knots must be none or two and more, given {len(self.logits)} logits and "
                f"{len(self.probabilities)} probabilities"
            )
        elif (np.diff(self.logits) <= 0).any() or (np.diff(self.probabilities) < 0).any():
            problems.append("logits must rise and probabilities must not fall from knot to knot")
        if any(not 0 <= value <= 1 for value in self.probabilities):
            problems.append("probabilities must be from 0 to 1")
        if problems:
            raise ValueError(f"calibration: {'; '.join(problems)}")

    def covers(self, features: NDArray[np.float32]) -> bool:
        """Tell whether a list, float32 [n, F], is one that probabilities were fitted to: its shopper bought before."""
        return bool(features[:, COLUMN["log_orders"]].any())

    def compute_logits(self, scores: NDArray[np.float32], features: NDArray[np.float32]) -> Float64:
        """Return the logits of candidates, by the formula above.

        Args:
            scores: float32 [n].
            features: float32 [n, F], columns as :data:`mercato.features.features.FEATURE_NAMES`.

        Returns:
            float64 [n], in the order of the scores where the rows of features are of one list.
        """
        logits: Float64 = self.offset + self.slope * scores.astype(np.float64)
        if self.shopper:
            columns, weights = self._shopper
            logits += features[:, columns] @ weights
        return logits

    def compute_probabilities(self, scores: NDArray[np.float32], features: NDArray[np.float32]) -> Float64:
        """Return the probability of each candidate: float64 [n], 0 to 1; arguments as for :meth:`compute_logits`."""
        logits = self.compute_logits(scores, features)
        if self.logits:
            between: Float64 = np.interp(logits, *self._knots)
            return between
        curve: Float64 = 1.0 / (1.0 + np.exp(-np.clip(logits, -500.0, 500.0)))
        return curve

    @cached_property
    def _shopper(self) -> tuple[list[int], Float64]:
        """Columns of the shopper's features, and their weights."""
        return [COLUMN[name] for name in self.shopper], np.array(list(self.shopper.values()))

    @cached_property
    def _knots(self) -> tuple[Float64, Float64]:
        """Logits and probabilities of the knots."""
        return np.array(self.logits), np.array(self.probabilities)

    def as_json(self) -> dict[str, Any]:
        """Return plain numbers, for a manifest."""
        return {
            "event": self.event,
            "offset": self.offset,
            "slope": self.slope,
            "shopper": dict(self.shopper),
            "logits": list(self.logits),
            "probabilities": list(self.probabilities),
        }


def read_calibration(document: Mapping[str, Any]) -> Calibration:
    """Read what :meth:`Calibration.as_json` wrote.

    Raises:
        ValueError: a number is missing, is none, or the map would not keep the order.
    """
    try:
        return Calibration(
            event=str(document["event"]),
            offset=float(document["offset"]),
            slope=float(document["slope"]),
            shopper={str(name): float(weight) for name, weight in document.get("shopper", {}).items()},
            logits=tuple(map(float, document.get("logits", ()))),
            probabilities=tuple(map(float, document.get("probabilities", ()))),
        )
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(
            f"calibration: event, offset and slope must be given, and be text and numbers ({exc!r})"
        ) from exc
