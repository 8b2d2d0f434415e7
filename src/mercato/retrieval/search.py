"""Candidates of a search: dense, words, and of what these match the popular ones and those chosen before, fused.

What is found of a part of the catalogue, and the fusion of it, are two steps: between them a router joins what several
parts found (`mercato.shards`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mercato.arrays import Bool, Float32, Int32, Int64
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
from mercato.retrieval.whole import NearTexts, Steps, run_alone


@dataclass(slots=True, kw_only=True)
class SearchPart:
    """What a search found in a part of the catalogue, or in all of it.

    Attributes:
        rows: int32 [n], ascending, every product that a list holds, and those whose code the query is.
        coverage: float32 [n], the share of the query's words that each holds.
        scores: float32 [n], of each by words.
        by_words: bool [n], whether each matches by its words.
        matching: bool [n], whether each belongs to the result.
        words: the best by words; of the weight of words each has as much as it holds of the query.
        near: the nearest; None if the query has no vector.
        popular: what sells best of what matches by words.
        chosen: what was chosen after the query; None where nothing is known of it.
        following: the best by words of those that match by them, as far as a page may reach.
        exact: int32 [e], those whose code the query is, ascending.
        word_matches: how many products match by words.
        total: how many belong to the result.
        match: how the products match, as the strongest of them.
    """

    rows: Int32
    coverage: Float32
    scores: Float32
    by_words: Bool
    matching: Bool
    words: RankedList
    near: NearTexts | None
    popular: RankedList
    chosen: RankedList | None
    following: RankedList
    exact: Int32
    word_matches: int
    total: int
    match: Match

    def find(self, rows: Int32) -> Int64:
        """Return where products stand among `rows`, int64 [n]; all of them have to."""
        return np.searchsorted(self.rows, rows)


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
    found = []
    for context, near in zip(contexts, dense, strict=True):
        part, matches = run_alone(find_part(catalog, queries, context, near, catalog.find_code(context.request.text)))
        found.append(fuse_part(catalog, queries, context, part, matches))
    return found


def find_part(
    catalog: LiveCatalog, queries: QueryAnalyzer, context: RetrievalContext, dense: RankedList | None, exact: Int32
) -> Steps[tuple[SearchPart, Bool]]:
    """Find what a search finds in a part of the catalogue.

    Args:
        catalog: the products of the part.
        queries: reads the words of queries.
        context: the search.
        dense: the nearest of the part; None if there is no query vector.
        exact: int32 [e], rows of the products whose code the query is.

    Yields:
        What is to be compared with the rest of the catalogue.

    Returns:
        What was found; rows are the part's. And bool [rows], what belongs to the result.
    """
    query = queries.read(context.request.text, context.language)
    words = find_word_matches(catalog, query, context)
    best = words.select_best(SEARCH_CANDIDATES)
    result = yield from select_matches(catalog, query, context, words, dense)
    popular = np.zeros(0, np.int32)
    if catalog.fusion.popular > 0:
        popular = rank_popular(catalog, result.by_words)
    lists = [best, popular, *(() if result.near is None else (result.near.rows,))]
    chosen = CHOSEN.rank(catalog, context, [result.by_words, *lists], catalog.fusion.chosen)
    exact = exact[context.allowed.holds(exact)]
    matches = np.zeros(words.count, np.bool_)
    matches[result.by_words] = True
    word_matches = int(np.count_nonzero(matches))
    rows = np.unique(np.concatenate([*lists, exact, *(() if chosen is None else (chosen.rows,))])).astype(np.int32)
    by_words = matches[rows]
    matches[result.by_meaning] = True
    matches[exact] = True
    following = result.by_words[:0]
    alone = catalog.snapshot.part.rows is None
    if word_matches > np.count_nonzero(by_words) and (not alone or context.request.depth > len(rows[matches[rows]])):
        others = result.by_words[~is_among(result.by_words, rows)]
        following = others[select_top(words.read_scores(others), context.request.depth)]
    part = SearchPart(
        rows=rows,
        coverage=words.coverage(rows),
        scores=words.read_scores(rows),
        by_words=by_words,
        matching=matches[rows],
        words=RankedList(
            rows=best, scores=words.read_scores(best), weight=catalog.fusion.words, shares=words.coverage(best)
        ),
        near=result.near,
        popular=RankedList(rows=popular, scores=catalog.features().log_popularity[popular]),
        chosen=chosen,
        following=RankedList(rows=following.astype(np.int32), scores=words.read_scores(following)),
        exact=exact,
        word_matches=word_matches,
        total=int(np.count_nonzero(matches)),
        match=Match.EXACT if len(exact) else result.match,
    )
    return part, matches


def fuse_part(
    catalog: LiveCatalog,
    queries: QueryAnalyzer,
    context: RetrievalContext,
    part: SearchPart,
    matches: Bool | None = None,
) -> CandidateSet:
    """Fuse what a search found in the whole catalogue.

    Args:
        catalog: the products; of them what the ranker reads.
        queries: reads the words of queries.
        context: the search.
        part: what was found; rows are those of ``catalog``.
        matches: bool [rows], what belongs to the result; None where that lies elsewhere.
    """
    weights = catalog.fusion
    lists = {WORDS.label: part.words}
    near = part.words.rows
    if part.near is not None:
        near = part.near.rows
        lists[DENSE.label] = RankedList(rows=near, scores=part.near.scores, weight=weights.dense)
    if len(part.popular.rows):
        lists[POPULAR.label] = rank_in_order(part.popular.rows, weights.popular)
    if part.chosen is not None:
        lists[CHOSEN.label] = part.chosen
    fused = _append(fuse_reciprocal_ranks(list(lists.values())), part.exact)
    kinds = score_kinds(catalog, queries, context, near, fused.rows)
    if kinds is not None:
        fused, kinds = order_by_kind(fused, kinds)
    order = np.arange(len(fused.rows))
    if len(part.exact):
        order = np.argsort(~is_among(fused.rows, part.exact), kind="stable")
        fused = _lead(fused.take(order), len(part.exact))
    at = part.find(fused.rows)
    stays = part.matching[at]
    kept = fused.rows[stays]
    tail = np.zeros(0, np.int32)
    wanted = context.request.depth - len(kept)
    if wanted > 0 and part.total > len(kept):
        tail = part.following.rows[~is_among(part.following.rows, kept)][:wanted]
    seen = CandidateSet(
        fused=fused,
        sources=list(lists),
        tail=tail,
        total=part.total,
        matches=matches,
        coverage=part.coverage[at],
        weights=tuple(item.weight for item in lists.values()),
        kinds=None if kinds is None else kinds.take(order),
        found=part.word_matches + int(np.count_nonzero(~part.by_words[at])),
    )
    return replace(
        take(seen, np.flatnonzero(stays)),
        seen=None if stays.all() else seen,
        match=part.match,
        exact=part.exact,
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
