"""Boosts: conditions that move the products passing them up (boost) or down (bury)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mercato.errors import InvalidInputError
from mercato.filters import VALUES_LIMIT, Filter, parse_filter

MAX_BOOSTS = 20  # as Google Retail
MAX_RULE_BOOSTS = 1_000
_KEYS = ("condition", "boost")


@dataclass(frozen=True, slots=True)
class Boost:
    """One boost.

    Attributes:
        condition: which products.
        boost: -1 to 1; above 0 moves them up.
    """

    condition: Filter
    boost: float

    def as_json(self) -> dict[str, Any]:
        """Give the boost as JSON values that `parse_boosts` reads back."""
        return {"condition": self.condition.text, "boost": self.boost}


def parse_boosts(
    value: object, parameter: str = "OPTIONS.boosts", *, most: int = MAX_BOOSTS, most_values: int = VALUES_LIMIT
) -> tuple[Boost, ...]:
    """Check boosts.

    Args:
        value: a list of ``{"condition": FILTER, "boost": -1..1}``, from JSON; None for none.
        parameter: the caller's name for it, for messages.
        most: how many there may be.
        most_values: how many values the ``ANY`` of all of them may have.

    Raises:
        InvalidInputError: it is something else, or a condition is no filter.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > most:
        given = f"{len(value)}" if isinstance(value, list) else type(value).__name__
        raise InvalidInputError(
            parameter,
            f"must be a list of at most {most}, got {given}",
            'for example [{"condition": "price < 10", "boost": 0.5}]',
        )
    boosts = tuple(_parse_boost(item, f"{parameter}[{index}]") for index, item in enumerate(value))
    values = sum(boost.condition.values for boost in boosts)
    if values > most_values:
        raise InvalidInputError(
            parameter, f"must have at most {most_values:,} values in ANY, got {values:,}", "boost by fewer products"
        )
    return boosts


def _parse_boost(item: object, parameter: str) -> Boost:
    if not isinstance(item, Mapping) or set(item) != set(_KEYS):
        raise InvalidInputError(parameter, f"must be an object with {' and '.join(_KEYS)}, got {item!r}"[:300])
    boost, condition = item["boost"], item["condition"]
    if isinstance(boost, bool) or not isinstance(boost, int | float) or not -1 <= boost <= 1:
        raise InvalidInputError(f"{parameter}.boost", f"must be between -1 and 1, got {boost!r}"[:200])
    if not isinstance(condition, str):
        raise InvalidInputError(f"{parameter}.condition", f"must be a filter, got {condition!r}"[:200])
    return Boost(parse_filter(condition, f"{parameter}.condition"), float(boost))
