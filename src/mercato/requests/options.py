"""OPTIONS of a request, checked: how an answer is made, besides what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mercato.errors import InvalidInputError
from mercato.requests.boost import Boost, parse_boosts
from mercato.requests.facets import FacetSpec, parse_facets
from mercato.requests.order_by import OrderBy, parse_order_by
from mercato.requests.retrieval import Kind

MAX_DAYS = 36_500
"""A hundred years: as good as for ever."""
OPTION_NAMES = (
    "strict_filtering",
    "explain",
    "rerank",
    "spelling",
    "facets",
    "order_by",
    "boosts",
    "diversity",
    "collapse",
    "exclude_purchased_days",
    "kind",
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a request.

    Attributes:
        strict_filtering: False fills an answer that the filter empties with products that fail it.
        explain: each product says why it stands where it stands.
        rerank: whether the reranker, where one is served, orders the top again.
        spelling: whether a query is corrected.
        facets: which values are counted.
        order_by: what the answer is sorted by; None for relevance.
        boosts: conditions that move products up or down.
        diversity: from 0 (relevance alone) to 1 (difference alone).
        collapse: whether near-duplicates are shown as one.
        exclude_purchased_days: products that the shopper bought within so many days are left out; 0 leaves none out.
        kind: what belongs on a product's page.
    """

    strict_filtering: bool = True
    explain: bool = False
    rerank: bool = True
    spelling: bool = True
    facets: tuple[FacetSpec, ...] = ()
    order_by: OrderBy | None = None
    boosts: tuple[Boost, ...] = ()
    diversity: float = 0.0
    collapse: bool = False
    exclude_purchased_days: float = 0.0
    kind: Kind = Kind.BOTH


def parse_options(given: Mapping[str, Any]) -> Options:
    """Check the members of OPTIONS; a null is as not given.

    Raises:
        InvalidInputError: names the member, the constraint, what was given and what to do.
    """
    return Options(
        strict_filtering=_flag(given, "strict_filtering", True),
        explain=_flag(given, "explain", False),
        rerank=_flag(given, "rerank", True),
        spelling=_flag(given, "spelling", True),
        facets=parse_facets(given.get("facets")),
        order_by=parse_order_by(given.get("order_by")),
        boosts=parse_boosts(given.get("boosts")),
        diversity=_share(given, "diversity"),
        collapse=_flag(given, "collapse", False),
        exclude_purchased_days=_days(given, "exclude_purchased_days"),
        kind=_kind(given, "kind"),
    )


def _flag(given: Mapping[str, Any], name: str, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidInputError(f"OPTIONS.{name}", f"must be true or false, got {value!r}"[:200])
    return value


def _share(given: Mapping[str, Any], name: str) -> float:
    value = given.get(name)
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidInputError(f"OPTIONS.{name}", f"must be between 0 and 1, got {value!r}"[:200])
    return float(value)


def _kind(given: Mapping[str, Any], name: str) -> Kind:
    value = given.get(name)
    if value is None:
        return Kind.BOTH
    if not isinstance(value, str) or value not in {kind.value for kind in Kind}:
        choices = ", ".join(kind.value for kind in Kind)
        raise InvalidInputError(f"OPTIONS.{name}", f"must be one of {choices}, got {value!r}"[:200])
    return Kind(value)


def _days(given: Mapping[str, Any], name: str) -> float:
    value = given.get(name)
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_DAYS:
        raise InvalidInputError(f"OPTIONS.{name}", f"must be days between 0 and {MAX_DAYS}, got {value!r}"[:200])
    return float(value)
