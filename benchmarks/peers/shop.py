"""What all serve and what all are asked: products, vectors and queries of one snapshot, as files that anything reads.

Every peer gets the snapshot's own vectors, so that none encodes the catalogue and all find by the same meaning.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.harness.command import BenchmarkError
from benchmarks.harness.store import VAR
from mercato.arrays import Float32
from mercato.bench.subjects import make_queries
from mercato.index import layout
from mercato.index.documents import Documents
from mercato.index.snapshot import Snapshot
from mercato.models.encoder.onnx_encoder import OnnxEncoder

FOLDER = VAR / "peers" / "shop"
SEED = 16
MOST_WORDS = 6
HOT_QUERIES = 2_000
PRODUCTS, VECTORS, COLUMNS = "products.jsonl", "vectors.npy", "columns.npy"
_ENCODED_AT_ONCE = 64
_ATTEMPTS = 20  # for each query wanted, before a shop is said to have no more


def mix_queries(real: Sequence[str], titles: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """Make queries that shoppers could type and none of which repeats: a real one, joined by words of a title.

    A third is a real query with one word of a title behind it, a third with two, a third is words of one title alone
    (`make_queries`), so that words and meaning both have what they are good at.

    Args:
        real: what shoppers typed; where empty, all are words of titles.
        titles: of the catalogue.
        count: how many queries are wanted.
        rng: decides.

    Returns:
        At most ``count``, in a random order; fewer where real queries and titles have no more.
    """
    made = dict.fromkeys(make_queries(titles, count if not real else count // 3, rng))
    words = [title.lower().split() for title in titles]
    words = [one for one in words if one]
    for _ in range(_ATTEMPTS):
        left = count - len(made)
        if left <= 0 or not real or not words:
            break
        chosen, others = rng.integers(len(real), size=left).tolist(), rng.integers(len(words), size=left).tolist()
        for query, title, place, more in zip(
            chosen, others, rng.random(left).tolist(), rng.integers(1, 3, size=left).tolist(), strict=True
        ):
            first = int(place * len(words[title]))
            added = words[title][first : first + more]
            made.setdefault(" ".join([*real[query].split(), *added][:MOST_WORDS]))
    queries = list(made)[:count]
    return [queries[index] for index in rng.permutation(len(queries)).tolist()]


def read_queries(path: Path) -> list[str]:
    """Return real queries: lines of a text file, or the column ``query`` of a Parquet file; each once, in its order.

    Raises:
        BenchmarkError: the file is not there or holds none.
    """
    if not path.is_file():
        raise BenchmarkError(f"--queries: {path.name} not found; name a file with one query a line")
    if path.suffix == ".parquet":
        lines = pq.read_table(path, columns=["query"])["query"].to_pylist()
    else:
        lines = path.read_text().splitlines()
    queries = list(dict.fromkeys(line.strip().lower() for line in lines if line and line.strip()))
    if not queries:
        raise BenchmarkError(f"--queries: {path.name} holds no query")
    return queries


@dataclass(frozen=True, kw_only=True)
class Shop:
    """One snapshot, and what it is asked.

    Attributes:
        catalog: the snapshot.
        encoder: folder of the exported encoder.
        queries: each once, for loads that no cache helps with.
        hot: queries of which few are asked most of the time; none of them is among ``queries``.
        page_size: products of a page.
    """

    catalog: Path
    encoder: Path
    queries: Sequence[str]
    hot: Sequence[str]
    page_size: int = 10

    @cached_property
    def key(self) -> str:
        """Names the snapshot: files that were made of another are not taken for its own."""
        return hashlib.sha256((self.catalog / "manifest.json").read_bytes()).hexdigest()[:12]

    @cached_property
    def folder(self) -> Path:
        """Folder with `PRODUCTS`, `VECTORS` and `COLUMNS`, written where it is not there."""
        folder = FOLDER / self.key
        if not (folder / COLUMNS).is_file():
            write_files(self.catalog, folder)
        return folder

    @cached_property
    def products(self) -> int:
        """How many products the catalogue has."""
        return int(np.load(self.folder / VECTORS, mmap_mode="r").shape[0])

    def encode(self, queries: Sequence[str]) -> Float32:
        """Return the queries' vectors, float32 [queries, dimension]; those of an earlier run are kept in a file.

        Args:
            queries: texts.
        """
        digest = hashlib.sha256("\n".join([str(self.encoder), *queries]).encode()).hexdigest()[:16]
        path = self.folder / f"queries-{digest}.npy"
        if not path.is_file():
            model = OnnxEncoder(self.encoder)
            order = sorted(range(len(queries)), key=lambda index: len(queries[index]))
            vectors: Float32 | None = None
            for start in range(0, len(order), _ENCODED_AT_ONCE):
                block = order[start : start + _ENCODED_AT_ONCE]
                encoded = model.encode([queries[index] for index in block])
                vectors = np.empty((len(queries), encoded.shape[1]), np.float32) if vectors is None else vectors
                vectors[block] = encoded
            np.save(path, vectors if vectors is not None else np.zeros((0, 0), np.float32))
        loaded: Float32 = np.load(path)
        return loaded


def read_titles(catalog: Path) -> list[str]:
    """Return the titles of a snapshot, in row order."""
    documents = Documents(catalog.resolve() / layout.PRODUCTS)
    return [str(json.loads(documents.document(row)).get("title") or "") for row in range(documents.count)]


def flatten(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a product as a search engine takes it: few fields of texts, of which all but the image are searched."""
    attributes = document.get("attributes") or {}
    return {
        "id": str(document["id"]),
        "title": str(document.get("title") or ""),
        "brand": str(document.get("brand") or ""),
        "categories": " ".join(document.get("categories") or ()),
        "description": str(document.get("description") or ""),
        "attributes": " ".join(str(value) for value in attributes.values() if isinstance(value, str)),
        "price": float(document.get("price") or 0.0),
        "image": str(document.get("image_uri") or ""),
    }


def read_products(catalog: Path) -> Iterator[dict[str, Any]]:
    """Yield the products of a snapshot in row order."""
    documents = Documents(catalog.resolve() / layout.PRODUCTS)
    for row in range(documents.count):
        yield flatten(json.loads(documents.document(row)))


def write_files(catalog: Path, folder: Path) -> None:
    """Write what peers read.

    Args:
        catalog: the snapshot.
        folder: gets products as JSON lines; ``vectors.npy``, float32 [products, dimension]; ``columns.npy``,
            float32 [products, 2], logarithm of the price and whether it has one, for a small ranker.
    """
    snapshot = Snapshot(catalog)
    folder.mkdir(parents=True, exist_ok=True)
    products = list(read_products(catalog))
    with (folder / PRODUCTS).open("w") as file:
        file.writelines(json.dumps(product, ensure_ascii=False) + "\n" for product in products)
    np.save(folder / VECTORS, snapshot.vectors(np.arange(len(products))))
    prices = np.array([product["price"] for product in products], np.float32)
    np.save(folder / COLUMNS, np.stack([np.log1p(prices), (prices > 0).astype(np.float32)], axis=1))
