"""What of a text's products a filter asks that Milvus can answer: words of fields as numbers, and ranges of numbers.

A text is found where one of its products passes. What is kept of a text is therefore what *some* product of it has: a
filter that is asked of that lets every text through that it should, and a few more, which are left out afterwards. What
cannot be asked so (``NOT``, the words of texts, ids) is not asked at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mercato.arrays import Float64, Int32, Int64
from mercato.catalog.column_builder import FIXED_NUMBER_FIELDS
from mercato.catalog.columns import ColumnSet, NumberColumn
from mercato.catalog.field_names import WORDS
from mercato.errors import InvalidInputError
from mercato.filters.expression import And, AnyOf, Comparison, Expression, InRange, Not, Or
from mercato.index.dense import expand_groups

TOKENS = "tokens"
MOST_NUMBERS = 16
"""Number fields whose ranges are kept: those that most products have."""
MOST_TOKENS = 1_024
"""Tokens of a text; one of more (thousands of products share it) has `ANYTHING` alone."""
MOST_VALUES = 256
"""Values of an ``ANY`` that is asked of Milvus."""
ANYTHING = 0
"""Token of a text that every ``ANY`` lets through."""
NOTHING = 1.7e308
"""Bound of a range that holds no number."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is kept of each text.

    Attributes:
        starts: int64 [texts + 1]; text t has tokens[starts[t]:starts[t + 1]].
        tokens: int64, see `make_token`.
        fields: number fields, in the order of the ranges.
        low: float64 [fields, texts], the least number of the text's products; `NOTHING` where none has one.
        high: float64 [fields, texts], the greatest; ``-NOTHING`` where none has one.
    """

    starts: Int64
    tokens: Int64
    fields: tuple[str, ...]
    low: Float64
    high: Float64


def make_token(field: str, value: str) -> int:
    """Return the number that stands for a value of a field; two that share one let a few more texts through.

    Args:
        field: its full name.
        value: exactly, case included.
    """
    digest = hashlib.blake2b(f"{field}\0{value}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def choose_number_fields(columns: ColumnSet) -> tuple[str, ...]:
    """Choose the number fields whose ranges are kept: the fixed ones, then those that most products have."""
    held = {field: column for field in columns.fields if (column := columns.number(field)) is not None}
    others = sorted(set(held).difference(FIXED_NUMBER_FIELDS), key=lambda field: (-_count(held[field]), field))
    fixed = [field for field in FIXED_NUMBER_FIELDS if field in held]
    return tuple([*fixed, *others][:MOST_NUMBERS])


def _count(column: NumberColumn) -> int:
    return int(np.count_nonzero(~np.isnan(column.values)))


def collect_facts(columns: ColumnSet, text_of_row: Int32, texts: int) -> Facts:
    """Collect what is kept of each text.

    Args:
        columns: of the products; those of one with variants have what any of its variants has.
        text_of_row: int32 [products].
        texts: how many there are.
    """
    tables = [(columns, text_of_row)]
    if columns.variants is not None:  # some numbers of a product are those of one of its variants alone
        tables.append((columns.variants, text_of_row[columns.variant_products]))
    sizes, tokens = _collect_tokens(tables, texts)
    fields = choose_number_fields(columns)
    low, high = np.full((len(fields), texts), NOTHING), np.full((len(fields), texts), -NOTHING)
    for table, text_of in tables:
        for position, field in enumerate(fields):
            column = table.number(field)
            if column is not None:
                known = ~np.isnan(column.values)
                owners = text_of[np.flatnonzero(known) if column.rows is None else column.rows[known]]
                np.minimum.at(low[position], owners, column.values[known])
                np.maximum.at(high[position], owners, column.values[known])
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return Facts(starts=starts, tokens=tokens, fields=fields, low=low, high=high)


def _collect_tokens(tables: Sequence[tuple[ColumnSet, Int32]], texts: int) -> tuple[Int64, Int64]:
    """Collect the tokens of each text: how many it has, int64 [texts], and all of them, text after text."""
    held = [np.zeros((2, 0), np.int64)]
    for table, text_of in tables:
        for field in table.fields:
            column = table.text(field)
            if column is None or field == "id" or not len(column):
                continue
            tokens = np.fromiter((make_token(field, value) for value in column.values()), np.int64, len(column))
            positions, origin = expand_groups(np.arange(len(column)), column.indptr)
            held.append(np.stack([text_of[column.rows[positions]].astype(np.int64), tokens[origin]]))
    pairs = np.unique(np.concatenate(held, axis=1), axis=1)
    sizes = np.bincount(pairs[0], minlength=texts)
    crowded = np.flatnonzero(sizes > MOST_TOKENS)
    if len(crowded):
        pairs = pairs[:, sizes[pairs[0]] <= MOST_TOKENS]
        pairs = np.concatenate([pairs, np.stack([crowded, np.full(len(crowded), ANYTHING)])], axis=1)
        pairs = pairs[:, np.argsort(pairs[0], kind="stable")]
        sizes = np.bincount(pairs[0], minlength=texts)
    return sizes, pairs[1]


def write_condition(expression: Expression, columns: ColumnSet, fields: Sequence[str]) -> str:
    """Write of a filter what Milvus can be asked, in its own words.

    Args:
        expression: the filter.
        columns: of the snapshot.
        fields: `Facts.fields`, as the collection has them.

    Returns:
        An expression that every text passes which some passing product of the snapshot has; empty where nothing of the
        filter can be asked.
    """
    if isinstance(expression, Not):
        return ""
    if isinstance(expression, And | Or):
        written = [write_condition(operand, columns, fields) for operand in expression.operands]
        if isinstance(expression, Or) and not all(written):
            return ""
        return f" {'and' if isinstance(expression, And) else 'or'} ".join(f"({one})" for one in written if one)
    if expression.field == WORDS:
        return ""
    try:
        field = columns.resolve(expression.field)
    except InvalidInputError:
        return ""  # only changed products have it
    if isinstance(expression, AnyOf):
        if columns.text(field) is None or field == "id" or len(expression.values) > MOST_VALUES:
            return ""
        tokens = [ANYTHING, *(make_token(field, value) for value in expression.values)]
        return f"array_contains_any({TOKENS}, [{', '.join(map(str, tokens))}])"
    return _write_range(expression, fields.index(field)) if field in fields else ""


def _write_range(expression: InRange | Comparison, position: int) -> str:
    """Write that some number between the least and the greatest may pass."""
    low, high = name_range(position)
    if isinstance(expression, InRange):
        above = ">=" if expression.lower_inclusive else ">"
        below = "<=" if expression.upper_inclusive else "<"
        bounds = [(high, above, expression.lower), (low, below, expression.upper)]
    elif expression.operator == "=":
        bounds = [(high, ">=", expression.value), (low, "<=", expression.value)]
    else:
        bounds = [(high if ">" in expression.operator else low, expression.operator, expression.value)]
    # A bound beyond all numbers asks nothing but that there is one.
    finite = [(name, sign, min(max(value, -NOTHING), NOTHING)) for name, sign, value in bounds]
    return " and ".join(f"{name} {sign} {value!r}" for name, sign, value in [*finite, (low, "<", NOTHING)])


def name_range(position: int) -> tuple[str, str]:
    """Return the names of the fields that hold the least and the greatest number of a number field."""
    return f"low_{position}", f"high_{position}"
