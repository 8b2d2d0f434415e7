"""Where the fields of a product come from: columns, and what reads their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from mercato.catalog.values import can_be_attribute, join_texts, to_named
from mercato.tables.table import Row, says_nothing

if TYPE_CHECKING:
    from mercato.catalog.offer import Offer


@dataclass(frozen=True, slots=True)
class Source:
    """Where a target comes from: columns whose values are joined, or of which the first that is filled counts."""

    columns: Sequence[str]
    is_joined: bool = True

    def first(self, row: Row) -> Any:
        """Give the first value that is filled, None where none is."""
        for column in self.columns:
            value = row.get(column)
            if type(value) is str:
                if not says_nothing(value):
                    return value
            elif value is not None and value == value:
                return value
        return None


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """A column that becomes an attribute, or several."""

    column: str
    name: str
    read: Callable[[Any], Any]
    how: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether texts become the attribute as they are."""
        return self.read is keep


class Step(NamedTuple):
    """How one field is read.

    Attributes:
        target: the field.
        column: its column, where it is one alone.
        source: all its columns.
        convert: reads a value.
    """

    target: str
    column: str | None
    source: Source
    convert: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What columns become where rows are products as they stand.

    Attributes:
        steps: of the fields but the offer's.
        attributes: of the other columns.
        offer: price, sale and stock.
        offer_sources: its parts -> their columns.
    """

    steps: Sequence[Step]
    attributes: Sequence[AttributeColumn]
    offer: Offer
    offer_sources: Mapping[str, Source]


def alone(source: Source) -> str | None:
    """Give the column of a source that has only one."""
    return source.columns[0] if len(source.columns) == 1 else None


def keep(value: Any) -> Any:
    """Give a value as an attribute, None where no attribute can hold it."""
    return value if can_be_attribute(value) else None


def read_value(row: Row, target: str, source: Source, convert: Callable[[Any], Any]) -> Any:
    """Read a field of a row from its source.

    Raises:
        InvalidInputError: it cannot be read.
    """
    if any(isinstance(row.get(column), Mapping) for column in source.columns):
        row = {column: to_named(target, row.get(column)) for column in source.columns}
    if len(source.columns) == 1:
        return convert(row.get(source.columns[0]))
    if not source.is_joined:
        return convert(source.first(row))
    parts = [part for part in (convert(row.get(column)) for column in source.columns) if part is not None]
    if not parts:
        return None
    return [name for names in parts for name in names] if target == "categories" else join_texts(parts)
