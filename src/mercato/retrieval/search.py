"""Candidates of a search: dense, words, and the popular ones among what the words match, fused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mercato.index.live import LiveCatalog
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.retrieval import Source
from mercato.retrieval.case import Case, Found
from mercato.retrieval.fusion import RankedList, fuse_reciprocal_ranks, select_top
from mercato.retrieval.sources import POPULAR_MATCHES, SEARCH_CANDIDATES, rank_places
from mercato.retrieval.word_match import WordMatches, match_words

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


def find_search_candidates(catalog: LiveCatalog, queries: QueryAnalyzer, case: Case, dense: RankedList | None) -> Found:
    """Fuse the best of words and dense; what follows are the other products that hold enough words of the query.

    The order of what follows does not depend on how deep a page reaches, so pages do not overlap.

    Args:
        catalog: the products.
        queries: reads the query's words.
        case: a search.
        dense: dense candidates; None if there is no query vector.
    """
    weights = catalog.fusion
    words = find_words(catalog, queries, case)
    top = words.select_best(SEARCH_CANDIDATES)
    lists = {Source.WORDS: RankedList(rows=top, scores=words.scores[top], weight=weights.words)}
    if dense is not None:
        lists[Source.DENSE] = RankedList(rows=dense.rows, scores=dense.scores, weight=weights.dense)
    enough = select_matches(words)
    if weights.popular > 0:
        popular = rank_popular(catalog, enough)
        if len(popular):
            lists[Source.POPULAR] = rank_places(popular, weights.popular)
    fused = fuse_reciprocal_ranks(list(lists.values()))
    matches = np.zeros(len(words.scores), np.bool_)
    matches[enough] = True
    matches[fused.rows] = True
    total = int(np.count_nonzero(matches))
    tail = np.zeros(0, np.int32)
    wanted = case.request.depth - len(fused.rows)
    if wanted > 0 and total > len(fused.rows):
        others = enough[~np.isin(enough, fused.rows)]
        tail = others[select_top(words.scores[others], wanted)].astype(np.int32)
    return Found(
        fused=fused,
        sources=list(lists),
        tail=tail,
        total=total,
        matches=matches,
        coverage=words.coverage(fused.rows),
    )


def find_words(catalog: LiveCatalog, queries: QueryAnalyzer, case: Case) -> WordMatches:
    """Score every product by the words of the query, snapshot rows and delta entries, by row; 0 where not allowed."""
    query = queries.read(case.request.text)
    index = catalog.snapshot.words
    found = match_words(query, index)
    if case.allowed.rows_missing:
        found = found.keep(case.allowed.rows)
    entries = case.allowed.entries
    if not len(entries):
        return found
    changed = match_words(query, index.look_outside(catalog.delta.postings, len(entries)))
    return found.followed_by(changed.keep(entries))


def rank_popular(catalog: LiveCatalog, matches: Int64) -> Int32:
    """Return the most popular of the products that match, most popular first: int32 [m], m <= `POPULAR_MATCHES`.

    Thousands may match a common word equally well; what is bought most is then likeliest meant. Products that nobody
    bought are left out, so that a shop without events is not ordered by its product ids.
    """
    popularity = catalog.features().log_popularity[matches]
    return matches[select_top(popularity, POPULAR_MATCHES)].astype(np.int32)


def select_matches(words: WordMatches) -> Int64:
    """Return the products that hold enough of the query, int64 [m], ascending.

    Of c words c - floor(c / 4) must be there: all of three, three of four; as many as any product holds where none
    holds that many.
    """
    required = float(words.size - words.size // 4)
    held = words.held[words.rows]
    return words.rows[held >= min(required, float(held.max(initial=0.0)))]
