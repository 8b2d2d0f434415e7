"""What learning from events goes by that differs from shop to shop; `mercato index` chooses it from the log."""

from __future__ import annotations

from dataclasses import dataclass

from mercato.signals.cooccurrence import SHRINKAGE
from mercato.signals.ease import DEFAULT_LATELY_DAYS, DEFAULT_REGULARIZATION
from mercato.signals.popularity import DEFAULT_HALF_LIFE_DAYS


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """How signals are learned; the defaults are one shop's.

    Attributes:
        regularization: L2 penalty of EASE, in buyers.
        shrinkage: orders at which the cosine of two products is halved.
        lately_days: days before the moment of learning whose purchases EASE explains where it is to follow seasons.
        half_life_days: age at which an event counts half for popularity.
    """

    regularization: float = DEFAULT_REGULARIZATION
    shrinkage: float = SHRINKAGE
    lately_days: float = DEFAULT_LATELY_DAYS
    half_life_days: float = DEFAULT_HALF_LIFE_DAYS
