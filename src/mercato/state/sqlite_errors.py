"""The one place where SQLite's errors become ours."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from mercato.errors import StateError

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
