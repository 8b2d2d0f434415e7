"""Candidates of a search: dense, words, and of what these match the popular ones and those chosen before, fused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mercato.index.live import LiveCatalog
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.retrieval.candidates import CandidateSet
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import RankedList, fuse_reciprocal_ranks, rank_in_order, select_top
from mercato.retrieval.kinds import order_by_kind, score_kinds
from mercato.retrieval.sources.base import SEARCH_CANDIDATES
from mercato.retrieval.sources.chosen import CHOSEN
from mercato.retrieval.sources.dense import DENSE
from mercato.retrieval.sources.popular import POPULAR, rank_popular
from mercato.retrieval.sources.words import WORDS, find_words, select_matches


def find_search_candidates(
    catalog: LiveCatalog, queries: QueryAnalyzer, contexts: Sequence[RetrievalContext]
) -> list[CandidateSet]:
    """Fuse the best of words and dense; what follows are the other products that hold enough words of the query.

    The order of what follows does not depend on how deep a page reaches, so pages do not overlap.

    Args:
        catalog: the products.
        queries: reads the words of queries.
        contexts: searches; the dense index is asked once for all.
    """
    dense = DENSE.search(catalog, contexts)
    return [_fuse(catalog, queries, context, near) for context, near in zip(contexts, dense, strict=True)]


def _fuse(
    catalog: LiveCatalog, queries: QueryAnalyzer, context: RetrievalContext, dense: RankedList | None
) -> CandidateSet:
    """Fuse the lists of one search; `dense` is None if there is no query vector."""
    weights = catalog.fusion
    words = find_words(catalog, queries, context)
    top = words.select_best(SEARCH_CANDIDATES)
    found = RankedList(rows=top, scores=words.scores[top], weight=weights.words, shares=words.coverage(top))
    lists = {WORDS.label: found}
    if dense is not None:
        lists[DENSE.label] = RankedList(rows=dense.rows, scores=dense.scores, weight=weights.dense)
    enough = select_matches(words)
    if weights.popular > 0:
        popular = rank_popular(catalog, enough)
        if len(popular):
            lists[POPULAR.label] = rank_in_order(popular, weights.popular)
    chosen = CHOSEN.rank(catalog, context, [enough, *(item.rows for item in lists.values())], weights.chosen)
    if chosen is not None:
        lists[CHOSEN.label] = chosen
    fused = fuse_reciprocal_ranks(list(lists.values()))
    near = dense.rows if dense is not None else top
    kinds = score_kinds(catalog, queries, context, near, fused.rows)
    if kinds is not None:
        fused, kinds = order_by_kind(fused, kinds)
    matches = np.zeros(len(words.scores), np.bool_)
    matches[enough] = True
    matches[fused.rows] = True
    total = int(np.count_nonzero(matches))
    tail = np.zeros(0, np.int32)
    wanted = context.request.depth - len(fused.rows)
    if wanted > 0 and total > len(fused.rows):
        others = enough[~np.isin(enough, fused.rows)]
        tail = others[select_top(words.scores[others], wanted)].astype(np.int32)
    return CandidateSet(
        fused=fused,
        sources=list(lists),
        tail=tail,
        total=total,
        matches=matches,
        coverage=words.coverage(fused.rows),
        weights=tuple(item.weight for item in lists.values()),
        kinds=kinds,
    )
