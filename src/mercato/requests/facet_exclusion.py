"""A filter without the conditions on some fields, for facets from which several values can be chosen."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mercato.filters import And, Expression, Filter, Not, Or


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
    return Filter(kept[0] if len(kept) == 1 else And(tuple(kept)), condition.text)


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
