"""The stages behind PyTriton: int8 encoder, HNSW, a small ranker, all for a batch at once.

Runs in the peer's own environment; nothing of Mercato is imported.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import onnxruntime
import orjson
from tokenizers import Tokenizer

Floats = npt.NDArray[np.float32]
M, EF_CONSTRUCTION, EF_SEARCH = 32, 200, 128
CANDIDATES = 100
MAX_TOKENS = 64
HIDDEN = (32, 16)
SEED = 7  # of the ranker's weights: what it takes does not depend on them


def build_index(shop: Path) -> faiss.IndexHNSWFlat:
    """Build the graph of a shop's vectors, or read it where it was built before."""
    path = shop / "pytriton.faiss"
    if not path.is_file():
        vectors = np.load(shop / "vectors.npy")
        index = faiss.IndexHNSWFlat(vectors.shape[1], M, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = EF_CONSTRUCTION
        index.add(vectors)
        beside = path.with_suffix(".partial")
        faiss.write_index(index, str(beside))
        beside.replace(path)
    index = faiss.read_index(str(path))
    index.hnsw.efSearch = EF_SEARCH
    return index


class Stages:
    """All stages of a search; several can share the index and the products."""

    def __init__(self, shop: Path, encoder: Path, page_size: int, shared: Stages | None = None) -> None:
        """Load what is needed.

        Args:
            shop: folder with the products, their vectors and columns.
            encoder: folder with ``model.int8.onnx`` and ``tokenizer.json``.
            page_size: products of a page.
            shared: stages whose index and products are used.
        """
        faiss.omp_set_num_threads(1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(encoder / "model.int8.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self._page_size = page_size
        self.index: Any = shared.index if shared else build_index(shop)
        self.columns: Floats = shared.columns if shared else np.load(shop / "columns.npy")
        self.documents: list[bytes] = shared.documents if shared else list(read_documents(shop))
        rng = np.random.default_rng(SEED)
        sizes = (self.columns.shape[1] + 2, *HIDDEN, 1)
        self._layers = [
            (rng.normal(0, before**-0.5, (before, behind)).astype(np.float32), np.zeros(behind, np.float32))
            for before, behind in zip(sizes[:-1], sizes[1:], strict=True)
        ]

    def encode(self, queries: Sequence[str]) -> Floats:
        """Return the vectors of queries, float32 [batch, dimension]."""
        encoded = self._tokenizer.encode_batch(list(queries))
        ids = np.array([one.ids for one in encoded], np.int64)
        mask = np.array([one.attention_mask for one in encoded], np.int64)
        vectors: Floats = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return vectors

    def rank(self, scores: Floats, rows: npt.NDArray[np.int64]) -> Floats:
        """Return a new score of each candidate by a network of three layers, float32 [batch, candidates].

        Args:
            scores: float32 [batch, candidates], cosines, descending.
            rows: int64 [batch, candidates].
        """
        place = np.broadcast_to(1 / (60 + np.arange(rows.shape[1], dtype=np.float32)), rows.shape)
        values: Floats = np.concatenate([scores[..., None], place[..., None], self.columns[rows]], axis=2)
        for number, (weights, bias) in enumerate(self._layers):
            values = values @ weights + bias
            if number < len(self._layers) - 1:
                values = np.maximum(values, 0)
        ranked: Floats = values[..., 0] + np.float32(10) * scores  # weights of no meaning must not undo the order
        return ranked

    def answer(self, queries: Sequence[str]) -> list[bytes]:
        """Return the pages of a batch of queries as JSON."""
        scores, rows = self.index.search(self.encode(queries), CANDIDATES)
        ranked = self.rank(scores, rows)
        order = np.argsort(-ranked, axis=1, kind="stable")[:, : self._page_size]
        pages = np.take_along_axis(rows, order, 1).tolist()
        return [b'{"results":[' + b",".join([self.documents[row] for row in page]) + b"]}" for page in pages]


def read_documents(shop: Path) -> list[bytes]:
    """Return what is shown of each product, as JSON, in the order of the vectors."""
    shown = ("id", "title", "brand", "price", "image")
    with (shop / "products.jsonl").open() as lines:
        return [orjson.dumps({name: product[name] for name in shown}) for product in map(json.loads, lines)]
