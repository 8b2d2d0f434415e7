"""What kind of thing a search asks for, and the order of its candidates by it.

A category is the likelier the kind that was asked for, the nearer the query is to its centroid and the more of its
products hold the query's words, the head's above all. Which word is the head is told by grammar
(`mercato.query.head`) and by meaning: the products nearest to "dry white wine" hold "wine", hardly any of them "white".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.index.category_words import CategoryWords
from mercato.index.live import LiveCatalog
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.query.word_query import WordGroup, WordQuery
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
    codes = catalog.features().leaf_category[rows]
    known = (codes >= 0) & (codes < len(learned))
    if not known.any():
        return None
    query = queries.read(context.request.text, context.language)
    shares = _look_up(learned, query)
    nearest = catalog.features().leaf_category[near[:NEAR]]
    nearest = nearest[(nearest >= 0) & (nearest < len(learned))]
    weights = queries.weigh_heads(context.request.text, query)
    if len(nearest):
        weights = weights * (shares[:, nearest].mean(axis=1) + np.float32(UNSUPPORTED))
    weights = weights / max(float(weights.sum()), 1e-9)
    distinct, which = np.unique(codes[known], return_inverse=True)
    named = np.zeros(len(rows), np.float32)
    meaning = np.zeros(len(rows), np.float32)
    named[known] = (weights @ shares[:, distinct])[which]
    if context.probe is not None:
        meaning[known] = (learned.centroids[distinct] @ context.probe)[which]
    for scores in (named, meaning):
        scores[~known] = scores[known].max()
    return KindScores(meaning=meaning, named=named)


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


def _look_up(learned: CategoryWords, query: WordQuery) -> Float32:
    """Return how much of each category says what each group of a query says: float32 [groups, categories]."""
    shares = np.zeros((len(query.groups), len(learned)), np.float32)
    for group, own in zip(query.groups, shares, strict=True):
        _look_up_group(learned, group, own)
    return shares


def _look_up_group(learned: CategoryWords, group: WordGroup, own: Float32) -> None:
    """Fill the shares of a group: the mean of its words, or the best of what says the same."""
    for chunk in group.chunks:
        ways = [chunk.parts, (chunk.joined,)] if chunk.joined else [chunk.parts]
        if len(ways) == 1 and len(chunk.parts) == 1 and group.size == 1:
            codes, values = learned.lookup(chunk.parts[0])
            own[codes] = values
        else:
            own += np.max([_hold_all(learned, terms) for terms in ways], axis=0) / np.float32(group.size)
    for alternative in group.alternatives:
        np.maximum(own, _hold_all(learned, alternative.terms), out=own)


def _hold_all(learned: CategoryWords, terms: tuple[str, ...]) -> Float32:
    """Return how much of each category holds all of some terms, at most: that of the rarest; float32 [categories]."""
    least = np.ones(len(learned), np.float32)
    for term in terms:
        one = np.zeros(len(learned), np.float32)
        codes, values = learned.lookup(term)
        one[codes] = values
        np.minimum(least, one, out=least)
    return least
