"""Filters in Google Retail's grammar: read (`parse_filter`), and asked of all products or of one."""

from mercato.filters.evaluate import evaluate, evaluate_variants, matches, matches_one
from mercato.filters.expression import And, AnyOf, Comparison, Expression, Filter, InRange, Not, Or
from mercato.filters.parse import VALUES_LIMIT, parse_filter

__all__ = [
    "VALUES_LIMIT",
    "And",
    "AnyOf",
    "Comparison",
    "Expression",
    "Filter",
    "InRange",
    "Not",
    "Or",
    "evaluate",
    "evaluate_variants",
    "matches",
    "matches_one",
    "parse_filter",
]
