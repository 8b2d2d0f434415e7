"""What several shards found of one search, as if one had found it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.membership import is_among
from mercato.requests.retrieval import Match
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.search import SearchPart
from mercato.retrieval.sources.base import SEARCH_CANDIDATES
from mercato.retrieval.sources.popular import POPULAR_MATCHES
from mercato.retrieval.whole import BestRows, Figures, join_figures


def join_parts(parts: Sequence[SearchPart]) -> SearchPart:
    """Join what shards found.

    Args:
        parts: at least one; rows are those of the whole catalogue.

    Returns:
        What a search of the whole finds; `SearchPart.rows` holds more than is in its lists.
    """
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows)
    rows = rows[order]
    by_words = np.concatenate([part.by_words for part in parts])[order]
    scores = np.concatenate([part.scores for part in parts])[order]
    coverage = np.concatenate([part.coverage for part in parts])[order]
    words = _choose([part.words for part in parts], SEARCH_CANDIDATES)
    words = replace(words, weight=parts[0].words.weight, shares=coverage[np.searchsorted(rows, words.rows)])
    near = join_figures([Figures(near=part.near) for part in parts]).near
    exact = np.sort(np.concatenate([part.exact for part in parts]))
    beside = RankedList(rows=rows[by_words], scores=scores[by_words])
    following = [beside, *(part.following for part in parts)]
    held = np.concatenate([rows[by_words], words.rows, *(() if near is None else (near.rows,))])
    return SearchPart(
        rows=rows,
        coverage=coverage,
        scores=scores,
        by_words=by_words,
        matching=np.concatenate([part.matching for part in parts])[order],
        words=words,
        near=near,
        popular=_choose([part.popular for part in parts], POPULAR_MATCHES),
        chosen=_join_chosen([part.chosen for part in parts if part.chosen is not None], held),
        following=_choose(following, sum(len(one.rows) for one in following)),
        exact=exact,
        word_matches=sum(part.word_matches for part in parts),
        total=sum(part.total for part in parts),
        match=min((part.match for part in parts), key=list(Match).index),  # the strongest stands first
    )


def _choose(lists: Sequence[RankedList], limit: int) -> RankedList:
    """Return the best of several lists; equal scores by row."""
    best = [BestRows(rows=one.rows, scores=one.scores, limit=limit) for one in lists]
    joined = join_figures([Figures(best=one) for one in best]).best or best[0]
    return RankedList(rows=joined.rows, scores=joined.scores)


def _join_chosen(lists: Sequence[RankedList], held: Int32) -> RankedList | None:
    """Return what was chosen of what any list of the whole holds, the strongest first; None where nothing was."""
    if not lists:
        return None
    rows, scores = _concatenate(lists)
    keep = is_among(rows, held)
    rows, scores = rows[keep], scores[keep]
    order = np.lexsort((rows, -scores))
    if not len(rows):
        return None
    return replace(lists[0], rows=rows[order], scores=scores[order], shares=scores[order])


def _concatenate(lists: Sequence[RankedList]) -> tuple[Int32, Float32]:
    return np.concatenate([one.rows for one in lists]), np.concatenate([one.scores for one in lists])
