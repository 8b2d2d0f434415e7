"""Options of a request: each is declared once, as a field of the request that it is an option of.

`RetrievalRequest` has those that decide what is found, `PageRequest` those that decide how a page is made of it. The
names that OPTIONS may have, the checks, and what the retriever is sent all derive from the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from functools import cache
from typing import Any, Generic, TypeVar

from mercato.errors import InvalidInputError

Value = TypeVar("Value")
Member = TypeVar("Member", bound=Enum)
Parse = Callable[[object, str], Value]
"""Checks a value that is not null; takes it and the name of its parameter, raises InvalidInputError."""
RequestKind = Any
"""A dataclass with options; mypy takes none of ``type[...]`` for hashable."""

MAX_DAYS = 36_500
"""A hundred years: as good as for ever."""
_OPTION = "option"


@dataclass(frozen=True)
class _Option(Generic[Value]):
    """How an option travels.

    Attributes:
        parse: reads what a caller, or `write`, gave.
        write: gives JSON values.
    """

    parse: Parse[Value]
    write: Callable[[Value], object]


def option(parse: Parse[Value], default: Value, write: Callable[[Value], object] = lambda value: value) -> Value:
    """Declare a field of a request as one of its options.

    Args:
        parse: checks what a caller gives.
        default: the value where none is given, or null.
        write: gives JSON values that ``parse`` reads back.
    """
    return field(default=default, metadata={_OPTION: _Option(parse, write)})


def list_options(kind: RequestKind) -> tuple[str, ...]:
    """Return the names of the options of a kind of request."""
    return tuple(_read_options(kind))


def parse_options(kind: RequestKind, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check those members of OPTIONS that belong to a kind of request; a null is as not given.

    Returns:
        Arguments for the request, without those that were not given.

    Raises:
        InvalidInputError: names the member, the constraint, what was given and what to do.
    """
    options = _read_options(kind).items()
    return {name: one.parse(given[name], f"OPTIONS.{name}") for name, one in options if given.get(name) is not None}


def write_options(request: Any) -> dict[str, object]:
    """Write the options of a request as JSON values that `parse_options` reads back."""
    kind: RequestKind = type(request)
    return {name: one.write(getattr(request, name)) for name, one in _read_options(kind).items()}


@cache
def _read_options(kind: RequestKind) -> dict[str, _Option[Any]]:
    return {one.name: one.metadata[_OPTION] for one in fields(kind) if _OPTION in one.metadata}


def parse_flag(value: object, parameter: str) -> bool:
    """Check a flag."""
    if not isinstance(value, bool):
        raise InvalidInputError(parameter, f"must be true or false, got {value!r}"[:200])
    return value


def number_between(least: float, most: float, unit: str = "") -> Parse[float]:
    """Return the check of a number.

    Args:
        least: the least that it may be.
        most: the most.
        unit: what it counts, for messages.
    """
    constraint = f"must be {unit} between {least} and {most}" if unit else f"must be between {least} and {most}"

    def parse(value: object, parameter: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise InvalidInputError(parameter, f"{constraint}, got {value!r}"[:200])
        return float(value)

    return parse


def count_to(most: int) -> Parse[int]:
    """Return the check of a whole number from 0 on.

    Args:
        most: the most that it may be.
    """

    def parse(value: object, parameter: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise InvalidInputError(parameter, f"must be a whole number between 0 and {most}, got {value!r}"[:200])
        return value

    return parse


def member_of(choices: type[Member]) -> Parse[Member]:
    """Return the check of a choice, given by the value of a member of an enumeration."""

    def parse(value: object, parameter: str) -> Member:
        for choice in choices:
            if isinstance(value, str) and value == choice.value:
                return choice
        names = ", ".join(str(choice.value) for choice in choices)
        raise InvalidInputError(parameter, f"must be one of {names}, got {value!r}"[:200])

    return parse
