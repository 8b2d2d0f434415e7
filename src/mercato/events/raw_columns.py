"""Raw columns of files as arrays, all at once where their type allows, value by value where one is odd."""

import re
from collections.abc import Callable, Iterable
from datetime import date
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mercato.arrays import Bool, Float64
from mercato.events.raw_values import read_number
from mercato.text.timestamps import COUNT_UNITS, DayOrder, find_day_order, read_timestamp

RawColumn: TypeAlias = pa.Array | list[object]

_ODD = (pa.ArrowException, TypeError, ValueError, OverflowError)


def to_text(column: RawColumn) -> pa.Array | None:
    """Give a column of ids as Arrow strings [n]: integers and whole floats as digits, NaN as null.

    Returns:
        None where a value of another type, or text that is not UTF-8, makes it a matter of single values.
    """
    try:
        if isinstance(column, list):
            column = _array_of(column, pa.string(), pa.int64())
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column).cast(pa.int64())
        kind = column.type
        if not (_is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
            return None
        text = column.cast(pa.string())
        text.validate(full=True)
        return text
    except _ODD:
        return None


def to_numbers(column: RawColumn) -> tuple[Float64, Bool]:
    """Give a column of numbers.

    Returns:
        float64 [n], NaN where not given or not a number; bool [n], True where something is given.
    """
    try:
        if isinstance(column, list):
            column = _array_of(column, pa.float64(), pa.string())
        if _is_text(column.type):
            column = pc.if_else(pc.equal(column, ""), None, column)
        elif not _is_number(column.type):
            raise TypeError(column.type)
        return _floats(column.cast(pa.float64(), safe=False)), _given(column)
    except _ODD:
        return _each_float(column, read_number)


def to_seconds(column: RawColumn, day_order: DayOrder | None = None) -> tuple[Float64, Bool]:
    """Give a column of times as seconds since 1970, each as ``read_timestamp`` gives it.

    Args:
        column: times of any type.
        day_order: decides dates that have two readings.

    Returns:
        float64 [n], NaN where not given or not a time; bool [n], True where something is given.
    """
    try:
        if isinstance(column, list):
            column = _array_of(column, pa.string(), pa.float64())
        if _is_text(column.type):
            column = pc.utf8_trim_whitespace(column.cast(pa.string()))
            column = _times_of_text(pc.if_else(pc.equal(column, ""), None, column))
        if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
            micros = column.cast(_MICROSECONDS, safe=False).cast(pa.int64())
            return _floats(micros.cast(pa.float64(), safe=False)) / 1e6, _given(column)
        if not _is_number(column.type):
            raise TypeError(column.type)
        return _seconds_of_numbers(_floats(column.cast(pa.float64(), safe=False))), _given(column)
    except _ODD:
        values = to_list(column)
        given = [value is not None and (not isinstance(value, str) or bool(value.strip())) for value in values]
        return np.array([_read_second(value, day_order) for value in values], dtype=np.float64), np.array(given, bool)


def find_column_day_order(columns: Iterable[RawColumn]) -> DayOrder | None:
    """Find which order of day and month a column of times writes (``find_day_order``).

    Args:
        columns: the column, batch by batch; only the first is looked at where it holds no such dates.
    """
    batches = iter(columns)
    texts = _list_day_dates(next(batches, []))
    return (
        find_day_order(chain(texts, (text for batch in batches for text in _list_day_dates(batch)))) if texts else None
    )


def _list_day_dates(column: RawColumn) -> list[str]:
    """List the texts of a column that begin as a date in days, months and a year does."""
    if isinstance(column, list):
        column = pa.array([value for value in column if isinstance(value, str)], type=pa.string())
    if pa.types.is_dictionary(column.type):
        column = column.dictionary
    if not _is_text(column.type):
        return []
    try:
        text = column.cast(pa.string())
        found: list[str] = text.filter(pc.match_substring_regex(text, r"^\s*\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")).to_pylist()
        return found
    except _ODD:
        return []


def holds_times(name: str, column: RawColumn) -> bool:
    """Guess from a column's name and first values whether it holds times; numbers do only where the name says so."""
    values = [value for value in to_list(column[:LOOKED_AT]) if value is not None and value != ""]
    if not values or not all(isinstance(value, str | date | int | float) for value in values):
        return False
    seconds = [_read_second(value, "day first") for value in values]
    if any(second != second for second in seconds):
        return False
    if all(_is_count(value) for value in values):
        return _TIME_NAME.search(name.lower()) is not None and min(seconds) > _FIRST_LIKELY_S
    return True


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and value.strip().replace(".", "", 1).isdigit())


def to_list(column: RawColumn) -> list[Any]:
    """Give a column as Python values; text that is not UTF-8 as bytes, times to the microsecond."""
    return column if isinstance(column, list) else [value_at(column, row) for row in range(len(column))]


def value_at(column: RawColumn, row: int) -> Any:
    """Give one value of a column as a Python value, as ``to_list`` does."""
    if isinstance(column, list):
        return column[row]
    if pa.types.is_timestamp(column.type):
        column = column.slice(row, 1).cast(pa.timestamp("us", tz=column.type.tz), safe=False)
        row = 0
    try:
        return column[row].as_py()
    except UnicodeDecodeError:
        return column[row].as_buffer().to_pybytes()
    except (ValueError, OverflowError):  # a date beyond Python's calendar
        return str(column[row])


LOOKED_AT = 100
"""Values of a column that are looked at to guess whether they are times."""
_TIME_NAME = re.compile(r"time|date|stamp|(?:^|_)(?:at|on|ts|when)$|datum|zeit|fecha|datetime")
_FIRST_LIKELY_S = 5e8  # November 1985: no shop's history is older
_MICROSECONDS = pa.timestamp("us")
_PLAIN_NUMBER = r"^[+-]?[0-9]+(\.[0-9]*)?$"
_DATE_POWERS = (1e2, 1e6, 1e10, 1e12)  # of 2026, 20260301, 202603010930 and 20260301093000
_TYPES_OF: dict[pa.DataType, set[type]] = {pa.string(): {str}, pa.int64(): {int}, pa.float64(): {int, float}}


def _array_of(values: list[object], *kinds: pa.DataType) -> pa.Array:
    """Make an array of the first type that all values are of; raises where there is none.

    Arrow by itself would take truth values for numbers and cut floats to integers.
    """
    found = {type(value) for value in values} - {type(None)}
    for kind in kinds:
        if found <= _TYPES_OF[kind]:
            return pa.array(values, type=kind)
    raise TypeError(f"values of {len(found)} types")


def _times_of_text(text: pa.Array) -> pa.Array:
    for kind in (pa.timestamp("us", tz="UTC"), _MICROSECONDS):
        try:
            return text.cast(kind)
        except pa.ArrowInvalid:
            continue
    if not pc.all(pc.match_substring_regex(text, _PLAIN_NUMBER)).as_py():
        raise ValueError("times of another form")
    return text.cast(pa.float64())


def _seconds_of_numbers(numbers: Float64) -> Float64:
    """Scale counts since 1970 to seconds, all at once; those that may be dates in digits one by one."""
    size = np.abs(numbers)
    seconds = np.full(len(numbers), np.nan)
    for limit, unit in reversed(COUNT_UNITS):
        seconds = np.where(size < limit, numbers / unit, seconds)
    odd = np.zeros(len(numbers), dtype=bool)
    for power in _DATE_POWERS:
        odd |= (numbers >= 19 * power) & (numbers < 22 * power)
    for row in np.flatnonzero(odd).tolist():
        seconds[row] = _read_second(numbers[row].item(), None)
    return seconds


def _read_second(value: object, day_order: DayOrder | None) -> float:
    """Read one time; NaN where it is none."""
    try:
        seconds = read_timestamp(value, day_order=day_order)
    except ValueError:
        return np.nan
    return np.nan if seconds is None else seconds


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )


def _floats(column: pa.Array) -> Float64:
    values: Float64 = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return values


def _given(column: pa.Array) -> Bool:
    given: Bool = column.is_valid().to_numpy(zero_copy_only=False)
    return given


def _each_float(column: RawColumn, read: Callable[[object], object]) -> tuple[Float64, Bool]:
    values = [read(value) for value in to_list(column)]
    floats = [
        value if isinstance(value, float) else _float_of_int(value) if type(value) is int else np.nan
        for value in values
    ]
    given = [value is not None and value != "" for value in values]
    return np.array(floats, dtype=np.float64), np.array(given, dtype=bool)


def _float_of_int(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf
