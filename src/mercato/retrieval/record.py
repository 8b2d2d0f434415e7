"""Writing down, beside the candidates, what each source and the fusion gave them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.index.live import LiveCatalog
from mercato.models.sequence.next_products import NextProducts
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.retrieval import Retrieved
from mercato.requests.trace import Evidence, StageTrace
from mercato.retrieval.candidates import CandidateSet
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import RRF_K
from mercato.retrieval.sources.base import SourceRequest
from mercato.retrieval.sources.registry import BY_LABEL
from mercato.retrieval.sources.words import WORDS, rank_words

TAIL_KEPT = 500
"""Products after the window that a trace holds: the last ones that the request reaches, a whole page of the largest."""


def record_stages(
    catalog: LiveCatalog,
    queries: QueryAnalyzer,
    context: RetrievalContext,
    found: CandidateSet,
    retrieved: Retrieved,
    next_products: NextProducts | None = None,
) -> StageTrace:
    """Write down what retrieval gave to the products that can be shown.

    Args:
        catalog: the products.
        queries: reads the query of a search.
        context: the request.
        found: its candidates as the sources and their fusion left them, before they were sorted or boosted.
        retrieved: what leaves retrieval.
        next_products: the sequence model, where one is served.
    """
    fused = found.fused if found.beyond is None else found.fused.followed_by(found.beyond)
    rows = np.concatenate([retrieved.rows, retrieved.tail[-TAIL_KEPT:]]).astype(np.int32)
    position_of = {row: position for position, row in enumerate(fused.rows.tolist())}
    positions = np.array([position_of.get(row, -1) for row in rows.tolist()], np.int64)
    held = positions >= 0
    at = positions[held]
    fused_scores = np.zeros(len(rows), np.float32)
    scores = np.zeros((len(found.sources), len(rows)), np.float32)
    ranks = np.zeros((len(found.sources), len(rows)), np.int32)
    fused_scores[held], scores[:, held], ranks[:, held] = fused.fused[at], fused.scores[:, at], fused.ranks[:, at]
    if context.request.is_search and not held.all():
        words = found.sources.index(WORDS.label)
        scores[words, ~held], ranks[words, ~held] = rank_words(catalog, queries, context, rows[~held])
    shares = _share(found, ranks, scores)
    if found.coverage is not None and WORDS.label in found.sources:
        below = len(fused.rows) - len(found.coverage)
        shares[found.sources.index(WORDS.label), held] *= np.append(found.coverage, np.ones(below, np.float32))[at]
    asked = SourceRequest(catalog=catalog, context=context, weights={}, next_products=next_products)
    return StageTrace(
        rows=rows,
        fused=fused_scores,
        fused_rank=(positions + 1).astype(np.int32),
        sources=tuple(found.sources),
        scores=scores,
        ranks=ranks,
        shares=shares,
        evidence=_find_evidence(asked, found.sources, rows, shares),
    )


def _find_evidence(asked: SourceRequest, sources: Sequence[str], rows: Int32, shares: Float32) -> dict[str, Evidence]:
    """Find what speaks for each product in the source that gave it most; the others' evidence is nobody's reason."""
    evidence: dict[str, Evidence] = {}
    if not len(rows):
        return evidence
    largest = np.where(shares.max(axis=0) > 0, shares.argmax(axis=0), -1)
    for index, label in enumerate(sources):
        chosen = np.flatnonzero(largest == index)
        found = BY_LABEL[label].find_evidence(asked, rows[chosen]) if len(chosen) else None
        if found is not None:
            evidence[label] = found.spread(chosen, len(rows))
    return evidence


def _share(found: CandidateSet, ranks: Int32, scores: Float32) -> Float32:
    """Return each source's summand of the fused score, float32 [sources, n]; see `fuse_reciprocal_ranks`."""
    column = np.array(found.weights, np.float64).reshape(len(found.sources), 1)
    graded = np.array([BY_LABEL[label].graded for label in found.sources], np.bool_).reshape(-1, 1)
    parts = column / (RRF_K + ranks) * np.where(graded, scores, 1.0)
    if found.slopes:
        parts += np.array(found.slopes, np.float64).reshape(-1, 1) * scores
    return np.where(ranks > 0, parts, 0.0).astype(np.float32)
