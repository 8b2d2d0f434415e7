"""The rules of ``parse_event`` for whole columns: values, and which rows keep the rule.

``parse_event`` stays the authority: a test holds that both take the same rows, and the reasons are its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mercato.arrays import Bool
from mercato.errors import InvalidInputError
from mercato.events.event import (
    CONTROL_CHARACTERS,
    FORGET,
    MAX_FUTURE_S,
    MAX_ID_BYTES,
    MAX_PRICE,
    MAX_QUANTITY,
    RATING,
    parse_context,
    parse_id,
    parse_statement,
)
from mercato.events.event_order import MAX_ORDER, order_to_time
from mercato.events.event_type import (
    EVENT_TYPE_CODES,
    FEWEST_STARS,
    MOST_STARS,
    STARS_STEPS,
    UNDONE_BY,
    find_event_type,
)
from mercato.events.raw_columns import RawColumn, to_list, to_numbers, to_seconds, to_text
from mercato.events.raw_values import NO_IDS, read_context, read_id
from mercato.text.timestamps import DayOrder

NO_TYPE = 255  # code of what is no event type


@dataclass(frozen=True, slots=True, eq=False)
class CheckedColumn:
    """A column after its check.

    Attributes:
        values: [n], an Arrow string array (null: not given) or a numpy array; without meaning where not valid.
        valid: bool [n], the rows that keep the rule.
    """

    values: Any
    valid: Bool


def check_ids(column: RawColumn | None, length: int) -> CheckedColumn:
    """Check ids: Arrow string [n], null where not given."""
    if column is None:
        return CheckedColumn(pa.nulls(length, pa.string()), np.ones(length, dtype=bool))
    text = to_text(column)
    if text is None:
        return _check_each_id(to_list(column))
    encoded = text.dictionary_encode()  # the rule is asked once for each distinct id
    ids = encoded.dictionary
    good = pc.and_(
        pc.less_equal(pc.binary_length(ids), MAX_ID_BYTES),
        pc.invert(pc.match_substring_regex(ids, CONTROL_CHARACTERS.pattern)),
    )
    table = np.append(good.to_numpy(zero_copy_only=False), True)
    indices = pc.fill_null(encoded.indices, len(ids)).to_numpy(zero_copy_only=False)
    absent = pc.is_in(text, value_set=pa.array(NO_IDS))
    return CheckedColumn(pc.if_else(absent, None, text), table[indices])


def _check_each_id(values: list[object]) -> CheckedColumn:
    texts: list[str | None] = []
    valid = np.ones(len(values), dtype=bool)
    for row, value in enumerate(values):
        try:
            texts.append(parse_id("id", read_id(value)) or None)
        except InvalidInputError:
            texts.append(None)
            valid[row] = False
    return CheckedColumn(pa.array(texts, type=pa.string()), valid)


def check_types(column: RawColumn | None, length: int, default: str | None) -> CheckedColumn:
    """Check event types: uint8 [n], ``default`` where not given."""
    default_code = NO_TYPE if default is None else EVENT_TYPE_CODES[default]
    text = pa.nulls(length, pa.string()) if column is None else to_text(column)
    if text is None:
        names = [value if isinstance(value, str) else None if value is None else "?" for value in to_list(column or [])]
        codes = np.array(
            [EVENT_TYPE_CODES.get(find_event_type(name), NO_TYPE) if name else default_code for name in names],
            dtype=np.uint8,
        )
    else:
        encoded = text.dictionary_encode()
        table = [
            EVENT_TYPE_CODES.get(find_event_type(name), NO_TYPE) if name else default_code
            for name in encoded.dictionary.to_pylist()
        ]
        indices = pc.fill_null(encoded.indices, len(table)).to_numpy(zero_copy_only=False)
        codes = np.array([*table, default_code], dtype=np.uint8)[indices]
    return CheckedColumn(codes, codes != NO_TYPE)


def check_moments(
    times: RawColumn | None, orders: RawColumn | None, now: float, day_order: DayOrder | None = None
) -> CheckedColumn:
    """Check times, or orders where there are none: float64 [n], seconds since 1970. Every row must have one of them.

    Args:
        times: None where the file has none.
        orders: None where the file has none; one of the two is given.
        now: the present, seconds since 1970.
        day_order: decides dates that have two readings.
    """
    length = len(times) if times is not None else 0 if orders is None else len(orders)
    moments, given, valid = np.full(length, np.nan), np.zeros(length, dtype=bool), np.zeros(length, dtype=bool)
    if times is not None:
        moments, given = to_seconds(times, day_order)
        valid = (moments >= 0) & (moments <= now + MAX_FUTURE_S)
    if orders is not None:
        numbers, ordered = to_numbers(orders)
        whole = (numbers >= 0) & (numbers <= MAX_ORDER) & (numbers == np.floor(numbers))
        moments = np.where(ordered & ~given, order_to_time(numbers), moments)
        valid = np.where(ordered, whole & ~given, valid)
    return CheckedColumn(moments, valid)


def check_quantities(column: RawColumn | None, length: int) -> CheckedColumn:
    """Check quantities: int32 [n], 1 where not given; below 0 where pieces are taken back, see `read_returns`."""
    if column is None:
        return CheckedColumn(np.ones(length, dtype=np.int32), np.ones(length, dtype=bool))
    numbers, given = to_numbers(column)
    size = np.abs(numbers)
    valid = ~given | ((size >= 1) & (size <= MAX_QUANTITY) & (numbers == np.floor(numbers)))
    return CheckedColumn(np.where(valid & given, numbers, 1).astype(np.int32), valid)


def read_returns(types: CheckedColumn, quantities: CheckedColumn) -> tuple[CheckedColumn, CheckedColumn]:
    """Read negative quantities: the types that they make of their rows, uint8 [n], and the pieces, int32 [n] above 0.

    Args:
        types: as `check_types` gives them.
        quantities: as `check_quantities` gives them; a negative one of a type that nothing takes back breaks the rule.
    """
    negative = quantities.values < 0
    if not negative.any():
        return types, quantities
    codes = np.where(negative, _UNDONE[types.values], types.values).astype(np.uint8)
    valid = quantities.valid & ~(negative & ~_RETURNABLE[types.values])
    return CheckedColumn(codes, types.valid), CheckedColumn(np.abs(quantities.values), valid)


_UNDONE = np.arange(256)
_RETURNABLE = np.zeros(256, dtype=bool)
for _done, _undone in UNDONE_BY.items():
    _UNDONE[EVENT_TYPE_CODES[_done]] = EVENT_TYPE_CODES[_undone]
    _RETURNABLE[[EVENT_TYPE_CODES[_done], EVENT_TYPE_CODES[_undone]]] = True


def check_ratings(column: RawColumn | None, types: CheckedColumn) -> CheckedColumn:
    """Check ratings: hundredths of a star, int32 [n]; rows of other types than ``rating`` are not looked at."""
    rated = types.values == EVENT_TYPE_CODES[RATING]
    if column is None or not rated.any():
        return CheckedColumn(np.ones(len(rated), dtype=np.int32), ~rated)
    numbers, given = to_numbers(column)
    valid = given & (numbers >= FEWEST_STARS) & (numbers <= MOST_STARS)
    kept = np.round(np.where(valid, numbers, FEWEST_STARS) * STARS_STEPS)
    return CheckedColumn(kept.astype(np.int32), valid | ~rated)


def check_statements(column: RawColumn | None, types: CheckedColumn) -> CheckedColumn:
    """Check what is to be forgotten: numbers of statements, int32 [n]; likewise only where the type is ``forget``."""
    forgets = types.values == EVENT_TYPE_CODES[FORGET]
    numbers, valid = np.ones(len(forgets), dtype=np.int32), np.ones(len(forgets), dtype=bool)
    if column is not None and forgets.any():
        values = to_list(column)
        for row in np.flatnonzero(forgets).tolist():
            try:
                numbers[row] = parse_statement(values[row])
            except InvalidInputError:
                valid[row] = False
    return CheckedColumn(numbers, valid)


def join_said(types: CheckedColumn, pieces: Any, ratings: CheckedColumn, statements: CheckedColumn) -> Any:
    """Return the number that is kept of each row, int32 [n]: a rating's, a statement's, or its pieces."""
    codes = types.values
    kept = np.where(codes == EVENT_TYPE_CODES[RATING], ratings.values, pieces)
    return np.where(codes == EVENT_TYPE_CODES[FORGET], statements.values, kept).astype(np.int32)


def check_prices(column: RawColumn | None, length: int) -> CheckedColumn:
    """Check prices: float32 [n], NaN where not given."""
    if column is None:
        return CheckedColumn(np.full(length, np.nan, dtype=np.float32), np.ones(length, dtype=bool))
    numbers, given = to_numbers(column)
    valid = ~given | ((numbers >= 0) & (numbers <= MAX_PRICE))
    return CheckedColumn(np.where(valid & given, numbers, np.nan).astype(np.float32), valid)


def check_contexts(column: RawColumn | None, length: int) -> CheckedColumn:
    """Check contexts: Arrow string [n] of JSON objects, null where not given or empty."""
    valid = np.ones(length, dtype=bool)
    if column is None:
        return CheckedColumn(pa.nulls(length, pa.string()), valid)
    texts: list[str | None] = []
    for row, value in enumerate(to_list(column)):
        try:
            context = parse_context(read_context(value))
            texts.append(orjson.dumps(context).decode() if context else None)
        except InvalidInputError:
            texts.append(None)
            valid[row] = False
    return CheckedColumn(pa.array(texts, type=pa.string()), valid)
