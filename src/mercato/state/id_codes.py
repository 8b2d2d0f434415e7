"""Ids as small numbers: handing out codes when writing, giving the ids back when reading."""

import sqlite3
import threading
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Codes = npt.NDArray[np.uint32]


class IdCoder:
    """Hands out the codes of one id table, inside a write transaction."""

    def __init__(self, connection: sqlite3.Connection, table: str) -> None:
        """Start with nothing remembered.

        Args:
            connection: holds the write lock while codes are asked for.
            table: one of ``schema.ID_TABLES``.
        """
        self._connection = connection
        self._table = table
        self._known: dict[str, int] = {"": 0}

    def code_ids(self, ids: Iterable[str]) -> list[int]:
        """Return the code of each id, making those that are new; "" is 0."""
        ids = list(ids)
        known = self._known
        missing = [name for name in dict.fromkeys(ids) if name not in known]
        if missing:
            execute = self._connection.execute
            find = f"SELECT code FROM {self._table} WHERE name = ?"
            made: list[str] = []
            for name in missing:
                row = execute(find, (name,)).fetchone()
                if row is None:
                    made.append(name)
                else:
                    known[name] = row[0]
            if made:
                last = execute(f"SELECT coalesce(max(code), 0) FROM {self._table}").fetchone()[0]
                codes = range(last + 1, last + 1 + len(made))
                self._connection.executemany(
                    f"INSERT INTO {self._table} (code, name) VALUES (?, ?)", zip(codes, made, strict=True)
                )
                known.update(zip(made, codes, strict=True))
        return [known[name] for name in ids]

    def code_column(self, ids: pa.Array) -> Codes:
        """Return the codes of an Arrow string column [n] as uint32 [n]; null is 0."""
        encoded = ids.dictionary_encode()
        table = np.array([*self.code_ids(encoded.dictionary.to_pylist()), 0], dtype=np.uint32)
        indices = pc.fill_null(encoded.indices, len(table) - 1).to_numpy(zero_copy_only=False)
        codes: Codes = table[indices]
        return codes


class IdNames:
    """Gives the ids of one table back; shared by the threads of a process, grows as the table does."""

    def __init__(self, table: str) -> None:
        """Start empty: read on first use.

        Args:
            table: one of ``schema.ID_TABLES``.
        """
        self._query = f"SELECT code, name FROM {table} WHERE code > ? ORDER BY code"
        self._names: list[str] = [""]
        self._lock = threading.Lock()

    def names_up_to(self, connection: sqlite3.Connection, code: int) -> list[str]:
        """Return the ids by code, up to ``code`` at least; position 0 is "" (not given). Read only."""
        if code >= len(self._names):
            with self._lock:
                for found, name in connection.execute(self._query, (len(self._names) - 1,)):
                    self._names.extend([""] * (found - len(self._names)))
                    self._names.append(name)
        return self._names
