"""The products whose texts are near a vector, as they are now: the dense index and what changed since it was built."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mercato.arrays import Bool, Float32, Int32, Int64
from mercato.index.dense import EF_PER_CANDIDATE, expand_groups
from mercato.index.live import LiveCatalog
from mercato.index.nearest import FilteredQuery
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import RankedList

SAME_TEXT_ROWS = 10
"""Products of one text that a search's vectors bring, as long as other texts are left."""


def search_nearest(
    catalog: LiveCatalog, contexts: Sequence[RetrievalContext], limit: int, *, spread: bool = False
) -> list[RankedList | None]:
    """Search the texts: one call for all requests without a filter, and one for all with.

    Args:
        catalog: the products.
        contexts: requests, each with its probe.
        limit: most products of each list.
        spread: products of one text do not fill the list while other texts have something to add.

    Returns:
        For each request the allowed products nearest to its probe; None where it has none.

    Raises:
        DenseError: the texts are in a database, which cannot be asked.
    """
    lists: list[RankedList | None] = [None] * len(contexts)
    probes = [
        (position, context, context.probe) for position, context in enumerate(contexts) if context.probe is not None
    ]
    if not probes:
        return lists
    index = catalog.nearest or catalog.snapshot.dense
    # Some of the nearest may be deleted or replaced since: twice as many cost the same walk through the graph.
    hiding = any(context.request.hidden_ids or context.request.pinned_ids or context.taste for context in contexts)
    margin = 2 if len(catalog.delta) or hiding else 1
    unfiltered = [one for one in probes if one[1].allowed.texts is None]
    if unfiltered:  # sharing a batch changes nothing
        wanted = np.stack([probe for _, _, probe in unfiltered])
        scores, texts = index.search(wanted, limit * margin, ef_search=EF_PER_CANDIDATE * limit)
        for (position, context, probe), row_scores, row_texts in zip(unfiltered, scores, texts, strict=True):
            lists[position] = _list_nearest(catalog, context, probe, row_scores, row_texts, limit, spread)
    filtered = [
        (position, context, probe, _ask_filtered(catalog, context, probe, context.allowed.texts))
        for position, context, probe in probes
        if context.allowed.texts is not None
    ]
    found = index.search_filtered([asked for *_, asked in filtered], limit * margin) if filtered else []
    for (position, context, probe, _), (row_scores, row_texts) in zip(filtered, found, strict=True):
        lists[position] = _list_nearest(catalog, context, probe, row_scores, row_texts, limit, spread)
    return lists


def _ask_filtered(catalog: LiveCatalog, context: RetrievalContext, probe: Float32, texts: Bool) -> FilteredQuery:
    """Return what is asked for a request of which some texts are allowed."""

    def find_moved() -> Int64:
        entries = np.flatnonzero(context.allowed.entries & catalog.delta.inherits_vector)
        rows = catalog.delta.replaced_rows[entries]
        moved: Int64 = np.unique(catalog.snapshot.texts.text_of_row[rows]).astype(np.int64)
        return moved

    condition = None if context.relaxed else context.request.condition
    return FilteredQuery(query=probe, allowed=texts, condition=condition, find_moved=find_moved)


def _list_nearest(
    catalog: LiveCatalog,
    context: RetrievalContext,
    probe: Float32,
    scores: Float32,
    texts: Int64,
    limit: int,
    spread: bool,
) -> RankedList:
    """Turn the nearest texts into the rows that have them, join the delta's rows, keep the best."""
    rows, row_scores = _expand_texts(catalog, context, scores, texts, limit, spread)
    if len(rows) < limit and len(rows) < catalog.reach(context.allowed):
        # Products that are gone took most positions, or the graph walk ended early: compare with all that are left.
        left = catalog.texts_left(context.allowed)
        scores, texts = catalog.snapshot.dense.search_allowed(probe, limit, left, exact=True)
        rows, row_scores = _expand_texts(catalog, context, scores, texts, limit, spread)
    delta = catalog.delta
    own = context.allowed.entries[delta.own_entries]
    if own.any():
        rows = np.concatenate([rows, delta.own_entries[own] + np.int32(catalog.base)])
        row_scores = np.concatenate([row_scores, (delta.own_vectors @ probe)[own]])
        best = np.argsort(-row_scores, kind="stable")[:limit]
        rows, row_scores = rows[best], row_scores[best]
    return RankedList(rows=rows, scores=row_scores.astype(np.float32))


def _expand_texts(
    catalog: LiveCatalog, context: RetrievalContext, scores: Float32, texts: Int64, limit: int, spread: bool
) -> tuple[Int32, Float32]:
    """Return the allowed rows of texts, as many as are wanted, and their scores, descending."""
    layout = catalog.snapshot.texts
    hit = texts >= 0
    positions, origin = expand_groups(texts[hit], layout.bounds)
    rows = layout.rows[positions]
    if len(catalog.delta):
        rows = catalog.vector_row[rows]
    keep = np.flatnonzero(context.allowed.holds(rows))
    if spread:
        keep = keep[choose_spread(origin[keep], limit)]
    keep = keep[:limit]
    return rows[keep], scores[hit][origin[keep]]


def choose_spread(groups: Int64, limit: int) -> Int64:
    """Choose positions of grouped items so that no group fills the list while others have something to add.

    Args:
        groups: int64 [n], ascending.
        limit: how many to choose.

    Returns:
        int64 [min(n, limit)], ascending: `SAME_TEXT_ROWS` of each group first, then as many more, and so on.
    """
    if len(groups) <= limit:
        return np.arange(len(groups))
    member = np.arange(len(groups)) - np.searchsorted(groups, groups)
    chosen: Int64 = np.argsort(member // SAME_TEXT_ROWS, kind="stable")[:limit]
    chosen.sort()
    return chosen
