"""What kind of thing a search asks for, and the order of its candidates by it.

A category is the likelier the kind that was asked for, the nearer the query is to its centroid and the more of its
products hold the query's words, the head's above all. Which word is the head is told by grammar
(`mercato.query.head`) and by meaning: the products nearest to "dry white wine" hold "wine", hardly any of them "white".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mercato.arrays import Bool, Float32, Int32
from mercato.index.category_words import CategoryWords
from mercato.index.live import LiveCatalog
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.query.word_query import WordGroup
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import FusedList

NEAR = 20
"""Nearest products that tell which words are the head (pseudo-relevance feedback)."""
UNSUPPORTED = 0.1
"""What a word that none of them holds counts beside 1 for one that all hold."""
NAMED = 0.5
"""What a category that holds every word of the query counts beside a cosine of 1 (docs/decisions/0032)."""
SHARPNESS = 10.0
"""How fast a candidate's score falls with what its category lacks against the best one's."""

_CENTROIDS_A_STEP = 64
"""A copy of more than 128 KB is memory that the system has to give anew each time."""


@dataclass(frozen=True, kw_only=True)
class KindScores:
    """How well the categories of candidates fit a query.

    Attributes:
        meaning: float32 [n], cosine of the query with the category's centroid; 0 without a vector.
        named: float32 [n], 0 to 1: the share of the query's words that a product of the category holds, weighed by how
            likely each is the head.
    """

    meaning: Float32
    named: Float32

    @property
    def total(self) -> Float32:
        """Both in one, float32 [n]."""
        total: Float32 = self.meaning + np.float32(NAMED) * self.named
        return total

    def spread(self, positions: Sequence[int]) -> KindScores:
        """Return the scores at some positions; -1 is one of which nothing is known: it has the best."""
        order = np.array(positions, np.int64)
        both = (np.append(scores, scores.max(initial=0.0)) for scores in (self.meaning, self.named))
        meaning, named = (scores[order].astype(np.float32) for scores in both)
        return KindScores(meaning=meaning, named=named)

    def take(self, order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> KindScores:
        """Return the scores of some candidates, in that order."""
        return KindScores(meaning=self.meaning[order], named=self.named[order])


def score_kinds(
    catalog: LiveCatalog, queries: QueryAnalyzer, context: RetrievalContext, near: Int32, rows: Int32
) -> KindScores | None:
    """Score the categories of candidates; None where the catalogue knows nothing of its categories.

    Nothing speaks against a product without a category, or of one newer than the snapshot: it has the best of each.

    Args:
        catalog: the products.
        queries: reads the query.
        context: a search.
        near: int32 [m], rows of the products nearest to the query, best first.
        rows: int32 [n], the candidates.
    """
    learned = catalog.snapshot.category_words
    leaf_category = catalog.features().leaf_category
    codes = leaf_category[rows]
    known = (codes >= 0) & (codes < len(learned))
    if not known.any():
        return None
    nearest = leaf_category[near[:NEAR]]
    nearest = nearest[(nearest >= 0) & (nearest < len(learned))]
    distinct, which = np.unique(np.concatenate([codes[known], nearest]), return_inverse=True)
    of_candidates, of_nearest = which[: -len(nearest) or None], which[len(which) - len(nearest) :]
    query = queries.read(context.request.text, context.language)
    shares = np.array([_look_up(learned, group, distinct) for group in query.groups], np.float32)
    shares = shares.reshape(len(query.groups), len(distinct))
    weights = queries.weigh_heads(context.request.text, query)
    if len(nearest):
        weights = weights * (shares[:, of_nearest].mean(axis=1) + np.float32(UNSUPPORTED))
    named = (weights @ shares) / np.float32(max(float(weights.sum()), 1e-9))
    meaning = _compare(learned, context.probe, distinct)
    return KindScores(meaning=_spread(meaning[of_candidates], known), named=_spread(named[of_candidates], known))


def _compare(learned: CategoryWords, probe: Float32 | None, codes: Int32) -> Float32:
    """Return the cosine of a query's vector with the centroid of each category, float32 [n]; zeros without a vector."""
    cosines = np.zeros(len(codes), np.float32)
    if probe is not None:
        for start in range(0, len(codes), _CENTROIDS_A_STEP):
            step = slice(start, start + _CENTROIDS_A_STEP)
            cosines[step] = learned.centroids[codes[step]] @ probe
    return cosines


def _spread(scores: Float32, known: Bool) -> Float32:
    """Return the scores of candidates of a known category among all of them; the others have the best."""
    if len(scores) == len(known):
        return scores
    spread = np.full(len(known), scores.max(), np.float32)
    spread[known] = scores
    return spread


def order_by_kind(fused: FusedList, kinds: KindScores) -> tuple[FusedList, KindScores]:
    """Order fused candidates by ``fused * exp(-SHARPNESS * max named * (best kind - kind))``.

    Equal ones keep their order. Where no category holds the query's words, as of a code, no kind was asked for.
    """
    total, sharpness = kinds.total, np.float32(SHARPNESS) * kinds.named.max()
    scores = (fused.fused * np.exp(sharpness * (total - total.max()))).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    ordered = replace(
        fused,
        rows=fused.rows[order],
        fused=scores[order],
        scores=fused.scores[:, order],
        ranks=fused.ranks[:, order],
    )
    return ordered, kinds.take(order)


def _look_up(learned: CategoryWords, group: WordGroup, codes: Int32) -> Float32:
    """Return how much of each category says what a group says: the mean of its words, or the best way to say the same.

    Args:
        learned: of the catalogue.
        group: of a query.
        codes: int32 [n], the categories, ascending.
    """
    of_words = [
        np.maximum(_hold_all(learned, chunk.parts, codes), _hold_all(learned, (chunk.joined,), codes))
        if chunk.joined
        else _hold_all(learned, chunk.parts, codes)
        for chunk in group.chunks
    ]
    shares: Float32 = of_words[0] if len(of_words) == 1 else np.mean(of_words, axis=0, dtype=np.float32)
    for alternative in group.alternatives:
        shares = np.maximum(shares, _hold_all(learned, alternative.terms, codes))
    return shares


def _hold_all(learned: CategoryWords, terms: tuple[str, ...], codes: Int32) -> Float32:
    """Return how much of each category holds all of some terms, at most: that of the rarest; float32 [n]."""
    least = _hold(learned, terms[0], codes)
    for term in terms[1:]:
        least = np.minimum(least, _hold(learned, term, codes))
    return least


def _hold(learned: CategoryWords, term: str, codes: Int32) -> Float32:
    """Return how much of each category holds a term, float32 [n]."""
    found, values = learned.lookup(term)
    if not len(found):
        return np.zeros(len(codes), np.float32)
    at = np.minimum(np.searchsorted(found, codes), len(found) - 1)
    shares: Float32 = np.where(found[at] == codes, values[at], np.float32(0.0))
    return shares
