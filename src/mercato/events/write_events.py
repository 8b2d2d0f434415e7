"""Events out: as JSON objects for a server, as a file that can be imported again."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from mercato.errors import DataError
from mercato.events.event_batch import EventBatch
from mercato.events.event_key import key_text
from mercato.events.event_order import ORDER_COLUMN, has_time, time_to_order
from mercato.events.event_type import EVENT_TYPE_CODES, EVENT_TYPES, STARS_STEPS, STATEMENTS
from mercato.progress import Progress, no_progress

SUFFIXES = (".parquet", ".jsonl")

_TEXT_FIELDS = ("user_id", "visitor_id", "product_id", "order_id")
_SCHEMA = pa.schema(
    [
        ("event_type", pa.string()),
        *((name, pa.string()) for name in _TEXT_FIELDS),
        ("time", pa.timestamp("us", tz="UTC")),
        (ORDER_COLUMN, pa.int64()),
        ("quantity", pa.int32()),
        ("price", pa.float32()),
        ("event_id", pa.string()),
        ("context", pa.string()),
        ("rating", pa.float64()),
        ("statement", pa.string()),
    ]
)
_RATING, _FORGET = EVENT_TYPE_CODES["rating"], EVENT_TYPE_CODES["forget"]


def to_documents(batch: EventBatch) -> list[dict[str, Any]]:
    """Write events as the JSON objects that ``parse_event`` takes, each with an ``event_id``.

    An event without an id of its own gets its key as one, so that writing it twice counts it once, whichever way.
    """
    documents: list[dict[str, Any]] = [
        {
            "event_type": EVENT_TYPES[code],
            **({"time": time} if time >= 0 else {"order": time_to_order(time)}),
            **_write_number(code, quantity),
            "event_id": event_id,
        }
        for code, time, quantity, event_id in zip(
            batch.event_type.tolist(), batch.time.tolist(), batch.quantity.tolist(), _event_ids(batch), strict=True
        )
    ]
    for name in _TEXT_FIELDS:
        for document, value in zip(documents, getattr(batch, name).to_pylist(), strict=True):
            if value is not None:
                document[name] = value
    for document, price in zip(documents, batch.price.tolist(), strict=True):
        if price == price:
            document["price"] = price
    for document, context in zip(documents, batch.context.to_pylist(), strict=True):
        if context is not None:
            document["context"] = orjson.loads(context)
    return documents


def _write_number(code: int, number: int) -> dict[str, Any]:
    """Write the number of an event: its pieces, a rating's stars, or the name of what is forgotten."""
    if code == _RATING:
        return {"rating": number / STARS_STEPS}
    return {"statement": STATEMENTS[number - 1]} if code == _FORGET else {"quantity": number}


def write_events(path: Path, batches: Iterable[EventBatch], *, total: int = 0, progress: Progress = no_progress) -> int:
    """Write events to a file that ``read_events`` takes; times to the microsecond.

    Args:
        path: ``.parquet`` or ``.jsonl``; it appears when it is complete.
        batches: the events.
        total: how many events there are, as far as is known, for ``progress``.
        progress: told of events once they are written.

    Returns:
        How many events were written.

    Raises:
        DataError: another suffix, or the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path.name}: the format must be one of {', '.join(SUFFIXES)}, by the suffix")
    partial = path.with_name(path.name + ".partial")
    write = _write_parquet if path.suffix.lower() == ".parquet" else _write_jsonl
    try:
        count = 0
        for written in write(partial, batches):
            count += written
            progress("events", count, max(total, count))
        partial.replace(path)
    except OSError as exc:
        raise DataError(f"{path} cannot be written: {exc}") from exc
    finally:
        partial.unlink(missing_ok=True)
    return count


def _write_parquet(path: Path, batches: Iterable[EventBatch]) -> Iterator[int]:
    """Write batches; give the number of events of each."""
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for batch in batches:
            timed = has_time(batch.time)
            micros = pa.array(np.round(batch.time * 1e6).astype(np.int64), mask=~timed)
            orders = np.array([0 if time >= 0 else time_to_order(time) for time in batch.time.tolist()], dtype=np.int64)
            types = pa.DictionaryArray.from_arrays(pa.array(batch.event_type), pa.array(EVENT_TYPES))
            columns = {
                "event_type": types.cast(pa.string()),
                **{name: getattr(batch, name) for name in _TEXT_FIELDS},
                "time": micros.cast(_SCHEMA.field("time").type),
                ORDER_COLUMN: pa.array(orders, mask=timed),
                "price": pa.array(batch.price, from_pandas=True),  # NaN becomes null
                "event_id": pa.array(_event_ids(batch), type=pa.string()),
                "context": batch.context,
                **_said_columns(batch),
            }
            writer.write_batch(pa.RecordBatch.from_arrays([columns[name] for name in _SCHEMA.names], schema=_SCHEMA))
            yield len(batch)


def _said_columns(batch: EventBatch) -> dict[str, pa.Array]:
    """Write the numbers of events, each in the column of what it is."""
    numbers, rated, forgets = batch.quantity, batch.event_type == _RATING, batch.event_type == _FORGET
    statements = [STATEMENTS[number - 1] if of else None for number, of in zip(numbers.tolist(), forgets, strict=True)]
    return {
        "quantity": pa.array(numbers, mask=rated | forgets),
        "rating": pa.array(numbers / STARS_STEPS, mask=~rated),
        "statement": pa.array(statements, type=pa.string()),
    }


def _write_jsonl(path: Path, batches: Iterable[EventBatch]) -> Iterator[int]:
    """Write batches; give the number of events of each."""
    with path.open("wb") as file:
        for batch in batches:
            for document in to_documents(batch):
                if not file.tell():
                    # Readers look at the first lines alone to know the columns.
                    document = {ORDER_COLUMN: None, "quantity": None, "rating": None, "statement": None} | document
                if "order" in document:
                    document |= {"time": None, ORDER_COLUMN: document.pop("order")}
                file.write(orjson.dumps(document) + b"\n")
            yield len(batch)


def _event_ids(batch: EventBatch) -> list[str]:
    return [
        event_id if event_id is not None else key_text(key.tobytes())
        for event_id, key in zip(batch.event_id.to_pylist(), batch.key, strict=True)
    ]
