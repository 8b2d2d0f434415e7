"""Candidates of recommendations: the sources that each placement wants, asked in turn and fused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mercato.arrays import Bool, Int32
from mercato.index.live import LiveCatalog
from mercato.index.variant_groups import substitute
from mercato.membership import is_among
from mercato.models.sequence.next_products import NextProducts
from mercato.retrieval.candidates import CandidateSet, keep_listed
from mercato.retrieval.cold_start import give_slots
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import RankedList, fuse_reciprocal_ranks
from mercato.retrieval.source_weights import (
    EXPLORING,
    KNOWN,
    NEW,
    WEIGHTS,
    ShopWeights,
    Weighing,
    Weights,
    choose_sources,
)
from mercato.retrieval.sources.arrival import ARRIVAL
from mercato.retrieval.sources.base import SourceRequest
from mercato.retrieval.sources.popular import POPULAR, list_popular
from mercato.retrieval.sources.registry import IN_TURN


def find_recommendations(
    catalog: LiveCatalog,
    contexts: Sequence[RetrievalContext],
    weights: Weights | ShopWeights = WEIGHTS,
    next_products: NextProducts | None = None,
    degraded: list[str] | None = None,
) -> list[CandidateSet]:
    """Fuse the sources of each request's placement; what follows are the other allowed products by popularity.

    Where a list is to be ordered, only its products are kept.

    Args:
        catalog: the products.
        contexts: recommendations; each source is asked once for all.
        weights: of the sources, by placement; a source without one is not asked.
        next_products: the sequence model; None where none is served.
        degraded: gets the name of what could not be used.
    """
    chosen = [weigh_for(context, weights) for context in contexts]
    asked = [
        ask_for(catalog, context, one.weights, next_products, [] if degraded is None else degraded)
        for context, one in zip(contexts, chosen, strict=True)
    ]
    lists = ask_sources(asked)
    return [_fuse(one, own, of.slopes) for one, own, of in zip(asked, lists, chosen, strict=True)]


def weigh_for(context: RetrievalContext, weights: Weights | ShopWeights) -> Weighing:
    """Return what each source weighs for a request; what was learned differs by kind of shopper."""
    request = context.request
    if not isinstance(weights, ShopWeights):
        return Weighing(weights=choose_sources(weights, request.placement, request.kind))
    shopper, products = NEW, 0
    if len(context.seeds) or len(context.history):
        shopper = EXPLORING if request.exclude_purchased_days > 0 else KNOWN
        products = len(context.history.distinct[0])
    return weights.choose(request.placement, request.kind, shopper, products)


def ask_for(
    catalog: LiveCatalog,
    context: RetrievalContext,
    weights: Mapping[str, float],
    next_products: NextProducts | None = None,
    degraded: list[str] | None = None,
) -> SourceRequest:
    """Return a recommendation as its sources are asked for it.

    Args:
        catalog: the products.
        context: the recommendation.
        weights: of the sources that are wanted.
        next_products: the sequence model; None where none is served.
        degraded: gets the name of what could not be used.
    """
    return SourceRequest(
        catalog=catalog,
        context=context,
        weights=weights,
        next_products=next_products,
        degraded=[] if degraded is None else degraded,
        wants_cold_start=ARRIVAL.label in weights,
    )


def ask_sources(asked: Sequence[SourceRequest]) -> list[dict[str, RankedList]]:
    """Ask each wanted source but popularity once for all recommendations; returns what each has to say, by label."""
    lists: list[dict[str, RankedList]] = [{} for _ in asked]
    for source in IN_TURN:
        wanting = [index for index, one in enumerate(asked) if source.label in one.weights and source is not POPULAR]
        found = source.find_batch([asked[index] for index in wanting]) if wanting else []
        for index, item in zip(wanting, found, strict=True):
            if item is not None and len(item.rows):
                lists[index][source.label] = item
    return lists


def _fuse(asked: SourceRequest, lists: dict[str, RankedList], slopes: Mapping[str, float]) -> CandidateSet:
    """Fuse the lists of one recommendation, popularity last, and say what follows."""
    catalog, context = asked.catalog, asked.context
    request, excluded = context.request, asked.excluded
    lists = dict(zip(lists, keep_allowed(catalog, context, list(lists.values())), strict=True))
    if len(excluded):
        lists = {label: _without(item, excluded) for label, item in lists.items()}
    if POPULAR.label in asked.weights or not any(len(item.rows) for item in lists.values()):
        popular = POPULAR.find(asked)
        lists |= {} if popular is None else {POPULAR.label: popular}
    if slopes:
        lists = {label: replace(item, slope=slopes.get(label, 0.0)) for label, item in lists.items()}
    fused = fuse_reciprocal_ranks(list(lists.values()))
    if context.listed is None:
        fused = give_slots(fused, asked.cold_start, request.window)
    tail = np.zeros(0, np.int32)
    wanted = 0 if context.listed is not None else request.depth - len(fused.rows)
    if wanted > 0:
        shown = np.concatenate([fused.rows, excluded])
        extra = list_popular(catalog, context, len(shown) + wanted)
        tail = extra[~is_among(extra, shown)]
    total = context.allowed.count()
    if len(excluded):
        total -= int(np.count_nonzero(context.allowed.holds(np.unique(excluded))))
    found = CandidateSet(
        fused=fused,
        sources=list(lists),
        tail=tail,
        total=total,
        weights=tuple(item.weight for item in lists.values()),
        slopes=tuple(item.slope for item in lists.values()) if slopes else (),
    )
    return found if context.listed is None else keep_listed(catalog, context, found, context.listed)


def keep_allowed(catalog: LiveCatalog, context: RetrievalContext, lists: Sequence[RankedList]) -> list[RankedList]:
    """Move snapshot rows of some lists to where their products are now, and keep the allowed ones.

    Of variants that the feed groups the one that the answer shows takes the place of the first of them in each list.
    """
    rows = np.concatenate([np.zeros(0, np.int32), *(item.rows for item in lists)]).astype(np.int32)
    grouped = len(context.shown_groups) > 0
    if grouped:
        rows = substitute(rows, catalog.groups.of_rows(rows), context.shown_groups, context.shown_members)
    if len(catalog.delta):
        snapshot_row = rows < catalog.base
        rows = np.where(snapshot_row, catalog.current_row[np.where(snapshot_row, rows, 0)], rows)
    keep = context.allowed.holds(rows)
    if keep.all() and not len(catalog.delta) and not grouped:
        return list(lists)
    kept, start = [], 0
    for item in lists:
        part = slice(start, start + len(item.rows))
        start = part.stop
        mask = keep[part]
        if grouped:
            mask = mask & _is_first(rows[part])
        kept.append(RankedList(rows=rows[part][mask], scores=item.scores[mask], weight=item.weight))
    return kept


def _is_first(rows: Int32) -> Bool:
    """Return where each row stands for the first time, bool [n]."""
    first = np.zeros(len(rows), np.bool_)
    first[np.unique(rows, return_index=True)[1]] = True
    return first


def _without(item: RankedList, excluded: Int32) -> RankedList:
    keep = ~is_among(item.rows, excluded)
    return RankedList(rows=item.rows[keep], scores=item.scores[keep], weight=item.weight)
