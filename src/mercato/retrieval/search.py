"""Candidates of a search: dense and words, fused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mercato.catalog.live import LiveCatalog
from mercato.retrieval.case import Case, Found
from mercato.retrieval.fusion import RankedList, fuse_reciprocal_ranks, select_top
from mercato.retrieval.request import Source
from mercato.retrieval.sources import CANDIDATES, WEIGHTS
from mercato.retrieval.stopwords import drop_stopwords

Float32 = npt.NDArray[np.float32]


def find_search_candidates(catalog: LiveCatalog, case: Case, dense: RankedList | None) -> Found:
    """Fuse the best of words and dense; what follows are the other products that hold a word of the query.

    The order of what follows does not depend on how deep a page reaches, so pages do not overlap.

    Args:
        catalog: the products.
        case: a search.
        dense: dense candidates; None if there is no query vector.
    """
    weights = WEIGHTS[case.request.placement]
    scores = score_words(catalog, case)
    top = select_top(scores, CANDIDATES)
    lists = {Source.WORDS: RankedList(rows=top, scores=scores[top], weight=weights[Source.WORDS])}
    if dense is not None:
        lists[Source.DENSE] = RankedList(rows=dense.rows, scores=dense.scores, weight=weights[Source.DENSE])
    fused = fuse_reciprocal_ranks(list(lists.values()))
    unmatched = int(np.count_nonzero(scores[fused.rows] == 0))
    total = int(np.count_nonzero(scores > 0)) + unmatched
    tail = np.zeros(0, np.int32)
    wanted = case.request.depth - len(fused.rows)
    if wanted > 0 and total > len(fused.rows):
        deeper = select_top(scores, len(fused.rows) + wanted)
        tail = deeper[~np.isin(deeper, fused.rows)]
    return Found(fused=fused, sources=list(lists), tail=tail, total=total)


def score_words(catalog: LiveCatalog, case: Case) -> Float32:
    """Score every product by BM25 with the query.

    Returns:
        float32 [snapshot rows + delta entries], by row; 0 where no word occurs or the product is not allowed.
    """
    terms = drop_stopwords(catalog.analyzer.analyze(case.request.text), catalog.stopwords)
    words = catalog.snapshot.words
    scores = words.scores(terms)
    if case.allowed.rows_missing:
        scores[~case.allowed.rows] = 0.0
    if len(case.allowed.entries):
        changed = words.score_other(terms, catalog.delta.postings, catalog.delta.lengths)
        changed[~case.allowed.entries] = 0.0
        scores = np.concatenate([scores, changed])
    return scores
