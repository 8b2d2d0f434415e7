"""Reading the whole log of events: as codes for learning, as batches for export."""

import sqlite3
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mercato.events.event_batch import EventBatch
from mercato.state.id_codes import IdNames
from mercato.state.schema import ID_TABLES, RECORD, join_records
from mercato.state.values import EventTable
from mercato.state.visitors import join_visitors

READ_ROWS = 65_536
MAX_RANK = 10_000
"""A rank above is no place in an answer that anybody looked at."""

T = TypeVar("T")


def read_event_table(
    connection: sqlite3.Connection, since: float | None, until: float | None, after_sequence: int
) -> EventTable:
    """Read the log as one table; see ``StateStore.event_columns``."""
    connection.execute("BEGIN")  # one state of the log for records and ids
    try:
        cursor = connection.execute("SELECT body FROM events ORDER BY sequence")
        parts = [np.empty(0, dtype=RECORD)]
        while rows := cursor.fetchmany(READ_ROWS):
            records = join_records(rows)
            parts.append(records if until is None else records[records["time"] < until])
        records = np.concatenate(parts)
        user = join_visitors(records)  # of all before the moment: what is known of visitors by then
        wanted = (records["sequence"] > after_sequence) & (records["time"] >= (-np.inf if since is None else since))
        if not wanted.all():
            records, user = records[wanted], user[wanted]
        users, visitors, products, orders = (_read_names(connection, table) for table in ID_TABLES)
        contexts = _read_contexts(connection, after_sequence, records["sequence"])
    finally:
        connection.execute("ROLLBACK")
    return EventTable(
        sequence=np.ascontiguousarray(records["sequence"]),
        time=np.ascontiguousarray(records["time"]),
        event_type=np.ascontiguousarray(records["event_type"]),
        user=_positions(user),
        visitor=_positions(records["visitor"]),
        product=_positions(records["product"]),
        order=_positions(records["order"]),
        quantity=np.ascontiguousarray(records["quantity"]),
        price=np.ascontiguousarray(records["price"]),
        users=users[1:],
        visitors=visitors[1:],
        products=products[1:],
        orders=orders[1:],
        **contexts,
    )


def _read_contexts(
    connection: sqlite3.Connection, after_sequence: int, sequence: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Read what is learned from the contexts of events: device and region, the query, the rank in its answer.

    Args:
        connection: to the state file.
        after_sequence: only of events with a larger number.
        sequence: int64 [n], rising, the events that are wanted.

    Returns:
        The columns of an `EventTable` that come from contexts, and what their codes mean; empty where no event of the
        log has such a context.
    """
    rows = connection.execute(
        "SELECT sequence, json_extract(context, '$.device'), json_extract(context, '$.region'),"
        " coalesce(json_extract(context, '$.search_query'), json_extract(context, '$.query')),"
        " json_extract(context, '$.rank') FROM events WHERE sequence > ? AND context IS NOT NULL ORDER BY sequence",
        (after_sequence,),
    )
    device_regions, queries = _Codes[tuple[str, str]](), _Codes[str]()
    ranks: dict[int, int] = {}
    for number, device, region, query, rank in rows:
        place = (device if isinstance(device, str) else "", region if isinstance(region, str) else "")
        if any(place):
            device_regions.add(number, place)
        if isinstance(query, str) and query.strip():
            queries.add(number, query)
        if isinstance(rank, int) and 0 < rank <= MAX_RANK:
            ranks[number] = rank
    columns: dict[str, Any] = {}
    if device_regions.names:
        columns["device_region"] = device_regions.spread(sequence)
        columns["device_regions"] = list(device_regions.names)
    if queries.names:
        columns["query"], columns["queries"] = queries.spread(sequence), list(queries.names)
        columns["rank"] = _spread(sequence, list(ranks), list(ranks.values()), missing=0)
    return columns


class _Codes(Generic[T]):
    """Codes of what some events say, by the events' numbers, which come in order."""

    def __init__(self) -> None:
        self.names: dict[T, int] = {}
        self._numbers: list[int] = []
        self._codes: list[int] = []

    def add(self, number: int, name: T) -> None:
        self._numbers.append(number)
        self._codes.append(self.names.setdefault(name, len(self.names)))

    def spread(self, sequence: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Return the code of each event of a table, -1 for none."""
        return _spread(sequence, self._numbers, self._codes, missing=-1)


def _spread(
    sequence: npt.NDArray[np.int64], numbers: list[int], values: list[int], *, missing: int
) -> npt.NDArray[np.int32]:
    """Put values of some events, known by their numbers, beside all events of a table, int32 [n]."""
    column = np.full(len(sequence), missing, dtype=np.int32)
    wanted = np.array(numbers, dtype=np.int64)
    at = np.searchsorted(sequence, wanted)
    inside = at < len(sequence)
    inside[inside] = sequence[at[inside]] == wanted[inside]
    column[at[inside]] = np.array(values, dtype=np.int32)[inside]
    return column


def read_event_batches(connection: sqlite3.Connection) -> Iterator[EventBatch]:
    """Read the log as batches of ``READ_ROWS`` events; see ``StateStore.export_events``."""
    keys = _read_keys(connection)
    names = [_read_names(connection, table) for table in ID_TABLES]
    last = 0
    while rows := connection.execute(
        "SELECT body, event_id, context, sequence FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?",
        (last, READ_ROWS),
    ).fetchall():
        last = rows[-1][3]
        records = join_records(rows)
        # What was written since the keys were read is left to the next export.
        records = records[records["sequence"] <= (keys["sequence"][-1] if len(keys) else 0)]
        if not len(records):
            return
        positions = np.searchsorted(keys["sequence"], records["sequence"])
        user, visitor, product, order = (
            pa.array([column[code] or None for code in records[field].tolist()], type=pa.string())
            for column, field in zip(names, ("user", "visitor", "product", "order"), strict=True)
        )
        yield EventBatch(
            event_type=np.ascontiguousarray(records["event_type"]),
            user_id=user,
            visitor_id=visitor,
            product_id=product,
            time=np.ascontiguousarray(records["time"]),
            quantity=np.ascontiguousarray(records["quantity"]),
            price=np.ascontiguousarray(records["price"]),
            order_id=order,
            event_id=pa.array([row[1] for row in rows[: len(records)]], type=pa.string()),
            key=keys["key"][positions].view(np.uint8).reshape(len(records), -1),
            context=pa.array([row[2] for row in rows[: len(records)]], type=pa.string()),
        )


def _read_keys(connection: sqlite3.Connection) -> npt.NDArray[np.void]:
    """Read all keys, in the order of their events."""
    layout = np.dtype([("sequence", "<i8"), ("key", "V16")])
    rows = connection.execute("SELECT key, sequence FROM event_keys").fetchall()
    keys = np.empty(len(rows), dtype=layout)
    keys["key"] = np.frombuffer(b"".join([row[0] for row in rows]), dtype="V16")
    keys["sequence"] = [row[1] for row in rows]
    return keys[np.argsort(keys["sequence"])]


def _read_names(connection: sqlite3.Connection, table: str) -> list[str]:
    last = connection.execute(f"SELECT coalesce(max(code), 0) FROM {table}").fetchone()[0]
    return IdNames(table).names_up_to(connection, last)


def _positions(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
    """Turn codes, 0 for none, into positions, -1 for none."""
    return codes.astype(np.int32) - np.int32(1)
