"""What a feature of the ranker is, and how it is declared: once, beside the function that fills it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from mercato.features.candidate_lists import CandidateLists
from mercato.features.inputs import ProductFeatures

REQUEST = "request"
"""The group of features that say what kind of request it is: the same for all its products, so that they are no reason
for one before another, and are never taken away."""


class Display(Enum):
    """How a feature's value is given to a person."""

    PLAIN = "plain"
    EXP = "exp"
    EXPM1 = "expm1"

    def __call__(self, value: float) -> float:
        """Return the readable value."""
        if self is Display.PLAIN:
            return float(value)
        return float(np.exp(value) if self is Display.EXP else np.expm1(value))


@dataclass(frozen=True)
class Feature:
    """One column of the ranker's input.

    Attributes:
        name: of the column, as the manifest of a trained ranker has it.
        group: what it means to a person: a name in `mercato.explain.groups.GROUPS`, or `REQUEST`.
        reads: the inputs that its value depends on, besides which products the candidates are: ``candidates``,
            ``signals``, ``products`` or ``context`` and a member of it, ``history``, ``has_query``.
        display: how an explanation gives the value, for the one feature of a group whose value it gives; None for the
            others.
    """

    name: str
    group: str
    reads: tuple[str, ...]
    display: Display | None = None


Columns = Mapping[str, NDArray[np.float32]]
"""Name of a feature to its column, float32 [n] over the candidates of all lists: a view to write into, zeros before."""
Fill = Callable[[Columns, CandidateLists, ProductFeatures], None]


@dataclass(frozen=True)
class FeatureBlock:
    """Features that are computed together.

    Attributes:
        features: in the order of their columns.
        fill: writes their columns for a batch of requests; may read the columns of blocks before.
    """

    features: tuple[Feature, ...]
    fill: Fill


def fills(*features: Feature) -> Callable[[Fill], FeatureBlock]:
    """Declare the features that a function fills; what was a function is their `FeatureBlock` from then on."""
    return lambda fill: FeatureBlock(features=features, fill=fill)
