"""What learning from events goes by that differs from shop to shop; `mercato index` chooses it from the log."""

from __future__ import annotations

from dataclasses import dataclass

from mercato.signals.cooccurrence import SHRINKAGE
from mercato.signals.ease import DEFAULT_REGULARIZATION


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """How signals are learned; the defaults are one shop's.

    Attributes:
        regularization: L2 penalty of EASE, in buyers.
        shrinkage: orders at which the cosine of two products is halved.
    """

    regularization: float = DEFAULT_REGULARIZATION
    shrinkage: float = SHRINKAGE
