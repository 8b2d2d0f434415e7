"""Documents and vectors of products that lie in shards, fetched by the router.

A snapshot never changes, so what was fetched stays true: the products that are shown most are asked for once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.index.documents import Documents
from mercato.index.part import CatalogPart
from mercato.shards.fan_out import FanOut
from mercato.shards.messages import DOCUMENTS, VECTORS, ask_rows, read_documents, read_vectors

KEPT = 8_192
"""Products whose documents, and whose vectors, a process keeps: with vectors of 384 numbers some 12 MB of these."""

T = TypeVar("T")


class ShardProducts:
    """Reads documents and vectors from shards. Those of a shard that does not answer are empty, and zeros."""

    def __init__(self, part: CatalogPart, dimension: int, shards: FanOut) -> None:
        """Take the shards.

        Args:
            part: the router's, which knows the shard of each row.
            dimension: length of a vector.
            shards: what is asked.
        """
        self._part = part
        self._dimension = dimension
        self._shards = shards
        self._vectors: OrderedDict[int, Float32] = OrderedDict()
        self._documents: OrderedDict[int, bytes] = OrderedDict()

    def hold(self, documents: Documents) -> Documents:
        """Return documents that are read from the shards; ids are those of the router's own file."""
        return _ShardDocuments(documents.path, self)

    def read_vectors(self, rows: Int32) -> Float32:
        """Return the vectors of rows, float32 [n, dimension]."""
        found = self._fetch(rows.tolist(), self._vectors, VECTORS, lambda reply: list(read_vectors(reply)))
        vectors = np.zeros((len(rows), self._dimension), np.float32)
        for place, row in enumerate(rows.tolist()):
            if row in found:
                vectors[place] = found[row]
        return vectors

    def read_documents(self, rows: Sequence[int]) -> list[bytes | None]:
        """Return the documents of rows; None where a shard does not answer."""
        found = self._fetch(rows, self._documents, DOCUMENTS, read_documents)
        return [found.get(row) for row in rows]

    def _fetch(
        self, rows: Sequence[int], kept: OrderedDict[int, T], wanted: str, read: Callable[[bytes], list[T]]
    ) -> dict[int, T]:
        """Return what is kept of rows and ask for the rest, each shard once; what was not asked for longest goes."""
        found = {row: kept[row] for row in rows if row in kept}
        missing = np.array([row for row in dict.fromkeys(rows) if row not in found], np.int32)
        if len(missing):
            owners = self._part.owners[missing]
            own = {index: missing[owners == index] for index in np.unique(owners).tolist()}
            messages = {index: ask_rows(self._part, index + 1, wanted, asked) for index, asked in own.items()}
            for index, reply in self._shards.ask(messages).items():
                found |= zip(own[index].tolist(), read(reply), strict=True)
        for row, value in found.items():
            kept[row] = value
            kept.move_to_end(row)
        while len(kept) > KEPT:
            kept.popitem(last=False)
        return found


class _ShardDocuments(Documents):
    """The ids of the router's catalogue, and the documents of the shards."""

    def __init__(self, path: Path, products: ShardProducts) -> None:
        super().__init__(path)
        self._products = products

    def document(self, row: int) -> bytes:
        """Return the JSON document of a row; of a shard that does not answer the id alone."""
        [document] = self._products.read_documents([row])
        return document if document is not None else write_id(self.id(row))

    def read_ahead(self, rows: Sequence[int]) -> None:
        """Bring the documents of rows here, each shard being asked once."""
        self._products.read_documents(rows)


def write_id(product_id: str) -> bytes:
    """Write the document of a product of which nothing else is known."""
    import orjson

    return orjson.dumps({"id": product_id})
