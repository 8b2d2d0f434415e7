"""What a filter means, as immutable values."""

import dataclasses
from dataclasses import dataclass
from typing import TypeAlias

LONG_CHARS = 4_096
"""A filter of more characters is long: it holds a list."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """``field: ANY("a", "b")``: a text of the field is one of the values, exactly and with its case.

    Attributes:
        field: as the user wrote it.
        values: at least one.
        lookup: the same, for asking whether a text is one of them.
        position: of the field in the filter's text, for messages.
    """

    field: str
    values: tuple[str, ...]
    position: int = dataclasses.field(default=0, compare=False)
    lookup: frozenset[str] = dataclasses.field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Make `lookup`."""
        object.__setattr__(self, "lookup", frozenset(self.values))


@dataclass(frozen=True, slots=True)
class InRange:
    """``field: IN(lower, upper)``: a number of the field is between the bounds.

    Attributes:
        field: as the user wrote it.
        lower: number, or minus infinity for ``*``.
        upper: number, or infinity for ``*``.
        lower_inclusive: whether `lower` itself is in; by default it is.
        upper_inclusive: whether `upper` itself is in; by default it is not.
        is_time: whether a bound was written as a time; only a field of times has such.
        position: of the field in the filter's text, for messages.
    """

    field: str
    lower: float
    upper: float
    lower_inclusive: bool = True
    upper_inclusive: bool = False
    is_time: bool = False
    position: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``field >= 10``: a number of the field compares so.

    Attributes:
        field: as the user wrote it.
        operator: ``<``, ``<=``, ``>``, ``>=`` or ``=``.
        value: the number; a time in seconds since 1970.
        is_time: whether the value was written as a time.
        position: of the field in the filter's text, for messages.
    """

    field: str
    operator: str
    value: float
    is_time: bool = False
    position: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """Everything that `operand` does not pass, products without the field included."""

    operand: "Expression"


@dataclass(frozen=True, slots=True)
class And:
    """What passes every one of `operands`, two or more."""

    operands: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """What passes one of `operands`, two or more."""

    operands: "tuple[Expression, ...]"


Expression: TypeAlias = AnyOf | InRange | Comparison | Not | And | Or


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was read.

    Attributes:
        expression: what it means.
        text: what was written, for messages; equal meaning is equal filters.
        values: how many values its ``ANY`` have.
    """

    expression: Expression
    text: str = dataclasses.field(default="", compare=False)
    values: int = dataclasses.field(default=0, compare=False)

    @property
    def is_long(self) -> bool:
        """Whether it holds so much text that few of its kind should be kept."""
        return len(self.text) > LONG_CHARS
