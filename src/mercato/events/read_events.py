"""A history of events from a file: checked column by column, by the hundred thousand rows a second.

Rows without an ``event_id`` are known again by their content (``event_key``), so a file can be imported again. Where
only the order of the rows is known, a row's place among those of its user is part of its content.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mercato.arrays import Bool
from mercato.errors import DataError, InvalidInputError
from mercato.events.column_checks import (
    CheckedColumn,
    check_contexts,
    check_ids,
    check_moments,
    check_prices,
    check_quantities,
    check_ratings,
    check_statements,
    check_types,
    join_said,
    read_returns,
)
from mercato.events.event import EVENT_FIELDS, RATING, REFUND, RESET, parse_event
from mercato.events.event_batch import EventBatch
from mercato.events.event_files import EventFile, RawBatch, open_event_file
from mercato.events.event_key import ActorCounter, KeyDeriver, key_of_event_id
from mercato.events.event_order import ORDER_COLUMN, order_to_time
from mercato.events.event_type import EVENT_TYPE_CODES, EVENT_TYPES, PRODUCT_EVENT_TYPES
from mercato.events.raw_columns import RawColumn, find_column_day_order, holds_times, value_at
from mercato.events.raw_values import drop_columns_of_others, read_document
from mercato.incoming import MAX_SHOWN, Rejected, RowReport
from mercato.text.timestamps import DayOrder

_ID_FIELDS = ("user_id", "visitor_id", "product_id", "order_id", "event_id")
_NEEDS_PRODUCT: Bool = np.array(
    [name in PRODUCT_EVENT_TYPES for name in EVENT_TYPES] + [False] * (256 - len(EVENT_TYPES))
)


@dataclass(kw_only=True)
class ReadReport(RowReport):
    """What was read so far; filled while a file is read.

    Attributes:
        by_field: field -> rejected rows that break its rule first.
        total: rows of the file; None where only reading tells.
        ordered_by: empty where the file has times; else what orders its events, ``order`` (a column) or ``rows``.
    """

    by_field: Counter[str] = field(default_factory=Counter)
    total: int | None = None
    ordered_by: str = ""

    def reject(self, row: Rejected, name: str = "row") -> None:
        """Count a rejected row and the field whose rule it breaks, and keep it where it is one of the first."""
        super().reject(row)
        self.by_field[name] += 1


def parse_event_mapping(pairs: Sequence[str], *, option: str = "--map") -> dict[str, str]:
    """Read the arguments of ``--map``, such as ``user_id=household_id``.

    Args:
        pairs: the arguments.
        option: where they were given, for the message.

    Returns:
        Field -> column.

    Raises:
        InvalidInputError: no ``=``, an unknown field, or a field given twice.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        name, equals, column = (part.strip() for part in pair.partition("="))
        if not (equals and name and column):
            raise InvalidInputError(
                option, f"must be FIELD=COLUMN, got {pair!r}", f"for example {option} user_id=customer_id"
            )
        if name not in EVENT_FIELDS:
            raise InvalidInputError(option, f"must name one of {', '.join(EVENT_FIELDS)}, got {name!r}")
        if name in mapping:
            raise InvalidInputError(option, f"{name} is mapped twice, to {mapping[name]!r} and to {column!r}")
        mapping[name] = column
    return mapping


def read_events(
    path: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    default_event_type: str | None = None,
    now: float | None = None,
    report: ReadReport | None = None,
    map_option: str = "--map",
    without_times: bool = False,
) -> Iterator[EventBatch]:
    """Read a file of events; bad rows are left out and reported, they never harm their neighbours.

    Columns are taken by the fields' names or as mapped; others are ignored. Ids may be numbers. Times are read as
    ``parse_timestamp`` reads them, dates of two readings as the file's other dates show; unlike an event that is sent,
    every row must have one. A file without a column of times keeps the order of its rows, or of a column ``order``.

    Args:
        path: ``.parquet``, ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson``; text formats also with ``.gz``.
        mapping: field -> column.
        default_event_type: the type of rows that have none.
        now: the present, seconds since 1970; by default the clock's.
        report: is told what was read, batch by batch.
        map_option: the option that names columns, for messages.
        without_times: take the order of the rows although a column that is not mapped holds times, or seems to.

    Yields:
        Checked events in the order of the file.

    Raises:
        DataError: the file cannot be read, is empty, or lacks a column (the message lists those there are), times
            among them if a column seems to hold them.
        InvalidInputError: ``default_event_type`` is not one of ``EVENT_TYPES``.
    """
    if default_event_type is not None and default_event_type not in EVENT_TYPES:
        raise InvalidInputError("event_type", f"must be one of {', '.join(EVENT_TYPES)}, got {default_event_type!r}")
    file = open_event_file(path)
    sources = _resolve_columns(path.name, file, mapping or {}, default_event_type, map_option)
    if without_times and "time" not in (mapping or {}):
        sources.pop("time", None)
    report = ReadReport() if report is None else report
    report.total = file.rows
    try:
        when = sources.get("time")
        day_order = find_column_day_order(raw.columns[when] for raw in file.read([when])) if when else None
        report.ordered_by = "" if when else "order" if "order" in sources else "rows"
        if report.ordered_by == "rows" and not without_times:
            _refuse_unmapped_times(path.name, file, sources, map_option)
        reader = _Reader(sources, default_event_type, time.time() if now is None else now, report, day_order)
        ids = [sources[name] for name in _ID_FIELDS if name in sources]
        for raw in file.read(list(dict.fromkeys(sources.values())), ids):
            batch = reader.check(raw)
            if len(batch):
                yield batch
    except (pa.ArrowException, OSError, EOFError) as exc:
        raise DataError(f"{path.name} cannot be read to its end ({exc}); it is truncated or damaged") from exc


def _resolve_columns(
    file_name: str, file: EventFile, mapping: Mapping[str, str], default_event_type: str | None, option: str
) -> dict[str, str]:
    """Find the column of each field; see ``read_events`` for what it raises."""
    for name, column in mapping.items():
        if column not in file.columns:
            near = get_close_matches(column, file.columns, n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise DataError(
                f"{file_name} has no column {column!r}, which {name} is mapped to{hint}"
                f" (columns: {', '.join(file.columns)})"
            )
    taken = set(mapping.values())
    sources = {name: name for name in EVENT_FIELDS if name in file.columns and name not in taken} | dict(mapping)
    if "time" in sources and "order" not in mapping:
        sources.pop("order", None)  # beside times it is mostly the number of an order
        if ORDER_COLUMN in file.columns:
            sources["order"] = ORDER_COLUMN
    missing = []
    if "user_id" not in sources and "visitor_id" not in sources:
        missing.append(f"user_id or visitor_id ({option} user_id=COLUMN)")
    if "event_type" not in sources and default_event_type is None:
        missing.append(f"event_type ({option} event_type=COLUMN, or --event-type purchase-complete for all rows)")
    if "event_type" not in sources and default_event_type in PRODUCT_EVENT_TYPES and "product_id" not in sources:
        missing.append(f"product_id ({option} product_id=COLUMN)")
    if missing:
        raise DataError(f"{file_name} has no column for {'; '.join(missing)}. Its columns: {', '.join(file.columns)}")
    return sources


def _refuse_unmapped_times(file_name: str, file: EventFile, sources: Mapping[str, str], option: str) -> None:
    """Refuse to take the order of the rows where a column that nobody mapped seems to hold their times."""
    others = [column for column in file.columns if column not in sources.values()]
    first = next(file.read(others), None) if others else None
    if first is None:
        return
    for column in others:
        if holds_times(column, first.columns[column]):
            remedy = ", or import the rows in their order without times (--no-times)" if option == "--map" else ""
            raise DataError(
                f"{file_name}: no column is mapped to time, but {column!r} seems to hold times; map it ({option}"
                f" time={column}){remedy}"
            )


class _Reader:
    """Checks the batches of one file."""

    def __init__(
        self,
        sources: dict[str, str],
        default_event_type: str | None,
        now: float,
        report: ReadReport,
        day_order: DayOrder | None,
    ) -> None:
        self._sources = sources
        self._default = default_event_type
        self._now = now
        self._report = report
        self._day_order = day_order
        self._keys = KeyDeriver()
        self._actors = ActorCounter()
        self._rows = 0

    def check(self, raw: RawBatch) -> EventBatch:
        """Check one batch; what is rejected goes to the report."""
        length = len(raw.lines)
        columns = {name: raw.columns[column] for name, column in self._sources.items()}
        checked = self._check_columns(columns, length)
        valid = np.ones(length, dtype=bool)
        first_broken = np.full(length, "", dtype=object)
        for name, column in checked.items():
            first_broken[valid & ~column.valid] = name
            valid &= column.valid
        for name, broken in self._cross_rules(checked):
            first_broken[valid & broken] = name
            valid &= ~broken
        self._reject(raw, columns, np.flatnonzero(~valid), first_broken)
        self._report.rows += length + len(raw.rejected)
        return self._make_batch(checked, np.flatnonzero(valid), raw.lines)

    def _check_columns(self, columns: Mapping[str, RawColumn], length: int) -> dict[str, CheckedColumn]:
        types, quantities = read_returns(
            check_types(columns.get("event_type"), length, self._default),
            check_quantities(columns.get("quantity"), length),
        )
        ratings = check_ratings(columns.get(RATING), types)
        statements = check_statements(columns.get("statement"), types)
        kept = join_said(types, quantities.values, ratings, statements)
        return {
            "event_type": types,
            "user_id": check_ids(columns.get("user_id"), length),
            "visitor_id": check_ids(columns.get("visitor_id"), length),
            "product_id": check_ids(columns.get("product_id"), length),
            "time": self._check_moments(columns, length),
            "quantity": CheckedColumn(kept, quantities.valid),
            RATING: ratings,
            "statement": statements,
            "price": check_prices(columns.get("price"), length),
            "order_id": check_ids(columns.get("order_id"), length),
            "event_id": check_ids(columns.get("event_id"), length),
            "context": check_contexts(columns.get("context"), length),
        }

    def _check_moments(self, columns: Mapping[str, RawColumn], length: int) -> CheckedColumn:
        if "time" in columns or "order" in columns:
            return check_moments(columns.get("time"), columns.get("order"), self._now, self._day_order)
        # The rows are the order; those of a later import come behind those of an earlier one.
        first = int(self._now * 1000) + self._rows
        self._rows += length
        return CheckedColumn(order_to_time(first + np.arange(length)), np.ones(length, dtype=bool))

    @staticmethod
    def _cross_rules(checked: Mapping[str, CheckedColumn]) -> list[tuple[str, Bool]]:
        absent = {
            name: checked[name].values.is_null().to_numpy(zero_copy_only=False)
            for name in ("user_id", "visitor_id", "product_id", "order_id")
        }
        return [
            ("user_id", absent["user_id"] & absent["visitor_id"]),
            ("product_id", absent["product_id"] & _NEEDS_PRODUCT[checked["event_type"].values]),
            (
                "product_id",
                absent["product_id"] & absent["order_id"] & (checked["event_type"].values == EVENT_TYPE_CODES[REFUND]),
            ),
            ("product_id", ~absent["product_id"] & (checked["event_type"].values == EVENT_TYPE_CODES[RESET])),
        ]

    def _reject(
        self, raw: RawBatch, columns: Mapping[str, RawColumn], rows: npt.NDArray[np.int64], first_broken: Any
    ) -> None:
        rejected: list[tuple[Rejected, str]] = [(row, "row") for row in raw.rejected]
        room = MAX_SHOWN - len(self._report.shown)
        for count, row in enumerate(rows.tolist()):
            # Reasons are worked out for the rows that will be shown only.
            reason = self._reason(columns, row) if count < room else ""
            rejected.append((Rejected(int(raw.lines[row]), reason), first_broken[row]))
        rejected.sort(key=lambda entry: entry[0].position)
        for entry, name in rejected:
            self._report.reject(entry, name)

    def _reason(self, columns: Mapping[str, RawColumn], row: int) -> str:
        document = read_document({name: value_at(column, row) for name, column in columns.items()}, self._day_order)
        if not document.get("event_type") and self._default is not None:
            document["event_type"] = self._default
        drop_columns_of_others(document)
        by = self._report.ordered_by
        if by != "rows" and document.get("time") in (None, "") and document.get("order") in (None, ""):
            return f"{by or 'time'}: must be given for every row of a file, got none"
        try:
            parse_event(document, now=self._now)
        except InvalidInputError as exc:
            return str(exc)
        return "cannot be read as an event"

    def _make_batch(
        self, checked: Mapping[str, CheckedColumn], rows: npt.NDArray[np.int64], lines: npt.NDArray[np.int64]
    ) -> EventBatch:
        everything = len(rows) == len(checked["time"].values)
        indices = pa.array(rows)

        def take(name: str) -> Any:
            values = checked[name].values
            if everything:
                return values
            return values.take(indices) if isinstance(values, pa.Array) else values[rows]

        taken = {name: take(name) for name in checked if name not in (RATING, "statement")}
        when = taken["time"]
        if self._report.ordered_by == "rows":
            # A row is known again by its place among the rows of its user, wherever the file has grown.
            when = self._actors.number(checked["user_id"].values, checked["visitor_id"].values)[rows]
        return EventBatch(key=self._make_keys(taken, when), lines=lines[rows], **taken)

    def _make_keys(self, taken: Mapping[str, Any], when: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
        keys = self._keys.derive_keys(
            texts=[taken[name] for name in ("user_id", "visitor_id", "product_id", "order_id", "context")],
            time=when,
            numbers=[taken["event_type"], taken["quantity"], taken["price"]],
        )
        event_ids = taken["event_id"]
        if event_ids.null_count < len(event_ids):
            for row, event_id in enumerate(event_ids.to_pylist()):
                if event_id is not None:
                    keys[row] = np.frombuffer(key_of_event_id(event_id), dtype=np.uint8)
        return keys
