"""Comparing queries with every text of a catalogue: roughly in eight bits, then in full with the best of them.

A graph of neighbours saves comparisons, but each one waits for memory. Up to some hundred thousand texts the product of
a batch of queries with all of them, in integers, costs less than the walk does, and what it finds is exact.
"""

from __future__ import annotations

import faiss
import numpy as np

from mercato.arrays import Bool, Float32, Int64
from mercato.networks.onnx_graph import Node, write_graph
from mercato.networks.onnx_session import open_session, run_session

MOST_TEXTS = 100_000
"""Of more the walk costs less, and the integers would take too much memory in each process that searches."""
BLOCK = 16
"""Texts of which the best is told besides: as many blocks as are wanted say what a text must reach at least."""
MARGIN = 56
"""Texts beyond those wanted that are compared in full; eight bits err by some thousandths."""
_QUERY_MOST, _QUERY_ZERO = 127, 128
_TEXT_MOST = 63
"""Seven bits: two products of eight bits overflow the sums of processors without VNNI."""
_LEAST = np.float32(1e-30)
_NEVER = np.float32(-np.inf)


class TextProduct:
    """The texts of a catalogue, to be compared with queries all at once."""

    def __init__(self, vectors: Float32) -> None:
        """Take vectors.

        Args:
            vectors: float32 [texts, dimension], contiguous, one at least; they are kept.
        """
        self._vectors = vectors
        count, dimension = vectors.shape
        self._blocks = -(-count // BLOCK)
        scale = np.maximum(np.abs(vectors).max(axis=1), _LEAST) / np.float32(_TEXT_MOST)
        texts = np.rint(vectors / scale[:, None]).astype(np.int8)
        padding = self._blocks * BLOCK - count  # by the last text, so that what a block tells is true
        network = write_graph(
            [
                Node(operator="MatMulInteger", inputs=("query", "texts", "zero"), outputs=("sums",)),
                Node(operator="Cast", inputs=("sums",), outputs=("products",), attributes={"to": 1}),
                Node(operator="Mul", inputs=("products", "scale"), outputs=("scores",)),
                Node(operator="Reshape", inputs=("scores", "shape"), outputs=("blocks",)),
                Node(
                    operator="ReduceMax", inputs=("blocks",), outputs=("best",), attributes={"axes": [2], "keepdims": 0}
                ),
            ],
            {
                "texts": np.pad(texts, ((0, padding), (0, 0)), mode="edge").T,
                "scale": np.pad(scale, (0, padding), mode="edge"),
                "zero": np.array(_QUERY_ZERO, np.uint8),
                "shape": np.array([0, self._blocks, BLOCK], np.int64),
            },
            {"query": ("uint8", ("batch", dimension))},
            {"scores": ("float32", ("batch", len(texts) + padding)), "best": ("float32", ("batch", self._blocks))},
        )
        self._session = open_session(network, model="text product", threads=1)

    def search(self, queries: Float32, k: int, allowed: Bool | None = None) -> tuple[Float32, Int64]:
        """Find the texts nearest to each query by inner product.

        Args:
            queries: float32 [batch, dimension].
            k: how many, at most the number of (allowed) texts.
            allowed: bool [texts], what may be found; None for all.

        Returns:
            Scores float32 [batch, k], descending, and text numbers int64 [batch, k].
        """
        count = len(self._vectors)
        queries = np.ascontiguousarray(queries, np.float32)
        most = np.maximum(np.abs(queries).max(axis=1, keepdims=True), _LEAST)
        integers = np.rint(queries * (_QUERY_MOST / most) + _QUERY_ZERO).astype(np.uint8)
        rough, best = run_session(self._session, ["scores", "best"], {"query": integers}, model="text product")
        rough = rough[:, :count]
        wanted = min(k + MARGIN, count)
        if allowed is not None:
            rough = np.where(allowed, rough, _NEVER)
            wanted = min(wanted, int(np.count_nonzero(allowed)))
        near = np.empty((len(queries), wanted), np.int64)
        bounds = None
        if allowed is None and wanted <= self._blocks:
            # So many blocks have a text as good as this: what is worse is not among the wanted.
            bounds = np.partition(best, self._blocks - wanted, axis=1)[:, self._blocks - wanted]
        for number, scores in enumerate(rough):
            reach = np.arange(count) if bounds is None else np.flatnonzero(scores >= bounds[number])
            if len(reach) > wanted:
                reach = reach[np.argpartition(scores[reach], len(reach) - wanted)[len(reach) - wanted :]]
            near[number] = reach
        near.sort(axis=1)  # of equal scores the first text stands first
        scores = compare_vectors(self._vectors, queries, near)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, order, 1), np.take_along_axis(near, order, 1)


def compare_vectors(vectors: Float32, queries: Float32, texts: Int64) -> Float32:
    """Compare queries with some vectors in full, without gathering these.

    Args:
        vectors: float32 [texts, dimension], contiguous.
        queries: float32 [batch, dimension].
        texts: int64 [batch, n], which vectors each is compared with.

    Returns:
        Inner products, float32 [batch, n].
    """
    queries, texts = np.ascontiguousarray(queries, np.float32), np.ascontiguousarray(texts, np.int64)
    scores = np.empty(texts.shape, np.float32)
    faiss.omp_set_num_threads(1)  # of this thread: a team of them waits milliseconds for what takes microseconds
    faiss.fvec_inner_products_by_idx(
        *map(faiss.swig_ptr, (scores, queries, vectors, texts)), vectors.shape[1], len(queries), texts.shape[1]
    )
    return scores
