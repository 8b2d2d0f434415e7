"""The ranker's features by what they mean to a person. Every feature names its group; a test holds that it is here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from mercato.features.feature import REQUEST, Feature
from mercato.features.features import COLUMN, FEATURES


class Vector(Enum):
    """A vector of the ranker's input whose cosine with the candidate belongs to a group."""

    QUERY = "query"
    HISTORY = "history"


@dataclass(frozen=True, kw_only=True)
class FeatureGroup:
    """Features that mean one thing: those that are declared with its name.

    Attributes:
        name: as an explanation has it.
        search: the vector whose cosine belongs to the group in a search; None for none.
        recommendation: the same in a recommendation.
        common: the columns are the same for all products of a request. They are taken as 0 instead of as the mean, and
            what that does to the whole window is no effect.
    """

    name: str
    search: Vector | None = None
    recommendation: Vector | None = None
    common: bool = False

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of its features."""
        return tuple(feature.name for feature in FEATURES if feature.group == self.name)

    @cached_property
    def shown(self) -> str:
        """The feature whose value an explanation gives; empty for a group without, which gives the cosine if any."""
        return self._shown.name if self._shown is not None else ""

    def read(self, value: float) -> float:
        """Give the value that is shown as a person reads it."""
        display = self._shown.display if self._shown is not None else None
        return value if display is None else display(value)

    def positions(self) -> list[int]:
        """Return the indices of its columns."""
        return [COLUMN[name] for name in self.columns]

    def vector(self, *, is_search: bool) -> Vector | None:
        """Return the vector that belongs to the group."""
        return self.search if is_search else self.recommendation

    @cached_property
    def _shown(self) -> Feature | None:
        mine = [feature for feature in FEATURES if feature.group == self.name and feature.display is not None]
        return mine[0] if mine else None


GROUPS: tuple[FeatureGroup, ...] = (
    FeatureGroup(name="words"),
    FeatureGroup(name="kind of product"),
    FeatureGroup(name="similarity", search=Vector.QUERY, recommendation=Vector.HISTORY),
    FeatureGroup(name="taste", search=Vector.HISTORY),
    FeatureGroup(name="order of retrieval"),
    FeatureGroup(name="chosen for this query"),
    FeatureGroup(name="bought together"),
    FeatureGroup(name="bought by the same shoppers"),
    FeatureGroup(name="popularity"),
    FeatureGroup(name="trend"),
    FeatureGroup(name="bought again by others"),
    FeatureGroup(name="price"),
    FeatureGroup(name="age"),
    FeatureGroup(name="stock"),
    FeatureGroup(name="own purchases"),
    FeatureGroup(name="own views"),
    FeatureGroup(name="category"),
    FeatureGroup(name="brand"),
    FeatureGroup(name="time", common=True),
    FeatureGroup(name="device and region", common=True),
)


def list_unexplained() -> list[str]:
    """Return the ranker's features whose group is none of `GROUPS`, and not that of the request."""
    known = {REQUEST, *(group.name for group in GROUPS)}
    return [feature.name for feature in FEATURES if feature.group not in known]
