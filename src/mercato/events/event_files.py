"""Files of events: tables, in large batches of raw columns, nothing checked yet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.events.raw_columns import RawColumn
from mercato.incoming import Rejected
from mercato.tables.open import open_table

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class RawBatch:
    """Rows of a file.

    Attributes:
        columns: column -> its values [n], an Arrow array or a list.
        lines: int64 [n], where each row is.
        rejected: what could not even be read as a row.
    """

    columns: dict[str, RawColumn]
    lines: npt.NDArray[np.int64]
    rejected: list[Rejected] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class EventFile:
    """An opened file.

    Attributes:
        columns: the columns there are.
        read: reads the given columns, batch by batch; in those of a second argument numbers are texts, such as ids.
        rows: how many rows there are, for text at most; None where only reading would tell.
        notes: what a person should know of how it was read.
    """

    columns: list[str]
    read: Callable[..., Iterator[RawBatch]]
    rows: int | None = None
    notes: list[str] = field(default_factory=list)


def open_event_file(path: Path, *, encoding: str = "") -> EventFile:
    """Open a file; see `open_table` for what it may be.

    Raises:
        DataError: there is no such file, it is empty, or it is not of its format.
    """
    table = open_table(path, encoding=encoding)

    def read(columns: Sequence[str], as_written: Collection[str] = ()) -> Iterator[RawBatch]:
        for batch in table.read(columns, BATCH_ROWS, as_written):
            raw: dict[str, Any] = {column: batch.column(column) for column in columns}
            yield RawBatch(raw, np.array(batch.lines, dtype=np.int64), list(batch.rejected))

    return EventFile(table.columns, read, table.rows, table.notes)
