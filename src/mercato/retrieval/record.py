"""Writing down, beside the candidates, what each source and the fusion gave them."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from mercato.index.live import LiveCatalog
from mercato.models.sequence.next_products import NextProducts
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.retrieval import Retrieved, Source
from mercato.requests.trace import StageTrace, Witnesses
from mercato.retrieval import search
from mercato.retrieval.case import Case, Found
from mercato.retrieval.fusion import RRF_K
from mercato.retrieval.sequence_witness import find_sequence_witnesses
from mercato.retrieval.witness import FIND

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

TAIL_KEPT = 500
"""Products after the window that a trace holds: the last ones that the request reaches, a whole page of the largest."""


def record_stages(
    catalog: LiveCatalog,
    queries: QueryAnalyzer,
    case: Case,
    found: Found,
    retrieved: Retrieved,
    next_products: NextProducts | None = None,
) -> StageTrace:
    """Write down what retrieval gave to the products that can be shown.

    Args:
        catalog: the products.
        queries: reads the query of a search.
        case: the request.
        found: its candidates as the sources and their fusion left them, before they were sorted or boosted.
        retrieved: what leaves retrieval.
        next_products: the sequence model, where one is served.
    """
    fused = found.fused
    rows = np.concatenate([retrieved.rows, retrieved.tail[-TAIL_KEPT:]]).astype(np.int32)
    place_of = {row: place for place, row in enumerate(fused.rows.tolist())}
    places = np.array([place_of.get(row, -1) for row in rows.tolist()], np.int64)
    held = places >= 0
    at = places[held]
    fused_scores = np.zeros(len(rows), np.float32)
    scores = np.zeros((len(found.sources), len(rows)), np.float32)
    ranks = np.zeros((len(found.sources), len(rows)), np.int32)
    fused_scores[held], scores[:, held], ranks[:, held] = fused.fused[at], fused.scores[:, at], fused.ranks[:, at]
    if case.request.is_search and not held.all():
        place = found.sources.index(Source.WORDS)
        scores[place, ~held], ranks[place, ~held] = _rank_words(catalog, queries, case, rows[~held])
    shares = _share(catalog, found, ranks)
    return StageTrace(
        rows=rows,
        fused=fused_scores,
        fused_rank=(places + 1).astype(np.int32),
        sources=tuple(source.labels[0] for source in found.sources),
        scores=scores,
        ranks=ranks,
        shares=shares,
        witnesses=_find_witnesses(catalog, case, found.sources, rows, shares, next_products),
    )


def _find_witnesses(
    catalog: LiveCatalog,
    case: Case,
    sources: list[Source],
    rows: Int32,
    shares: Float32,
    next_products: NextProducts | None,
) -> dict[str, Witnesses]:
    """Find who speaks for each product in the source that gave it most; the others' witnesses are nobody's reason."""
    witnesses: dict[str, Witnesses] = {}
    if not len(rows):
        return witnesses
    find = dict(FIND)
    if next_products is not None:
        find[Source.SEQUENCE] = partial(find_sequence_witnesses, next_products)
    largest = np.where(shares.max(axis=0) > 0, shares.argmax(axis=0), -1)
    for place, source in enumerate(sources):
        chosen = np.flatnonzero(largest == place)
        if source in find and len(chosen):
            witnesses[source.labels[0]] = find[source](catalog, case, rows[chosen]).spread(chosen, len(rows))
    return witnesses


def _share(catalog: LiveCatalog, found: Found, ranks: Int32) -> Float32:
    """Return each source's summand of the fused score, float32 [sources, n]; see `fuse_reciprocal_ranks`."""
    fusion = catalog.fusion
    search = {Source.WORDS: fusion.words, Source.DENSE: fusion.dense, Source.POPULAR: fusion.popular}
    weights = found.weights or [search.get(source, 1.0) for source in found.sources]
    column = np.array(weights, np.float64).reshape(len(found.sources), 1)
    return np.where(ranks > 0, column / (RRF_K + ranks), 0.0).astype(np.float32)


def _rank_words(catalog: LiveCatalog, queries: QueryAnalyzer, case: Case, rows: Int32) -> tuple[Float32, Int32]:
    """Return the word scores of products that follow the fused ones, and their ranks among all word matches."""
    scores = search.find_words(catalog, queries, case).scores
    ordered = np.lexsort((np.arange(len(scores)), -scores))
    rank = np.empty(len(scores), np.int32)
    rank[ordered] = np.arange(1, len(scores) + 1)
    return scores[rows], np.where(scores[rows] > 0, rank[rows], 0).astype(np.int32)
