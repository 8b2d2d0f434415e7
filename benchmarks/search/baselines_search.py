"""What well-known libraries make of a search without Mercato: BM25, a dense index, and the fusion of the two."""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
import numpy as np
import numpy.typing as npt
import Stemmer

from mercato.arrays import Float32

RRF_K = 60  # Cormack, Clarke and Buettcher 2009
BM25_K1, BM25_B = 1.2, 0.75  # Lucene's; bm25s' own k1 of 1.5 is worse on icecat


def score_bm25(texts: Sequence[str], queries: Sequence[str], *, language: str = "english") -> Float32:
    """Score every text for every query with BM25 (``bm25s``), words stemmed, stopwords left out.

    Returns:
        float32 [queries, texts]; 0 where no word occurs.
    """
    stemmer = Stemmer.Stemmer(language)
    index = bm25s.BM25(k1=BM25_K1, b=BM25_B)
    index.index(bm25s.tokenize(list(texts), stopwords="en", stemmer=stemmer, show_progress=False), show_progress=False)
    asked = bm25s.tokenize(list(queries), stopwords="en", stemmer=stemmer, show_progress=False, return_ids=False)
    return np.stack([np.asarray(index.get_scores(words), np.float32) for words in asked])


def order_scores(scores: Float32) -> npt.NDArray[np.int64]:
    """Order the texts of each query, best first; equal scores keep the order of the texts.

    Args:
        scores: float32 [queries, texts].

    Returns:
        int64 [queries, texts].
    """
    order: npt.NDArray[np.int64] = np.argsort(-scores, axis=1, kind="stable")
    return order


def fuse_orders(orders: Sequence[npt.NDArray[np.int64]]) -> Float32:
    """Fuse whole rankings by reciprocal ranks: sum of 1 / (60 + rank).

    Args:
        orders: int64 [queries, texts] each.

    Returns:
        float32 [queries, texts].
    """
    fused = np.zeros(orders[0].shape, np.float32)
    gains = (1.0 / (RRF_K + np.arange(1, fused.shape[1] + 1))).astype(np.float32)
    for order in orders:
        positions = np.empty_like(order)
        np.put_along_axis(positions, order, np.arange(order.shape[1])[None, :], axis=1)
        fused += gains[positions]
    return fused
