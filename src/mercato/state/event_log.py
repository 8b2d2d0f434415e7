"""Writing the log of events: codes for ids, one record for each event, known ones left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mercato.arrays import UInt8
from mercato.events.event import Event
from mercato.events.event_batch import EventBatch
from mercato.events.event_key import KEY_BYTES, key_of_event_id, random_key
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.state.id_codes import IdCoder
from mercato.state.schema import ID_TABLES, RECORD, Records, split_records
from mercato.state.session import Session
from mercato.state.statements import insert_columns
from mercato.state.values import AppendResult
from mercato.state.visitors import remember_logins

_ID_FIELDS = ("user", "visitor", "product", "order")  # of a record, in the order of ID_TABLES


@dataclass(frozen=True, slots=True, eq=False)
class EventRows:
    """Events ready to be written.

    Attributes:
        records: RECORD [n]; their sequence numbers are set when they are written.
        keys: uint8 [n, 16].
        texts: for each event its ``event_id`` and ``context`` (JSON), None where not given; None where no event has
            either.
    """

    records: Records
    keys: UInt8
    texts: list[tuple[str | None, str | None]] | None


class EventCoder:
    """Turns events into rows, inside a write transaction; remembers the codes it has seen."""

    def __init__(self, session: Session, *, bulk: bool = False) -> None:
        """Start with nothing remembered.

        Args:
            session: whose transaction it is.
            bulk: many events are to come (``IdCoder``).
        """
        self._coders = [IdCoder(session.connection, table, bulk=bulk) for table in ID_TABLES]

    def code_events(self, events: Sequence[Event], contexts: Sequence[str | None]) -> EventRows:
        """Turn single events into rows.

        Args:
            events: checked events.
            contexts: the context of each as JSON, None where it is empty.
        """
        records = np.zeros(len(events), dtype=RECORD)
        ids = [
            [event.user_id for event in events],
            [event.visitor_id for event in events],
            [event.product_id for event in events],
            [event.order_id for event in events],
        ]
        for field, coder, column in zip(_ID_FIELDS, self._coders, ids, strict=True):
            records[field] = coder.code_ids(column)
        records["time"] = [event.time for event in events]
        records["quantity"] = [event.quantity for event in events]
        records["price"] = [np.nan if event.price is None else event.price for event in events]
        records["event_type"] = [EVENT_TYPE_CODES[event.event_type] for event in events]
        keys = [key_of_event_id(event.event_id) if event.event_id else random_key(event.time) for event in events]
        texts: list[tuple[str | None, str | None]] = [
            (event.event_id or None, context) for event, context in zip(events, contexts, strict=True)
        ]
        return EventRows(records, np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY_BYTES), texts)

    def code_batch(self, batch: EventBatch) -> EventRows:
        """Turn a batch of columns into rows."""
        records = np.zeros(len(batch), dtype=RECORD)
        ids = (batch.user_id, batch.visitor_id, batch.product_id, batch.order_id)
        for field, coder, column in zip(_ID_FIELDS, self._coders, ids, strict=True):
            records[field] = coder.code_column(column)
        records["time"] = batch.time
        records["quantity"] = batch.quantity
        records["price"] = batch.price
        records["event_type"] = batch.event_type
        texts = None
        if batch.event_id.null_count < len(batch) or batch.context.null_count < len(batch):
            texts = list(zip(batch.event_id.to_pylist(), batch.context.to_pylist(), strict=True))
        # By actor and time, equal ones as they came: the index then takes neighbours one after the other. Measured
        # on the demo store: two thirds of the time of writing in the order of the file.
        order = np.lexsort((records["time"], records["visitor"], records["user"]))
        if texts is not None:
            texts = [texts[row] for row in order.tolist()]
        return EventRows(records[order], batch.key[order], texts)


def write_rows(session: Session, rows: EventRows) -> AppendResult:
    """Write rows, inside a write transaction; those whose key is known are left out.

    Returns:
        What becomes of them once the transaction is committed.
    """
    total = len(rows.keys)
    last = session.last_sequence("events")
    fresh = _claim_keys(session, rows.keys, last + 1)
    records, texts = rows.records, rows.texts
    if len(fresh) < total:
        records = records[fresh]
        texts = None if texts is None else [texts[position] for position in fresh.tolist()]
    if len(fresh):
        # Keys were claimed with the sequence number of their position: gaps where a known event was left out.
        records["sequence"] = last + 1 + fresh
        _insert(session, records, texts)
        remember_logins(session.connection, records)
        last = int(records["sequence"][-1])
    return AppendResult(accepted=len(fresh), duplicates=total - len(fresh), sequence=last)


def _insert(session: Session, records: Records, texts: list[tuple[str | None, str | None]] | None) -> None:
    columns: dict[str, Sequence[object]] = {"sequence": records["sequence"].tolist(), "time": records["time"].tolist()}
    # Columns that are all null are left out of the statement: binding values is a good part of an import's time.
    for field in ("user", "visitor"):
        if records[field].any():
            columns[field] = [code or None for code in records[field].tolist()]
    columns["body"] = split_records(records)
    if texts is not None:
        columns["event_id"], columns["context"] = zip(*texts, strict=True)
    insert_columns(session.connection, "events", columns)


def _claim_keys(session: Session, keys: UInt8, first: int) -> npt.NDArray[np.int64]:
    """Enter keys with the sequence numbers from ``first``; return the positions of those that were not known."""
    # In the order of the index, which is then walked once; equal keys keep their order, so that the first one wins.
    high, low = keys.view(">u8").T
    order = np.lexsort((low, high))
    before = session.connection.total_changes
    columns = {"key": _split_keys(keys[order]), "sequence": (first + order).tolist()}
    insert_columns(session.connection, "event_keys", columns, verb="INSERT OR IGNORE")
    claimed = session.connection.total_changes - before
    if claimed == len(keys):
        return np.arange(len(keys))
    if claimed == 0:
        return np.empty(0, dtype=np.int64)
    find = "SELECT sequence FROM event_keys WHERE key = ?"
    execute = session.connection.execute
    return np.array(
        [
            position
            for position, key in enumerate(_split_keys(keys))
            if execute(find, (key,)).fetchone()[0] == first + position
        ],
        dtype=np.int64,
    )


def _split_keys(keys: UInt8) -> list[bytes]:
    raw = keys.tobytes()
    return [raw[start : start + KEY_BYTES] for start in range(0, len(raw), KEY_BYTES)]
