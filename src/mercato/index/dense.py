"""The dense index: nearest vectors by inner product, over the distinct texts of a catalogue.

Products that share a text share a vector; each distinct vector is indexed once, since copies make an HNSW graph
worse (its neighbour lists fill with them) and larger. The index is Faiss's HNSW with the plain vectors as storage,
so the same mapped file answers approximate and exact searches and hands out vectors. Where texts are few enough the
graph is not walked: all of them are compared (`mercato.index.text_product`).

Of more the graph keeps vectors of eight bits a number, a quarter of the memory and of what a step of the walk reads;
the whole vectors lie beside in half precision, and what the walk finds is compared with them once more.

Vectors are unit length, so the order by inner product is the order by distance; Faiss walks its graph a quarter faster
by squared distance, which is turned back into inner products here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from mercato.arrays import Bool, Float16, Float32, Int64
from mercato.errors import SnapshotError
from mercato.index.nearest import FilteredQuery
from mercato.index.text_product import MOST_TEXTS, TextProduct, compare_vectors
from mercato.progress import Progress, no_progress

HNSW_M = 32  # links per node; Malkov & Yashunin 2018 recommend 5-48, higher for high dimensions
EF_CONSTRUCTION = 200
WIDE_SHARE = 0.4  # from this share of allowed texts on the graph is walked as without a filter
WIDE_LEAST = 8_192  # fewer allowed texts are compared one by one in less time than the walk takes
WIDE_MARGIN = 1.5  # of the texts that must be found for k allowed ones, if the filter had nothing to do with the query
EF_SEARCH = 400  # measured: benchmarks/results/retrieval.json
EF_PER_CANDIDATE = 2
"""Breadth of the graph walk for each candidate that is wanted, of searches and histories; measured there too."""
MAX_EF_SEARCH = 4096
EXACT_LIMIT = 30_000
"""A filter that leaves at most this many texts is answered by scanning them: exact, and quicker than a graph walk
that mostly meets texts it must not return."""


VECTORS_SUFFIX = ".npy"
"""Of the file beside a compact index, which has the vectors in half precision."""
COMPACT_EF_CONSTRUCTION = 128
"""Half the time of a wider search while the graph grows; measured: docs/decisions/0053-millions.md."""
COMPACT_BREADTH = 2.5
"""How much wider a compact index is walked than one of whole vectors: it has millions of texts; measured there too."""
COMPACT_MARGIN = 56
"""Texts beyond those wanted that a walk over eight bits hands on to be compared in full; they err by thousandths."""
_TRAINED = 50_000  # texts that tell the range of each number
_COMPARED_AT_ONCE = 16_384


class DenseIndex:
    """A mapped dense index."""

    def __init__(self, path: Path, *, most_compared: int = 0) -> None:
        """Map an index file.

        Args:
            path: the file.
            most_compared: of at most so many texts queries are compared with all; of more, the graph is walked.

        Raises:
            SnapshotError: the file cannot be read.
        """
        faiss.omp_set_num_threads(1)
        try:
            self._index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as exc:
            raise SnapshotError(f"{path.name}: truncated or altered; build the snapshot again") from exc
        if self._index.metric_type != faiss.METRIC_L2:
            raise SnapshotError(f"{path.name}: made for another metric; build the snapshot again")
        self._storage: Any = faiss.downcast_index(self._index.storage)
        self.count: int = self._index.ntotal
        self.dimension: int = self._index.d
        self.is_compact = isinstance(self._storage, faiss.IndexScalarQuantizer)
        self.vectors: npt.NDArray[Any] = self._map_halves(path) if self.is_compact else self._view_storage()
        """float32 or, of a compact index, float16 [texts, dimension], unit length; a view of the mapped file, which it
        keeps mapped."""
        self._compares = 0 < self.count <= most_compared and not self.is_compact

    def _view_storage(self) -> Float32:
        flat = faiss.rev_swig_ptr(self._storage.get_xb(), self.count * self.dimension)
        view: Float32 = np.asarray(_Mapped(self._index, flat)).reshape(self.count, self.dimension)
        view.flags.writeable = False
        return view

    def _map_halves(self, path: Path) -> Float16:
        beside = path.with_suffix(VECTORS_SUFFIX)
        try:
            halves: Float16 = np.load(beside, mmap_mode="r").view(np.ndarray)
        except (OSError, ValueError, EOFError) as exc:
            raise SnapshotError(f"{beside.name}: cannot be read ({exc}); build the snapshot again") from exc
        if halves.shape != (self.count, self.dimension) or halves.dtype != np.float16:
            raise SnapshotError(f"{beside.name}: belongs to another index; build the snapshot again")
        return halves

    def take(self, texts: npt.NDArray[np.integer[Any]]) -> Float32:
        """Return the vectors of texts, int [n]: float32 [n, dimension]."""
        taken: Float32 = self.vectors[texts].astype(np.float32, copy=False)
        return taken

    @cached_property
    def _product(self) -> TextProduct:
        """The texts as they are compared: of a process that searches, and not of one that only reads vectors."""
        return TextProduct(self.vectors)

    def search(self, queries: Float32, k: int, *, ef_search: int = EF_SEARCH) -> tuple[Float32, Int64]:
        """Find the texts nearest to each query.

        Args:
            queries: float32 [batch, dimension].
            k: how many; fewer come back where the index holds fewer (index -1).
            ef_search: breadth of the graph walk, at least k; where all texts are compared it is not read.

        Returns:
            Scores float32 [batch, k], higher is nearer, and text numbers int64 [batch, k].
        """
        k = min(k, self.count)
        if self._compares:
            return self._product.search(queries, k)
        queries = np.ascontiguousarray(queries, np.float32)
        if self.is_compact:
            wanted = min(k + COMPACT_MARGIN, self.count)
            breadth = max(int(COMPACT_BREADTH * ef_search), wanted)
            parameters = faiss.SearchParametersHNSW(efSearch=min(breadth, MAX_EF_SEARCH))
            return self._compare_again(queries, self._index.search(queries, wanted, params=parameters)[1], k)
        parameters = faiss.SearchParametersHNSW(efSearch=min(max(ef_search, k), MAX_EF_SEARCH))
        distances, texts = self._index.search(queries, k, params=parameters)
        return _to_inner_products(distances, queries), texts

    def search_allowed(self, query: Float32, k: int, allowed: Bool, *, exact: bool = False) -> tuple[Float32, Int64]:
        """Find the allowed texts nearest to one query.

        Args:
            query: float32 [dimension].
            k: how many.
            allowed: bool [texts].
            exact: compare with every allowed text, however many there are.

        Returns:
            Scores float32 [m] descending and text numbers int64 [m]; m = min(k, allowed texts) where the search is
            exact, else m <= k.
        """
        allowed_count = int(np.count_nonzero(allowed))
        k = min(k, allowed_count)
        if k == 0:
            return np.zeros(0, np.float32), np.zeros(0, np.int64)
        if self._compares:
            scores, found = self._product.search(query[None], k, allowed)
            return scores[0], found[0]
        if not exact and allowed_count >= max(WIDE_LEAST, WIDE_SHARE * self.count):
            wide = self._search_wide(query, k, allowed, allowed_count)
            if wide is not None:
                return wide
        bits = np.packbits(allowed, bitorder="little")
        selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        wanted = min(k + COMPACT_MARGIN, allowed_count) if self.is_compact else k
        if exact or allowed_count <= EXACT_LIMIT:
            distances, texts = self._storage.search(query[None], wanted, params=faiss.SearchParameters(sel=selector))
        else:
            breadth = min(int(max(EF_SEARCH, wanted) * self.count / allowed_count), MAX_EF_SEARCH)
            parameters = faiss.SearchParametersHNSW(efSearch=breadth, sel=selector)
            distances, texts = self._index.search(query[None], wanted, params=parameters)
        if self.is_compact:
            scores, texts = self._compare_again(query[None], texts, k)
            return scores[0][texts[0] >= 0], texts[0][texts[0] >= 0]
        found = texts[0] >= 0
        return _to_inner_products(distances, query[None])[0][found], texts[0][found]

    def search_filtered(self, asked: Sequence[FilteredQuery], k: int) -> list[tuple[Float32, Int64]]:
        """Find the allowed texts nearest to each of some queries: `search_allowed` of each."""
        return [self.search_allowed(one.query, k, one.allowed) for one in asked]

    def _search_wide(self, query: Float32, k: int, allowed: Bool, allowed_count: int) -> tuple[Float32, Int64] | None:
        """Search as if nothing were filtered, and leave out what is; None where too little is left.

        A walk that asks a selector at every step costs twice and a half of one that does not, and a filter that most
        texts pass leaves k of a few more than k.
        """
        scores, texts = self.search(query[None], int(WIDE_MARGIN * k * self.count / allowed_count))
        found = texts[0] >= 0
        found &= allowed[texts[0]]
        if np.count_nonzero(found) < k:
            return None
        return scores[0][found][:k], texts[0][found][:k]

    def compare(self, query: Float32, texts: Int64) -> Float32:
        """Return the inner products of a query (float32 [dimension]) with texts (int64 [n]): float32 [n]."""
        if self.is_compact:
            halves: Float32 = self._compare_halves(query[None], texts[None])[0]
            return halves
        compared: Float32 = compare_vectors(self.vectors, query[None], texts[None])[0]
        return compared

    def _compare_halves(self, queries: Float32, texts: Int64) -> Float32:
        """Compare queries, [batch, dimension], with some vectors each, [batch, n]: float32 [batch, n]."""
        scores = np.empty(texts.shape, np.float32)
        for query, own, row in zip(queries, texts, scores, strict=True):
            for start in range(0, len(own), _COMPARED_AT_ONCE):
                step = slice(start, start + _COMPARED_AT_ONCE)
                vectors = self.take(own[step])
                # Not "@": for a few hundred rows a library that wakes its threads takes longer.
                np.einsum("ij,j->i", vectors, query, out=row[step])
        return scores

    def _compare_again(self, queries: Float32, texts: Int64, k: int) -> tuple[Float32, Int64]:
        """Order what a walk over eight bits found, -1 for nothing, by the whole vectors: the k best of each."""
        texts = np.where(texts < 0, np.iinfo(np.int64).max, texts)
        texts.sort(axis=1)  # of equal scores the first text stands first, and neighbours on disk are read together
        missing = texts == np.iinfo(np.int64).max
        scores = self._compare_halves(queries, np.where(missing, 0, texts))
        scores[missing] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(texts, order, 1)
        found[np.take_along_axis(missing, order, 1)] = -1
        return np.take_along_axis(scores, order, 1), found

    def search_exact(self, queries: Float32, k: int) -> tuple[Float32, Int64]:
        """Find the nearest texts by comparing with every one: the reference for recall."""
        if self.is_compact:
            return self._search_halves(np.ascontiguousarray(queries, np.float32), min(k, self.count))
        distances, texts = self._storage.search(queries, min(k, self.count))
        return _to_inner_products(distances, queries), texts

    def _search_halves(self, queries: Float32, k: int) -> tuple[Float32, Int64]:
        scores, texts = np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
        for start in range(0, self.count, _COMPARED_AT_ONCE):
            step = np.arange(start, min(start + _COMPARED_AT_ONCE, self.count))
            scores = np.concatenate([scores, queries @ self.take(step).T], axis=1)
            texts = np.concatenate([texts, np.broadcast_to(step, (len(queries), len(step)))], axis=1)
            best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            scores, texts = np.take_along_axis(scores, best, 1), np.take_along_axis(texts, best, 1)
        return scores, texts


def _to_inner_products(distances: Float32, queries: Float32) -> Float32:
    """Turn squared distances to unit vectors into inner products: (|q|^2 + 1 - d) / 2, float32 [batch, k]."""
    squares = np.einsum("ij,ij->i", queries, queries)[:, None]
    products: Float32 = (squares + np.float32(1.0) - distances) * np.float32(0.5)
    return products


class _Mapped:
    """An array together with what its memory belongs to; Faiss's own views outlive their memory."""

    def __init__(self, owner: Any, view: Float32) -> None:
        self.owner = owner
        self.__array_interface__ = view.__array_interface__


def build_dense_index(
    vectors: Float32, path: Path, *, threads: int = 2, most_whole: int = MOST_TEXTS, progress: Progress = no_progress
) -> None:
    """Build an index and write it.

    Args:
        vectors: float32 [texts, dimension], unit length, distinct.
        path: the file to write; of a compact index another one with the vectors is written beside it.
        threads: threads to build with.
        most_whole: an index of more texts is compact.
        progress: told of the texts of a compact index.
    """
    faiss.omp_set_num_threads(threads)
    if len(vectors) > most_whole:
        _build_compact(vectors, path, progress)
        return
    index = faiss.IndexHNSWFlat(vectors.shape[1], HNSW_M, faiss.METRIC_L2)
    index.hnsw.efConstruction = EF_CONSTRUCTION
    index.add(np.ascontiguousarray(vectors, np.float32))
    faiss.write_index(index, str(path))


def _build_compact(vectors: Float32, path: Path, progress: Progress) -> None:
    """Write a graph over vectors of eight bits a number, and the vectors in half precision."""
    halves = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
        path.with_suffix(VECTORS_SUFFIX), mode="w+", dtype=np.float16, shape=vectors.shape
    )
    index = faiss.IndexHNSWSQ(vectors.shape[1], faiss.ScalarQuantizer.QT_8bit, HNSW_M, faiss.METRIC_L2)
    index.hnsw.efConstruction = COMPACT_EF_CONSTRUCTION
    index.train(np.ascontiguousarray(vectors[:: max(1, len(vectors) // _TRAINED)], np.float32))
    for start in range(0, len(vectors), _COMPARED_AT_ONCE):
        step = slice(start, start + _COMPARED_AT_ONCE)
        halves[step] = vectors[step]
        index.add(np.ascontiguousarray(vectors[step], np.float32))
        progress("building the dense index", min(step.stop, len(vectors)), len(vectors))
    halves.flush()
    faiss.write_index(index, str(path))


def expand_groups(groups: Sequence[int] | Int64, bounds: npt.NDArray[np.integer[Any]]) -> tuple[Int64, Int64]:
    """List the members of groups in a compressed layout, group after group.

    Args:
        groups: group numbers [g].
        bounds: group j's members are positions bounds[j] to bounds[j + 1]; int [groups + 1].

    Returns:
        Positions int64 [m] and, for each, the index into ``groups`` it came from, int64 [m].
    """
    chosen = np.asarray(groups, np.int64)
    starts = bounds[chosen].astype(np.int64)
    lengths = bounds[chosen + 1].astype(np.int64) - starts
    origin = np.repeat(np.arange(len(chosen), dtype=np.int64), lengths)
    first = np.cumsum(lengths) - lengths
    positions = np.arange(int(lengths.sum()), dtype=np.int64) - first[origin] + starts[origin]
    return positions, origin
