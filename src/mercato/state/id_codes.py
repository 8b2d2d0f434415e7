"""Ids as small numbers: handing out codes when writing, giving the ids back when reading."""

import sqlite3
import threading
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mercato.arrays import UInt32
from mercato.state.statements import insert_columns


class IdCoder:
    """Hands out the codes of one id table, inside a write transaction."""

    def __init__(self, connection: sqlite3.Connection, table: str, *, bulk: bool = False) -> None:
        """Start with nothing remembered.

        Args:
            connection: holds the write lock while codes are asked for.
            table: one of ``schema.ID_TABLES``.
            bulk: read the whole table instead of asking for single ids; pays from some thousand ids on.
        """
        self._connection = connection
        self._table = table
        self._bulk = bulk
        self._known: dict[str, int] = {"": 0}
        self._last = 0  # with bulk: every code up to this is known

    def code_ids(self, ids: Sequence[str]) -> list[int]:
        """Return the code of each id, making those that are new; "" is 0."""
        known = self._known
        missing = [name for name in dict.fromkeys(ids) if name not in known]
        if missing:
            self._look_up(missing)
            made = [name for name in missing if name not in known]
            codes = range(self._last + 1, self._last + 1 + len(made))
            insert_columns(self._connection, self._table, {"code": codes, "name": made})
            known.update(zip(made, codes, strict=True))
            self._last += len(made)
        return [known[name] for name in ids]

    def _look_up(self, names: list[str]) -> None:
        """Learn the codes that exist, and the last one: other processes may have made some."""
        execute = self._connection.execute
        if self._bulk:
            self._known.update(execute(f"SELECT name, code FROM {self._table} WHERE code > ?", (self._last,)))
        else:
            find = f"SELECT name, code FROM {self._table} WHERE name = ?"
            self._known.update(row for name in names for row in execute(find, (name,)))
        self._last = execute(f"SELECT coalesce(max(code), 0) FROM {self._table}").fetchone()[0]

    def code_column(self, ids: pa.Array) -> UInt32:
        """Return the codes of an Arrow string column [n] as uint32 [n]; null is 0."""
        encoded = ids.dictionary_encode()
        table = np.array([*self.code_ids(encoded.dictionary.to_pylist()), 0], dtype=np.uint32)
        indices = pc.fill_null(encoded.indices, len(table) - 1).to_numpy(zero_copy_only=False)
        codes: UInt32 = table[indices]
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
