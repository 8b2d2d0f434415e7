"""What facets are asked for, as Google Retail's ``facet_specs``; and a filter without the fields of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from mercato.catalog.field_names import FIELD_LIMIT_CHARS
from mercato.errors import InvalidInputError
from mercato.filters import And, Expression, Filter, Not, Or

MAX_FACETS = 100
MAX_INTERVALS = 30  # as Google Retail
MAX_LIMIT = 10_000
DEFAULT_LIMIT = 20
ORDERS = ("count", "value")
_KEYS = ("key", "limit", "intervals", "excluded_filter_keys", "order_by")
_BOUNDS = ("minimum", "exclusive_minimum", "maximum", "exclusive_maximum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A range of numbers.

    Attributes:
        lower: minus infinity where open.
        upper: infinity where open.
        lower_inclusive: whether `lower` itself is in.
        upper_inclusive: whether `upper` itself is in.
    """

    lower: float = -math.inf
    upper: float = math.inf
    lower_inclusive: bool = True
    upper_inclusive: bool = False

    def as_json(self) -> dict[str, float]:
        """Give the interval as JSON values; an open end is left out."""
        written: dict[str, float] = {}
        if self.lower != -math.inf:
            written["minimum" if self.lower_inclusive else "exclusive_minimum"] = self.lower
        if self.upper != math.inf:
            written["maximum" if self.upper_inclusive else "exclusive_maximum"] = self.upper
        return written


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetSpec:
    """One facet that is asked for.

    Attributes:
        key: a field, written as in filters, or its bare key.
        limit: most values that are answered.
        intervals: of a number field; none makes intervals from the numbers found.
        excluded_filter_keys: fields whose conditions do not count for this facet.
        order_by: ``count`` (most frequent first) or ``value`` (ascending).
    """

    key: str
    limit: int = DEFAULT_LIMIT
    intervals: tuple[Interval, ...] = ()
    excluded_filter_keys: tuple[str, ...] = ()
    order_by: str = "count"

    def as_json(self) -> dict[str, Any]:
        """Give the facet as JSON values that `parse_facets` reads back."""
        return {
            "key": self.key,
            "limit": self.limit,
            "intervals": [interval.as_json() for interval in self.intervals],
            "excluded_filter_keys": list(self.excluded_filter_keys),
            "order_by": self.order_by,
        }


def parse_facets(value: object, parameter: str = "OPTIONS.facets") -> tuple[FacetSpec, ...]:
    """Check the facets of a request.

    Args:
        value: a list of keys and objects, from JSON; None for no facets.
        parameter: the caller's name for it, for messages.

    Raises:
        InvalidInputError: it is something else, or an object has unknown or wrong members.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_FACETS:
        given = f"{len(value)}" if isinstance(value, list) else type(value).__name__
        raise InvalidInputError(
            parameter, f"must be a list of at most {MAX_FACETS} facets, got {given}", 'for example ["brand", "price"]'
        )
    specs = tuple(_parse_facet(item, f"{parameter}[{index}]") for index, item in enumerate(value))
    keys = [spec.key for spec in specs]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidInputError(parameter, f"must have each key once, got {twice!r} twice")
    return specs


def _parse_facet(item: object, parameter: str) -> FacetSpec:
    if isinstance(item, str):
        item = {"key": item}
    if not isinstance(item, Mapping):
        raise InvalidInputError(parameter, f"must be a key or an object, got {type(item).__name__}")
    unknown = sorted(set(item) - set(_KEYS))
    if unknown:
        raise InvalidInputError(parameter, f"knows {', '.join(_KEYS)}, got {', '.join(unknown)[:200]!r}")
    limit = item.get("limit", DEFAULT_LIMIT)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
        raise InvalidInputError(f"{parameter}.limit", f"must be between 1 and {MAX_LIMIT}, got {limit!r}"[:200])
    order = item.get("order_by") or "count"
    if order not in ORDERS:
        raise InvalidInputError(f"{parameter}.order_by", f"must be one of {', '.join(ORDERS)}, got {order!r}"[:200])
    excluded = item.get("excluded_filter_keys") or []
    if not isinstance(excluded, list) or len(excluded) > MAX_FACETS:
        raise InvalidInputError(f"{parameter}.excluded_filter_keys", f"must be a list of at most {MAX_FACETS} fields")
    return FacetSpec(
        key=_parse_key(item.get("key"), f"{parameter}.key"),
        limit=limit,
        intervals=_parse_intervals(item.get("intervals") or [], f"{parameter}.intervals"),
        excluded_filter_keys=tuple(_parse_key(key, f"{parameter}.excluded_filter_keys") for key in excluded),
        order_by=order,
    )


def _parse_key(key: object, parameter: str) -> str:
    if not isinstance(key, str) or not 1 <= len(key) <= FIELD_LIMIT_CHARS:
        raise InvalidInputError(
            parameter, f"must be the name of a field, 1 to {FIELD_LIMIT_CHARS:,} characters, got {key!r}"[:200]
        )
    return key


def _parse_intervals(value: object, parameter: str) -> tuple[Interval, ...]:
    if not isinstance(value, list) or len(value) > MAX_INTERVALS:
        raise InvalidInputError(
            parameter, f"must be a list of at most {MAX_INTERVALS}", 'for example [{"minimum": 0, "maximum": 10}]'
        )
    return tuple(_parse_interval(item, f"{parameter}[{index}]") for index, item in enumerate(value))


def _parse_interval(item: object, parameter: str) -> Interval:
    if not isinstance(item, Mapping) or not set(item) <= set(_BOUNDS):
        raise InvalidInputError(parameter, f"must be an object with {', '.join(_BOUNDS)}, got {item!r}"[:300])
    bounds: dict[str, float] = {}
    for name, number in item.items():
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise InvalidInputError(f"{parameter}.{name}", f"must be a number, got {number!r}"[:200])
        bounds[name] = float(number)
    for end in ("minimum", "maximum"):
        if end in bounds and f"exclusive_{end}" in bounds:
            raise InvalidInputError(parameter, f"must have {end} or exclusive_{end}, not both")
    lower = bounds.get("minimum", bounds.get("exclusive_minimum", -math.inf))
    upper = bounds.get("maximum", bounds.get("exclusive_maximum", math.inf))
    if lower > upper:
        raise InvalidInputError(parameter, f"the minimum {lower:g} is above the maximum {upper:g}", "exchange them")
    return Interval(
        lower=lower,
        upper=upper,
        lower_inclusive="exclusive_minimum" not in bounds,
        upper_inclusive="maximum" in bounds,
    )


def drop_fields(condition: Filter, fields: Collection[str], full_name: Callable[[str], str]) -> Filter | None:
    """Leave out of a filter what it asks of some fields.

    Of the terms that AND joins at the top those are dropped that ask of these fields alone; a term that asks of others
    too stays whole.

    Args:
        condition: the filter.
        fields: full names.
        full_name: completes a name as filters write it.

    Returns:
        What is left; None for nothing. The same object where nothing is dropped.
    """
    terms = _list_terms(condition.expression)
    kept = [term for term in terms if not {full_name(name) for name in _list_fields(term)} <= set(fields)]
    if len(kept) == len(terms):
        return condition
    if not kept:
        return None
    return Filter(kept[0] if len(kept) == 1 else And(tuple(kept)), condition.text, condition.values)


def _list_terms(expression: Expression) -> list[Expression]:
    if isinstance(expression, And):
        return [term for operand in expression.operands for term in _list_terms(operand)]
    return [expression]


def _list_fields(expression: Expression) -> set[str]:
    if isinstance(expression, And | Or):
        return set().union(*(_list_fields(operand) for operand in expression.operands))
    if isinstance(expression, Not):
        return _list_fields(expression.operand)
    return {expression.field}
