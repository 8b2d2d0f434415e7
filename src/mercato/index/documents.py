"""Product documents on disk: one Arrow file with the id, the title and the whole document of each row.

The document is kept as the JSON that an answer holds, so that a result page is a concatenation of slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from mercato.errors import SnapshotError


def write_documents(path: Path, ids: Sequence[str], documents: Sequence[bytes]) -> None:
    """Write ids and documents, one row each, as an Arrow IPC file.

    Args:
        path: the file.
        ids: product ids in row order.
        documents: JSON documents in row order.
    """
    table = pa.table({"id": pa.array(ids, pa.large_utf8()), "document": pa.array(documents, pa.large_binary())})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, table.num_rows))


class Documents:
    """Ids and documents of a snapshot's rows, memory-mapped."""

    def __init__(self, path: Path) -> None:
        """Map the file.

        Raises:
            SnapshotError: the file cannot be read.
        """
        try:
            self.path = path
            self._source = pa.memory_map(str(path))
            table = pa.ipc.open_file(self._source).read_all()
        except (pa.ArrowInvalid, OSError) as exc:
            raise SnapshotError(f"{path.name}: cannot be read ({exc}); build the snapshot again") from exc
        self._table = table
        self.count = table.num_rows
        self._id_bounds, self._id_bytes = _views(table.column("id"))
        self._document_bounds, self._document_bytes = _views(table.column("document"))

    def id(self, row: int) -> str:
        """Return the product id of a row."""
        return str(bytes(self._id_bytes[self._id_bounds[row] : self._id_bounds[row + 1]]), "utf-8")

    def document(self, row: int) -> bytes:
        """Return the JSON document of a row."""
        return bytes(self._document_bytes[self._document_bounds[row] : self._document_bounds[row + 1]])

    def read_ahead(self, rows: Sequence[int]) -> None:
        """Bring the documents of rows here; those of this file are."""

    def ids(self) -> list[str]:
        """Return every id in row order."""
        ids: list[str] = self._table.column("id").to_pylist()
        return ids


def _views(column: pa.ChunkedArray) -> tuple[np.ndarray, memoryview]:  # type: ignore[type-arg]
    """Return the offsets (int64 [n + 1]) and the bytes of a large string or binary column, without copying."""
    if column.num_chunks == 0:
        return np.zeros(1, np.int64), memoryview(b"")
    chunk = column.chunk(0)
    _, offsets, data = chunk.buffers()
    bounds = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
    return bounds, memoryview(data) if data is not None else memoryview(b"")
