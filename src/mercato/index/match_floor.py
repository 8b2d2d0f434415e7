"""The floor of a catalogue: how near in meaning a product must be to belong to the result of a search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mercato.arrays import Float32
from mercato.errors import SnapshotError
from mercato.text.language_names import find_language

SETTING = "match_floor"
"""What it is called among the settings of a snapshot."""


@dataclass(frozen=True, kw_only=True)
class MatchFloor:
    """Cosines of a query and a product's text, of one catalogue and one encoder.

    Attributes:
        meaning: from this cosine on a product belongs to the result by its meaning alone.
        words: what the words of a query make up for: a product that holds them as well as any belongs to the result
            from ``meaning - words`` on. 0 or more.
        chance: the mean cosine of a query with a product that has nothing to do with it.
        languages: of an encoder that reads all languages, what `meaning` is for queries in one of them, by its code: to
            what is written in another language than theirs even the right ones are not as near.
    """

    meaning: float
    words: float
    chance: float
    languages: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no floor.

        Raises:
            SnapshotError: a number is not finite, or words count against a product.
        """
        numbers = (self.meaning, self.words, self.chance, *self.languages.values())
        if not all(map(math.isfinite, numbers)) or self.words < 0:
            raise SnapshotError(f"{SETTING}: must be finite numbers, words 0 or more, got {numbers}; index again")

    def speak(self, language: str) -> MatchFloor:
        """Return the floor of queries in a language, as requests name it; this one where none is known of it."""
        spoken = find_language(language) if self.languages else None
        level = self.meaning if spoken is None else self.languages.get(spoken.code, self.meaning)
        return self if level >= self.meaning else replace(self, meaning=level)

    def rate(self, cosines: Float32, shares: Float32) -> Float32:
        """Rate products that hold words of a query; those of ``meaning`` and above belong to the result.

        Args:
            cosines: float32 [n], of query and product.
            shares: float32 [n], how well each holds the query's words beside the best, 0 to 1.

        Returns:
            float32 [n].
        """
        rated: Float32 = cosines + self.words * shares
        return rated

    def require(self, nearest: float, best: float) -> float:
        """Return the floor of a query for what holds its words, as `rate` rates it.

        The nearer the nearest product, the higher: where the shop has monitors, a cable that names them must be nearer
        to "monitor" than where it has none. The best of what a query names stays in the result, however little the
        encoder knows of it (a name, a code), and with it what is nearly as good: `NEARLY` of the way from chance.

        Args:
            nearest: the cosine of the product nearest to it.
            best: the highest rating of a product that holds its words.
        """
        wanted = self.meaning + NEARER * max(nearest - self.meaning, 0.0)
        return min(wanted, self.chance + NEARLY * (best - self.chance))

    def narrow(self, nearest: float) -> float:
        """Return the floor of a query for what matches by meaning alone.

        Args:
            nearest: the cosine of the product nearest to it. Where the shop has the very thing, what is only related to
                it is no match: `RELATED` of the way from chance.
        """
        return max(self.meaning, self.chance + RELATED * (nearest - self.chance))


NEARLY = 0.9
"""Of the way from chance to the best that holds the words: what is nearly as good."""
NEARER = 0.5
"""Of what the nearest product has above the floor, so much what holds the words has to have too."""
RELATED = 0.75
"""Of the way from chance to the nearest product: what is only related to it."""


def read_floor(settings: Mapping[str, Any]) -> MatchFloor | None:
    """Read a snapshot's floor; None where it was built before there was one: what is found belongs to the result."""
    stored = settings.get(SETTING)
    return None if stored is None else MatchFloor(**stored)
