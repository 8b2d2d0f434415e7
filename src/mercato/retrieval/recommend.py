"""Candidates of a recommendation: from history, seeds, what goes together, and popularity, fused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mercato.catalog.live import LiveCatalog
from mercato.ranker.history import TYPE_WEIGHTS
from mercato.retrieval import sources
from mercato.retrieval.case import Case, Found
from mercato.retrieval.fusion import RankedList, fuse_reciprocal_ranks
from mercato.retrieval.request import Placement, Source

Int32 = npt.NDArray[np.int32]

EXCLUDES_SEEDS = (Placement.PRODUCT_PAGE, Placement.CART)


def find_recommendations(catalog: LiveCatalog, case: Case, dense: RankedList | None) -> Found:
    """Fuse the sources of the request's placement; what follows are the other allowed products by popularity.

    Args:
        catalog: the products.
        case: a recommendation.
        dense: products whose vectors are near the seeds or the history; None if there are neither.
    """
    request = case.request
    weights = sources.WEIGHTS[request.placement]
    lists: dict[Source, RankedList] = {}
    if dense is not None:
        lists[Source.SIMILAR] = RankedList(rows=dense.rows, scores=dense.scores, weight=weights[Source.SIMILAR])
    starts, start_weights = starting_products(case)
    if len(starts):
        together = sources.rank_cooccurring(
            catalog.snapshot.cooccurrence, catalog.original_rows(starts), start_weights, weights[Source.COOCCURRENCE]
        )
        lists[Source.COOCCURRENCE] = keep_allowed(catalog, case, together)
    if Source.REPEAT in weights and len(case.history):
        repeats = sources.rank_repeats(case.history, request.context.time, weights[Source.REPEAT])
        lists[Source.REPEAT] = keep_allowed(catalog, case, repeats)
    excluded = case.seeds if request.placement in EXCLUDES_SEEDS else np.zeros(0, np.int32)
    if len(excluded):
        lists = {source: _without(item, excluded) for source, item in lists.items()}
    if Source.POPULAR in weights or not any(len(item.rows) for item in lists.values()):
        popular = popular_rows(catalog, case, sources.CANDIDATES + len(excluded))
        popular = popular[~np.isin(popular, excluded)]
        lists[Source.POPULAR] = sources.rank_places(popular, weights.get(Source.POPULAR, 1.0))
    fused = fuse_reciprocal_ranks(list(lists.values()))
    tail = np.zeros(0, np.int32)
    wanted = request.depth - len(fused.rows)
    if wanted > 0:
        shown = np.concatenate([fused.rows, excluded])
        extra = popular_rows(catalog, case, len(shown) + wanted)
        tail = extra[~np.isin(extra, shown)]
    total = case.allowed.count() - int(np.count_nonzero(case.allowed.holds(np.unique(excluded))))
    return Found(fused=fused, sources=list(lists), tail=tail, total=total)


def starting_products(case: Case) -> tuple[Int32, npt.NDArray[np.float32]]:
    """Return what co-occurrence starts from: the seeds, else the last products of the history.

    Returns:
        Rows int32 [m] and weights float32 [m].
    """
    if len(case.seeds):
        return case.seeds, np.ones(len(case.seeds), np.float32)
    telling = TYPE_WEIGHTS[case.history.type] > 0
    return sources.recent_products(case.history.rows[telling])


def popular_rows(catalog: LiveCatalog, case: Case, count: int) -> Int32:
    """Return allowed rows in order of popularity, then products newer than the snapshot: int32 [m], m <= count."""
    rows = sources.first_allowed(case.allowed.rows, count)
    entries = np.flatnonzero(case.allowed.entries)[: count - len(rows)]
    return np.concatenate([rows, (entries + catalog.base).astype(np.int32)])


def keep_allowed(catalog: LiveCatalog, case: Case, item: RankedList) -> RankedList:
    """Move snapshot rows to where their products are now, and keep the allowed ones."""
    snapshot_row = item.rows < catalog.base
    rows = np.where(snapshot_row, catalog.current_row[np.where(snapshot_row, item.rows, 0)], item.rows)
    keep = case.allowed.holds(rows)
    return RankedList(rows=rows[keep].astype(np.int32), scores=item.scores[keep], weight=item.weight)


def _without(item: RankedList, excluded: Int32) -> RankedList:
    keep = ~np.isin(item.rows, excluded)
    return RankedList(rows=item.rows[keep], scores=item.scores[keep], weight=item.weight)
