"""Conditions: what parts of a query stand for, as filters, exclusions and boosts that a page can show and remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from mercato.filters import Filter, parse_filter
from mercato.requests.boost import Boost

LIKELY_BOOST = 0.1
"""What is likely moves products a little: words and meaning have found them already."""
RELAXED_BOOST = 0.5
"""What would leave nothing, or is not to filter, still moves products far."""
EXCLUDED_BOOST = -1.0
LACKING_BOOST = 0.6
"""What says that it is without is surer than what says nothing."""


class Effect(Enum):
    """What a condition does, by the names used on the wire."""

    FILTER = "filter"
    EXCLUDE = "exclude"
    BOOST = "boost"


class Status(Enum):
    """What became of a condition, by the names used on the wire."""

    APPLIED = "applied"
    RELAXED = "relaxed"
    UNUSED = "unused"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a part of a query stands for.

    Attributes:
        text: the part.
        start: of its first character in the query.
        end: behind its last.
        type: ``price``, ``quantity``, ``pack``, ``brand``, ``category``, ``colour``, ``size``, ``material`` or
            ``word``.
        field: that it is about, as filters write it; empty where the catalogue has none.
        filter: what it stands for, in the language of filters; empty where that cannot be said.
        effect: what it does.
        status: whether it does; what is relaxed filters no more, but boosts.
        reason: why it does not do what it would; empty where it does.
        lacking: of an exclusion, the filter for products that say they are without; empty where none does.
    """

    text: str
    start: int
    end: int
    type: str
    field: str = ""
    filter: str = ""
    effect: Effect
    status: Status = Status.APPLIED
    reason: str = ""
    lacking: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give the condition as JSON values."""
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "type": self.type,
            "field": self.field,
            "filter": self.filter,
            "effect": self.effect.value,
            "status": self.status.value,
            **({"reason": self.reason} if self.reason else {}),
        }

    @property
    def narrows(self) -> bool:
        """Whether products that do not pass are out."""
        return self.effect is not Effect.BOOST and self.status is Status.APPLIED

    def relax(self) -> Condition:
        """Return the condition as one that boosts, because it would leave nothing."""
        return replace(self, status=Status.RELAXED, reason="nothing that matches passes")

    def soften(self) -> Condition:
        """Return the condition as one that boosts, because nothing is to filter."""
        return self if self.effect is Effect.BOOST else replace(self, effect=Effect.BOOST)


def list_narrowing(conditions: Sequence[Condition]) -> tuple[Filter, ...]:
    """Return the filters of the conditions that narrow the result."""
    return tuple(parse_filter(one.filter) for one in conditions if one.narrows)


def list_boosts(conditions: Sequence[Condition]) -> tuple[Boost, ...]:
    """Return the boosts of the conditions: of those that do not narrow the result, and of what says it is without."""
    boosts = []
    for one in conditions:
        if one.lacking:
            boosts.append(Boost(parse_filter(one.lacking), LACKING_BOOST))
        if one.narrows or one.status is Status.UNUSED or not one.filter:
            continue
        if one.filter.startswith("NOT "):
            boosts.append(Boost(parse_filter(one.filter.removeprefix("NOT ")), EXCLUDED_BOOST))
            continue
        certain = one.status is Status.RELAXED or one.type == "price"
        boosts.append(Boost(parse_filter(one.filter), RELAXED_BOOST if certain else LIKELY_BOOST))
    return tuple(boosts)
