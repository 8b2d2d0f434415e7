"""Candidates of a search: dense, words, and of what these match the popular ones and those chosen before, fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mercato.arrays import Int32
from mercato.errors import DenseError
from mercato.index.live import LiveCatalog
from mercato.membership import is_among
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.retrieval import Match
from mercato.retrieval.candidates import CandidateSet, take
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import FusedList, RankedList, fuse_reciprocal_ranks, rank_in_order, select_top
from mercato.retrieval.kinds import order_by_kind, score_kinds
from mercato.retrieval.match import select_matches
from mercato.retrieval.sources.base import SEARCH_CANDIDATES
from mercato.retrieval.sources.chosen import CHOSEN
from mercato.retrieval.sources.dense import DENSE, note_failure
from mercato.retrieval.sources.popular import POPULAR, rank_popular
from mercato.retrieval.sources.words import WORDS, find_word_matches


def find_search_candidates(
    catalog: LiveCatalog,
    queries: QueryAnalyzer,
    contexts: Sequence[RetrievalContext],
    degraded: list[str] | None = None,
) -> list[CandidateSet]:
    """Fuse the best of words and dense; what follows are the other products that hold enough words of the query.

    The order of what follows does not depend on how deep a page reaches, so pages do not overlap.

    Args:
        catalog: the products.
        queries: reads the words of queries.
        contexts: searches; the dense index is asked once for all.
        degraded: gets the name of what could not be used.
    """
    dense: list[RankedList | None] = [None] * len(contexts)
    try:
        dense = DENSE.search(catalog, contexts)
    except DenseError as exc:
        note_failure(exc, degraded)
    return [_fuse(catalog, queries, context, near) for context, near in zip(contexts, dense, strict=True)]


def _fuse(
    catalog: LiveCatalog, queries: QueryAnalyzer, context: RetrievalContext, dense: RankedList | None
) -> CandidateSet:
    """Fuse the lists of one search; `dense` is None if there is no query vector."""
    weights = catalog.fusion
    query = queries.read(context.request.text, context.language)
    words = find_word_matches(catalog, query, context)
    top = words.select_best(SEARCH_CANDIDATES)
    lists = {
        WORDS.label: RankedList(rows=top, scores=words.scores[top], weight=weights.words, shares=words.coverage(top))
    }
    if dense is not None:
        lists[DENSE.label] = RankedList(rows=dense.rows, scores=dense.scores, weight=weights.dense)
    by_words, by_meaning, match = select_matches(catalog, query, context, words, dense)
    if weights.popular > 0:
        popular = rank_popular(catalog, by_words)
        if len(popular):
            lists[POPULAR.label] = rank_in_order(popular, weights.popular)
    chosen = CHOSEN.rank(catalog, context, [by_words, *(item.rows for item in lists.values())], weights.chosen)
    if chosen is not None:
        lists[CHOSEN.label] = chosen
    fused = fuse_reciprocal_ranks(list(lists.values()))
    exact = catalog.find_code(context.request.text)
    exact = exact[context.allowed.holds(exact)]
    fused = _append(fused, exact)
    near = dense.rows if dense is not None else top
    kinds = score_kinds(catalog, queries, context, near, fused.rows)
    if kinds is not None:
        fused, kinds = order_by_kind(fused, kinds)
    matches = np.zeros(len(words.scores), np.bool_)
    matches[by_words] = True
    found = int(np.count_nonzero(matches)) + int(np.count_nonzero(~matches[fused.rows]))
    matches[by_meaning] = True
    order = np.arange(len(fused.rows))
    if len(exact):
        match = Match.EXACT
        matches[exact] = True
        order = np.argsort(~is_among(fused.rows, exact), kind="stable")
        fused = _lead(fused.take(order), len(exact))
    stays = matches[fused.rows]
    kept = fused.rows[stays]
    total = int(np.count_nonzero(matches))
    tail = np.zeros(0, np.int32)
    wanted = context.request.depth - len(kept)
    if wanted > 0 and total > len(kept):
        others = by_words[~is_among(by_words, kept)]
        tail = others[select_top(words.scores[others], wanted)].astype(np.int32)
    seen = CandidateSet(
        fused=fused,
        sources=list(lists),
        tail=tail,
        total=total,
        matches=matches,
        coverage=words.coverage(fused.rows),
        weights=tuple(item.weight for item in lists.values()),
        kinds=None if kinds is None else kinds.take(order),
        found=found,
    )
    return replace(
        take(seen, np.flatnonzero(stays)),
        seen=None if stays.all() else seen,
        match=match,
        exact=exact,
        beyond=fused.take(~stays),
    )


def _append(fused: FusedList, exact: Int32) -> FusedList:
    """Append the products whose code the query is, where no source brought them."""
    missing = exact[~is_among(exact, fused.rows)]
    if not len(missing):
        return fused
    space = ((0, 0), (0, len(missing)))
    return FusedList(
        rows=np.concatenate([fused.rows, missing]),
        fused=np.pad(fused.fused, space[1]),
        scores=np.pad(fused.scores, space),
        ranks=np.pad(fused.ranks, space),
    )


def _lead(fused: FusedList, count: int) -> FusedList:
    """Give the first products, whose code the query is, the highest score."""
    scores = fused.fused.copy()
    scores[:count] = scores.max(initial=0.0)
    return replace(fused, fused=scores)
