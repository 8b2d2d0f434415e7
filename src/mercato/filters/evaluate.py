"""Which products pass a filter: all of a catalogue at once, or a single one. Both give the same answer."""

import operator
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from mercato.arrays import Bool
from mercato.catalog.column_builder import field_values, is_number
from mercato.catalog.columns import ColumnSet, NumberColumn, TextColumn
from mercato.catalog.field_names import WORDS, full_name, write_field
from mercato.catalog.product import Product, format_value
from mercato.errors import InvalidInputError
from mercato.filters.expression import And, AnyOf, Comparison, Expression, Filter, InRange, Not, Or
from mercato.filters.parse import point_at

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}
_TIME_FIELDS = ("available_time",)


def evaluate(filter: Filter, columns: ColumnSet, known: Collection[str] = ()) -> Bool:
    """Ask a filter of every product of a catalogue.

    A product passes ``ANY`` if one of its texts is one of the values (exactly, case included), a range or comparison if
    one of its numbers is in it. A product without the field passes neither; ``NOT`` is plain negation, so that passes.
    A product with variants passes if one of them passes the whole filter by itself.

    Args:
        filter: from `parse_filter`.
        columns: the catalogue's columns, n products.
        known: full names of fields that no product of `columns` has, and that are no mistake all the same.

    Returns:
        bool [n], a new array.

    Raises:
        InvalidInputError: an unknown field (with names near to it), ``ANY`` on numbers, a range or comparison on
            texts, or a time asked of a field that holds none; each points at the field in the filter.
    """
    return evaluate_variants(filter, columns, known)[0]


def evaluate_variants(filter: Filter, columns: ColumnSet, known: Collection[str] = ()) -> tuple[Bool, Bool | None]:
    """Ask a filter of every product and every variant of a catalogue.

    Args:
        filter: as of `evaluate`, which has the errors too.
        columns: the catalogue's columns, n products with m variants.
        known: as of `evaluate`.

    Returns:
        What `evaluate` gives, and which variants pass, bool [m]; None where no product has any.
    """
    passed = _evaluate(filter.expression, columns, columns, filter.text, known)
    if columns.variants is None:
        return passed, None
    variants = _evaluate(filter.expression, columns, columns.variants, filter.text, known)
    passed[columns.with_variants] = columns.have_some(variants)
    return passed, variants


def matches(filter: Filter, product: Product) -> bool:
    """Ask a filter of one product.

    Args:
        filter: from `parse_filter`; ask `evaluate` first, which knows the catalogue's fields and refuses mistakes.
        product: the product.

    Returns:
        Whether it passes, as `evaluate` would say. A field that it does not have passes nothing.
    """
    return any(matches_one(filter, one) for one in product.as_variants())


def matches_one(filter: Filter, product: Product, holds: Callable[[Product, str], bool] | None = None) -> bool:
    """Ask a filter of a product as one of its variants is, or of one without: see `Product.as_variants`.

    Args:
        filter: from `parse_filter`.
        product: the product.
        holds: tells whether it holds the words of a text, for the field ``words``; None where nothing knows.
    """
    return _matches(filter.expression, product, holds)


def _evaluate(expression: Expression, columns: ColumnSet, asked: ColumnSet, text: str, known: Collection[str]) -> Bool:
    """Ask an expression of the rows of ``asked``: the products, or their variants; ``columns`` know all fields."""
    if isinstance(expression, And | Or):
        combine = np.logical_and if isinstance(expression, And) else np.logical_or
        result = _evaluate(expression.operands[0], columns, asked, text, known)
        for operand in expression.operands[1:]:
            combine(result, _evaluate(operand, columns, asked, text, known), out=result)
        return result
    if isinstance(expression, Not):
        result = _evaluate(expression.operand, columns, asked, text, known)
        return np.logical_not(result, out=result)
    if expression.field == WORDS:
        return _rows_with_words(expression, columns, asked, text)
    try:
        field = columns.resolve(expression.field, known)
    except InvalidInputError as exc:
        raise point_at(exc.parameter, text, expression.position, str(exc).removeprefix(f"{exc.parameter}: ")) from exc
    texts, numbers = columns.text(field), columns.number(field)
    if isinstance(expression, AnyOf):
        if texts is None and numbers is not None:
            problem = f"{write_field(field)} holds numbers, ANY asks for texts"
            raise point_at("FILTER", text, expression.position, problem, f"write {write_field(field)}: IN(10, 50)")
        return _rows_with_text(expression, asked.text(field), asked.count)
    if numbers is None and texts is not None:
        problem = f"{write_field(field)} holds texts, a range or comparison asks for numbers"
        raise point_at("FILTER", text, expression.position, problem, f'write {write_field(field)}: ANY("...")')
    if expression.is_time and field not in _TIME_FIELDS:
        problem = f"{write_field(field)} holds no times"
        raise point_at("FILTER", text, expression.position, problem, f"times are in {', '.join(_TIME_FIELDS)}")
    return _rows_with_number(expression, asked.number(field), asked.count)


def _rows_with_text(expression: AnyOf, column: TextColumn | None, count: int) -> Bool:
    result = np.zeros(count, np.bool_)
    if column is None:
        return result
    column.mark_all(expression.values, result)
    return result


def _rows_with_words(expression: AnyOf | InRange | Comparison, columns: ColumnSet, asked: ColumnSet, text: str) -> Bool:
    """Ask which rows hold the words of a text; where nothing knows, none does."""
    if not isinstance(expression, AnyOf):
        problem = "words holds texts, a range or comparison asks for numbers"
        raise point_at("FILTER", text, expression.position, problem, 'write words: ANY("...")')
    result = np.zeros(asked.count, np.bool_)
    if columns.words is not None:
        for value in expression.values:
            columns.words.mark(value, result, variants=asked is columns.variants)
    return result


def _rows_with_number(expression: InRange | Comparison, column: NumberColumn | None, count: int) -> Bool:
    if column is None:
        return np.zeros(count, np.bool_)
    passed: Bool = _compare(expression, column.values)
    if column.rows is None:
        return passed
    result = np.zeros(count, np.bool_)
    result[column.rows[passed]] = True
    return result


def _compare(expression: InRange | Comparison, values: Any) -> Any:
    """Compare a number or an array of numbers; a NaN (no number) passes nothing."""
    if isinstance(expression, Comparison):
        return _COMPARE[expression.operator](values, expression.value)
    above = values >= expression.lower if expression.lower_inclusive else values > expression.lower
    below = values <= expression.upper if expression.upper_inclusive else values < expression.upper
    above &= below
    return above


def _matches(expression: Expression, product: Product, holds: Callable[[Product, str], bool] | None = None) -> bool:
    if isinstance(expression, And):
        return all(_matches(operand, product, holds) for operand in expression.operands)
    if isinstance(expression, Or):
        return any(_matches(operand, product, holds) for operand in expression.operands)
    if isinstance(expression, Not):
        return not _matches(expression.operand, product, holds)
    if expression.field == WORDS:
        asked = expression.values if isinstance(expression, AnyOf) and holds is not None else ()
        return holds is not None and any(holds(product, text) for text in asked)
    values = field_values(product, full_name(expression.field))
    if isinstance(expression, AnyOf):
        return any(format_value(value) in expression.lookup for value in values)
    return any(bool(_compare(expression, float(value))) for value in values if is_number(value))
