"""What statements have in common: many rows inserted with each, and SQLite's errors as ours, here and nowhere else."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mercato.errors import StateError

# Measured on the demo store's events: 64 rows a statement take two thirds of the time of one row a statement, for
# rows of two small columns half; more rows gain nothing.
ROWS_PER_STATEMENT = 64
# Part of SQLite's message -> what it means and what to do.
_MEANINGS: tuple[tuple[str, str], ...] = (
    ("file is not a database", "is not an SQLite file; give another path, or restore it from a backup"),
    ("malformed", "is damaged; stop the processes that use it and restore it from a backup"),
    ("readonly", "cannot be written; give the process write access to the file and to its folder"),
    ("unable to open", "cannot be opened; the folder must exist and be writable (SQLite keeps two files beside it)"),
    ("disk is full", "has no room on its disk; free some, nothing of this write was kept"),
    ("disk I/O error", "could not be written or read; check the disk (full, a quota, failing), nothing was kept"),
    ("locked", "is being written by another process for too long; try again, or raise the busy timeout"),
    ("no such table", "is not a state file of Mercato; give another path"),
)


def translate_sqlite_error(error: sqlite3.Error | OSError, path: str) -> StateError:
    """Say what an error of SQLite means for a state file, and what to do."""
    text = str(error)
    for part, meaning in _MEANINGS:
        if part in text:
            return StateError(f"state: {path} {meaning} (SQLite: {text})")
    return StateError(f"state: {path} cannot be used (SQLite: {text})")


@contextmanager
def translated_errors(path: str) -> Iterator[None]:
    """Turn what SQLite raises inside into ``StateError``."""
    try:
        yield
    except sqlite3.Error as exc:
        raise translate_sqlite_error(exc, path) from exc


def insert_columns(
    connection: sqlite3.Connection, table: str, columns: dict[str, Sequence[object]], *, verb: str = "INSERT"
) -> None:
    """Insert rows given as columns, in their order.

    Args:
        connection: in a write transaction.
        table: where to.
        columns: name -> values [n].
        verb: ``INSERT`` or ``INSERT OR IGNORE``.
    """
    width = len(columns)
    length = len(next(iter(columns.values())))
    head = f"{verb} INTO {table} ({', '.join(columns)}) VALUES "
    row = f"({', '.join('?' * width)})"
    whole = length - length % ROWS_PER_STATEMENT
    if whole:
        statement = head + ", ".join([row] * ROWS_PER_STATEMENT)
        values: list[object] = [None] * (whole * width)
        for position, column in enumerate(columns.values()):
            values[position::width] = column[:whole]
        step = ROWS_PER_STATEMENT * width
        connection.executemany(statement, (values[start : start + step] for start in range(0, len(values), step)))
    if whole < length:
        connection.executemany(head + row, zip(*(column[whole:] for column in columns.values()), strict=True))
