"""How much a word counts in a search, by the field that it stands in, and how much each source of a search counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mercato.errors import InvalidInputError

WORD_FIELDS = ("id", "title", "brand", "categories", "attributes", "description")
"""Fields whose words are indexed; the order in which everything about them is kept."""

DEFAULT_WEIGHTS: Mapping[str, float] = {
    "id": 1.0,
    "title": 1.0,
    "brand": 1.0,
    "categories": 1.0,
    "attributes": 0.5,
    "description": 1.0,
}
"""Lengths are compared within each field, so a word of a title counts more than one of a description by being one of
few; attributes are long lists of what a product works with (docs/decisions/0009)."""

MAX_WEIGHT = 1000.0


@dataclass(frozen=True, kw_only=True)
class FieldWeights:
    """Settings of the word index, kept in the snapshot.

    Attributes:
        weights: by field of `WORD_FIELDS`, 0 or more; a field that is 0 or left out is not searched. A word in a field
            of weight 2 counts as if it stood there twice.
        saturation: BM25's k1, above 0: how slowly a repeated word stops counting.
        length_penalty: BM25's b, 0 to 1: how much a word in a long field counts less than in a short one.
    """

    weights: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    saturation: float = 1.5  # bm25s's defaults; Robertson & Zaragoza 2009 give 1.2-2 and 0.5-0.8 as good ranges
    length_penalty: float = 0.75

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InvalidInputError: a field that is not searched, a number out of range, or no field with a weight.
        """
        unknown = sorted(set(self.weights) - set(WORD_FIELDS))
        if unknown:
            raise InvalidInputError("weights", f"must name fields of {', '.join(WORD_FIELDS)}, got {unknown[0][:80]!r}")
        for name, weight in self.weights.items():
            if not 0 <= weight <= MAX_WEIGHT:
                raise InvalidInputError("weights", f"of {name} must be 0 to {MAX_WEIGHT:g}, got {weight!r}")
        if not any(self.weights.values()):
            raise InvalidInputError("weights", "must give at least one field a weight above 0, got none")
        if not 0 < self.saturation <= MAX_WEIGHT:
            raise InvalidInputError(
                "saturation", f"must be above 0 and at most {MAX_WEIGHT:g}, got {self.saturation!r}"
            )
        if not 0 <= self.length_penalty <= 1:
            raise InvalidInputError("length_penalty", f"must be 0 to 1, got {self.length_penalty!r}")

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are searched, in the order of `WORD_FIELDS`."""
        return tuple(name for name in WORD_FIELDS if self.weights.get(name, 0.0) > 0)

    def as_dict(self) -> dict[str, Any]:
        """Give the settings as JSON values."""
        return asdict(self)


def parse_weights(text: str) -> FieldWeights:
    """Read weights as the command line gives them.

    Args:
        text: such as ``title=3,brand=2``; fields that are not named keep their default.

    Returns:
        The settings.

    Raises:
        InvalidInputError: no such pair, an unknown field, or a number out of range.
    """
    return FieldWeights(weights={**DEFAULT_WEIGHTS, **parse_pairs(text, "--weights", "title=3,brand=2")})


@dataclass(frozen=True, kw_only=True)
class FusionWeights:
    """How much each source of a search weighs in the fusion; kept in the snapshot.

    Attributes:
        words: 0 or more; above ``dense``, the same word matters more than the same meaning (docs/decisions/0009).
        dense: 0 or more.
        popular: 0 or more; the most popular of the products that hold the words.
        chosen: 0 or more; what people chose after the same query before, each by how many did (docs/decisions/0036).
    """

    words: float = 1.5
    dense: float = 1.0
    popular: float = 0.5
    chosen: float = 1.0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InvalidInputError: a weight that is negative or not finite, or both 0.
        """
        given = asdict(self)
        if not all(0 <= weight < float("inf") for weight in given.values()) or self.words + self.dense == 0:
            numbers = ", ".join(f"{name}={weight:g}" for name, weight in given.items())
            raise InvalidInputError(
                "fusion", f"must be weights of 0 or more, words and dense not both 0, got {numbers}"
            )


def parse_fusion(text: str) -> FusionWeights:
    """Read fusion weights as the command line gives them: ``words=2,dense=1``; one left out keeps its default.

    Raises:
        InvalidInputError: no such pairs, or weights that cannot be.
    """
    pairs = parse_pairs(text, "--fusion", "words=1.5,dense=1")
    known = [item.name for item in fields(FusionWeights)]
    unknown = sorted(set(pairs) - set(known))
    if unknown:
        raise InvalidInputError("--fusion", f"must name {', '.join(known)}, got {unknown[0][:80]!r}")
    return FusionWeights(**pairs)


def parse_pairs(text: str, parameter: str, example: str) -> dict[str, float]:
    """Read ``name=number`` pairs, separated by commas.

    Args:
        text: the pairs; empty for none.
        parameter: what messages call them.
        example: of such pairs, for messages.

    Returns:
        The numbers by name, finite.

    Raises:
        InvalidInputError: something else was given.
    """
    numbers: dict[str, float] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in pair.partition("="))
        try:
            numbers[name] = float(number)
        except ValueError:
            numbers[name] = math.nan
        if not name or not math.isfinite(numbers[name]):
            raise InvalidInputError(parameter, f"must be name=number pairs such as {example}, got {pair[:80]!r}")
    return numbers
