"""Restricted products: what a shop sells and does not put forward to just anybody, nor names as a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mercato.errors import InvalidInputError
from mercato.filters import Filter, parse_filter


class RestrictionKind(Enum):
    """Why products are restricted, by the names that a rules file has."""

    AGE_RESTRICTED = "age_restricted"
    """Recommended to whoever says to be an adult, or has bought such a product."""
    SENSITIVE = "sensitive"
    """Recommended to whoever has bought one, around a product or a cart; elsewhere what was bought itself."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """Products that are restricted.

    Attributes:
        kind: why.
        condition: which products.
        searched: whether searches find them, whoever asks.
    """

    kind: RestrictionKind
    condition: Filter
    searched: bool = True

    def as_json(self) -> dict[str, Any]:
        """Give the restriction as JSON values that `read_restrictions` reads back."""
        return {"kind": self.kind.value, "filter": self.condition.text, "search": self.searched}


def read_restrictions(documents: Sequence[Mapping[str, Any]]) -> tuple[Restriction, ...]:
    """Read what `Restriction.as_json` gave.

    Raises:
        InvalidInputError: it is something else.
    """
    try:
        return tuple(
            Restriction(RestrictionKind(one["kind"]), parse_filter(one["filter"]), bool(one["search"]))
            for one in documents
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise InvalidInputError("restrictions", f"are no restricted products ({exc!r})") from exc
