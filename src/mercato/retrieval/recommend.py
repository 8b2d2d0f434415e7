"""Candidates of a recommendation: from history, seeds, what goes together, and popularity, fused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mercato.index.live import LiveCatalog
from mercato.requests.retrieval import Source
from mercato.retrieval import sources
from mercato.retrieval.arrivals import find_newcomers, rank_arrivals, seat_newcomers
from mercato.retrieval.case import Case, Found
from mercato.retrieval.category import rank_category_favourites
from mercato.retrieval.fusion import RankedList, fuse_reciprocal_ranks
from mercato.retrieval.listed import keep_listed
from mercato.retrieval.regional import rank_region_favourites
from mercato.retrieval.source_weights import WEIGHTS, Weights, choose_sources

Int32 = npt.NDArray[np.int32]


def find_recommendations(
    catalog: LiveCatalog,
    case: Case,
    dense: RankedList | None,
    weights: Weights = WEIGHTS,
    following: RankedList | None = None,
) -> Found:
    """Fuse the sources of the request's placement; what follows are the other allowed products by popularity.

    Where a list is to be ordered, only its products are kept.

    Args:
        catalog: the products.
        case: a recommendation.
        dense: products whose vectors are near the seeds or the history; None if there are neither.
        weights: of the sources, by placement; a source without one is not asked.
        following: what the sequence model foretells, from `mercato.retrieval.following.foretell`; None for nothing.
    """
    request = case.request
    wanted_sources = choose_sources(weights, request.placement, request.kind)
    excluded = case.seeds if request.excludes_seeds else np.zeros(0, np.int32)
    lists: dict[Source, RankedList] = {}
    if dense is not None and Source.SIMILAR in wanted_sources:
        lists[Source.SIMILAR] = replace(dense, weight=wanted_sources[Source.SIMILAR])
    learned = _learned_lists(catalog, case, wanted_sources)
    lists |= zip(learned, keep_allowed(catalog, case, list(learned.values())), strict=True)
    if Source.CATEGORY in wanted_sources and len(case.history):
        lists[Source.CATEGORY] = rank_category_favourites(catalog, case, wanted_sources[Source.CATEGORY])
    if Source.REGIONAL in wanted_sources and request.context.region:
        lists[Source.REGIONAL] = rank_region_favourites(catalog, case, wanted_sources[Source.REGIONAL])
    newcomers = np.zeros(0, np.int32)
    if Source.ARRIVAL in wanted_sources:
        newcomers = find_newcomers(catalog, case)
        lists[Source.ARRIVAL] = rank_arrivals(catalog, case, newcomers, wanted_sources[Source.ARRIVAL])
    if following is not None:
        [lists[Source.SEQUENCE]] = keep_allowed(catalog, case, [following])
    if len(excluded):
        lists = {source: _without(item, excluded) for source, item in lists.items()}
    if Source.POPULAR in wanted_sources or not any(len(item.rows) for item in lists.values()):
        passed_over = np.concatenate([excluded, newcomers])  # of a newcomer nobody knows whether it is popular
        popular = popular_rows(catalog, case, sources.CANDIDATES + len(passed_over))
        if len(passed_over):
            popular = popular[~np.isin(popular, passed_over)]
        popular = popular[: sources.CANDIDATES]
        lists[Source.POPULAR] = sources.rank_places(popular, wanted_sources.get(Source.POPULAR, 1.0))
    fused = fuse_reciprocal_ranks(list(lists.values()))
    if case.listed is None:
        fused = seat_newcomers(fused, newcomers, request.window)
    tail = np.zeros(0, np.int32)
    wanted = 0 if case.listed is not None else request.depth - len(fused.rows)
    if wanted > 0:
        shown = np.concatenate([fused.rows, excluded])
        extra = popular_rows(catalog, case, len(shown) + wanted)
        tail = extra[~np.isin(extra, shown)]
    total = case.allowed.count()
    if len(excluded):
        total -= int(np.count_nonzero(case.allowed.holds(np.unique(excluded))))
    found = Found(
        fused=fused,
        sources=list(lists),
        tail=tail,
        total=total,
        weights=tuple(item.weight for item in lists.values()),
    )
    return found if case.listed is None else keep_listed(catalog, case, found, case.listed)


def _learned_lists(catalog: LiveCatalog, case: Case, weights: Mapping[Source, float]) -> dict[Source, RankedList]:
    """Ask the sources that go by what was learned from events, in snapshot rows."""
    lists: dict[Source, RankedList] = {}
    behaviour = catalog.snapshot.behaviour
    near = case.near
    if Source.COOCCURRENCE in weights and len(near.starts[0]):
        lists[Source.COOCCURRENCE] = sources.rank_nearest(near.together, weights[Source.COOCCURRENCE])
    if Source.ALSO_BOUGHT in weights:
        lists[Source.ALSO_BOUGHT] = sources.rank_nearest(near.also_bought, weights[Source.ALSO_BOUGHT])
    if Source.LATELY in weights:
        lists[Source.LATELY] = sources.rank_nearest(near.lately, weights[Source.LATELY])
    if Source.REPEAT in weights and len(case.history):
        lists[Source.REPEAT] = sources.rank_repeats(case.history, case.request.context.time, weights[Source.REPEAT])
    if Source.TRENDING in weights:
        rows, scores = behaviour.momentum.rank_trending(sources.CANDIDATES)
        lists[Source.TRENDING] = RankedList(rows=rows, scores=scores, weight=weights[Source.TRENDING])
    return {source: item for source, item in lists.items() if len(item.rows) or source is Source.COOCCURRENCE}


def popular_rows(catalog: LiveCatalog, case: Case, count: int) -> Int32:
    """Return allowed rows in order of popularity, then products newer than the snapshot: int32 [m], m <= count."""
    rows = sources.first_allowed(case.allowed.rows, count)
    entries = np.flatnonzero(case.allowed.entries)[: count - len(rows)]
    return np.concatenate([rows, (entries + catalog.base).astype(np.int32)])


def keep_allowed(catalog: LiveCatalog, case: Case, lists: Sequence[RankedList]) -> list[RankedList]:
    """Move snapshot rows of some lists to where their products are now, and keep the allowed ones."""
    rows = np.concatenate([np.zeros(0, np.int32), *(item.rows for item in lists)]).astype(np.int32)
    if len(catalog.delta):
        snapshot_row = rows < catalog.base
        rows = np.where(snapshot_row, catalog.current_row[np.where(snapshot_row, rows, 0)], rows)
    keep = case.allowed.holds(rows)
    if keep.all() and not len(catalog.delta):
        return list(lists)
    kept, start = [], 0
    for item in lists:
        part = slice(start, start + len(item.rows))
        start = part.stop
        mask = keep[part]
        kept.append(RankedList(rows=rows[part][mask], scores=item.scores[mask], weight=item.weight))
    return kept


def _without(item: RankedList, excluded: Int32) -> RankedList:
    keep = ~np.isin(item.rows, excluded)
    return RankedList(rows=item.rows[keep], scores=item.scores[keep], weight=item.weight)
