"""Scoring documents for a query of words: BM25, and how much of the query each one holds.

All is kept for the documents that hold a word, not for all there are: what a search costs follows what it finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.arrays import Bool, Float32, Int32, Int64
from mercato.index.words import TermLookup
from mercato.membership import find_among
from mercato.query.word_query import Alternative, WordGroup, WordQuery
from mercato.retrieval.fusion import select_top

Rows = npt.NDArray[np.integer[Any]]

_SPARSE = 1 / 8
"""Below this share of the documents, sorting what was found costs less than marking it among all of them."""


@dataclass(frozen=True, kw_only=True)
class GroupMatches:
    """The documents that hold a group of a query's words, or some of them.

    Attributes:
        rows: int [m], the documents, ascending.
        scores: float32 [m], above 0, higher is better.
        held: float32 [m], how many of the group's words each holds; one number where that is the same for all.
    """

    rows: Rows
    scores: Float32
    held: Float32 | np.float32

    def keep(self, allowed: Bool) -> GroupMatches:
        """Leave out what is not allowed, bool [documents]."""
        return self.take(allowed[self.rows])

    def take_over(self, other: GroupMatches, sources: Rows, documents: Rows) -> GroupMatches:
        """Give documents, which hold nothing of their own, what others have of the same group.

        Args:
            other: where it is taken from.
            sources: documents of ``other``, [n].
            documents: the document of this one that is to have it, for each, [n] ascending.
        """
        places, found = find_among(sources, other.rows)
        if not found.any():
            return self
        taken = other.take(places[found])
        rows = np.concatenate([self.rows, documents[found]])
        order = np.argsort(rows)
        return GroupMatches(
            rows=rows[order],
            scores=np.concatenate([self.scores, taken.scores])[order],
            held=np.concatenate([self._list_held(), taken._list_held()])[order],
        )

    def followed_by(self, other: GroupMatches, count: int) -> GroupMatches:
        """Append what others of the same group hold, whose numbers begin at ``count``."""
        if not len(other.rows):
            return self
        return GroupMatches(
            rows=np.concatenate([self.rows, other.rows + count]),
            scores=np.concatenate([self.scores, other.scores]),
            held=np.concatenate([self._list_held(), other._list_held()]),
        )

    def take(self, places: npt.NDArray[Any]) -> GroupMatches:
        """Return some of the documents: int [n] places, or bool [m]."""
        held = self.held[places] if isinstance(self.held, np.ndarray) else self.held
        return GroupMatches(rows=self.rows[places], scores=self.scores[places], held=held)

    def _list_held(self) -> Float32:
        return np.broadcast_to(self.held, self.rows.shape)


@dataclass(frozen=True, kw_only=True)
class WordMatches:
    """What the words of a query found.

    Attributes:
        rows: int64 [m], the documents that hold some word, ascending.
        scores: float32 [m], higher is better, above 0.
        held: float32 [m], how many of the query's words each holds.
        size: number of the query's words.
        count: number of documents that were asked.
        groups: of each group of the query.
        places: of each group, where its documents stand among ``rows``.
    """

    rows: Int64
    scores: Float32
    held: Float32
    size: int
    count: int
    groups: tuple[GroupMatches, ...]
    places: tuple[Rows, ...]

    def read_scores(self, rows: Rows) -> Float32:
        """Return the scores of documents (int [n]), float32 [n]; 0 for what holds no word."""
        return self._read(self.scores, rows)

    def read_held(self, rows: Rows) -> Float32:
        """Return how many of the query's words documents (int [n]) hold, float32 [n]."""
        return self._read(self.held, rows)

    def read_ranks(self, rows: Rows) -> Int32:
        """Return the ranks of documents (int [n]) among all by score, from 1: int32 [n]; 0 for what holds no word."""
        ranks = np.empty(len(self.rows), np.int32)
        ranks[np.argsort(-self.scores, kind="stable")] = np.arange(1, len(ranks) + 1)
        places, found = find_among(rows, self.rows)
        read = np.zeros(len(rows), np.int32)
        read[found] = ranks[places[found]]
        return read

    def coverage(self, rows: Rows) -> Float32:
        """Return the share of the query's words that documents hold, float32 [n], 0 to 1."""
        share: Float32 = self.read_held(rows) / np.float32(max(self.size, 1))
        return share

    def select_best(self, k: int) -> Int32:
        """Return the documents of the k highest scores, highest first, equal ones by number: int32 [m]."""
        return self.rows[select_top(self.scores, k)].astype(np.int32)

    def weigh(self, weights: Sequence[float]) -> Float32:
        """Add up for each of ``rows`` what it holds of each group, times a weight of the group: float32 [m]."""
        total = np.zeros(len(self.rows), np.float32)
        for group, places, weight in zip(self.groups, self.places, weights, strict=True):
            total[places] += np.float32(weight) * group.held
        return total

    def _read(self, values: Float32, rows: Rows) -> Float32:
        places, found = find_among(rows, self.rows)
        read = np.zeros(len(rows), np.float32)
        read[found] = values[places[found]]
        return read


def match_words(query: WordQuery, documents: TermLookup, allowed: Bool | None = None) -> WordMatches:
    """Score documents, or those that are allowed, bool [documents].

    score = share of the query's words held * sum over groups of the best of (the words' own BM25, each alternative's).
    The share counts a word written in parts when all parts are there, or the whole; an alternative holds every word of
    its group. It is Lucene's old coordination factor, over wishes instead of terms.
    """
    groups = [match_group(group, documents) for group in query.groups]
    if allowed is not None:
        groups = [group.keep(allowed) for group in groups]
    return join_groups(groups, query, documents.count)


def join_groups(groups: Sequence[GroupMatches], query: WordQuery, count: int) -> WordMatches:
    """Join what the groups of a query hold; see `match_words`.

    Args:
        groups: of each group of the query.
        query: the query.
        count: number of documents that were asked.
    """
    rows, places = _unite([group.rows for group in groups])
    scores, held = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    for group, at in zip(groups, places, strict=True):
        scores[at] += group.scores
        held[at] += group.held
    stays = scores > 0
    if not stays.all():  # what stands in fields that count nothing
        kept = [stays[at] for at in places]
        groups = [group.take(one) for group, one in zip(groups, kept, strict=True)]
        moved = np.cumsum(stays) - 1
        places = [moved[at[one]] for at, one in zip(places, kept, strict=True)]
        rows, scores, held = rows[stays], scores[stays], held[stays]
    if query.size > 1:
        # What holds a part of a joined word and no word as a whole ranks behind one that holds a whole word.
        scores *= np.maximum(held, np.float32(0.5)) / np.float32(query.size)
    return WordMatches(
        rows=rows.astype(np.int64),
        scores=scores,
        held=held,
        size=query.size,
        count=count,
        groups=tuple(groups),
        places=tuple(places),
    )


def match_group(group: WordGroup, documents: TermLookup) -> GroupMatches:
    """Find the documents that hold a group of words, or some of them."""
    if group.is_plain:
        rows, values = documents.lookup(group.chunks[0].parts[0])
        return GroupMatches(rows=rows, scores=values, held=np.float32(1))
    found = [documents.lookup(term) for chunk in group.chunks for term in chunk.terms]
    found += [_match_all(alternative, documents) for alternative in group.alternatives]
    rows, places = _unite([one for one, _ in found])
    told = iter(zip(places, (values for _, values in found), strict=True))
    scores, held = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    for chunk in group.chunks:
        parts = np.zeros(len(rows), np.uint16)
        for _ in chunk.parts:
            at, values = next(told)
            scores[at] += values
            parts[at] += 1
        holds = parts >= len(chunk.parts)
        if chunk.joined:
            at, values = next(told)
            scores[at] += values
            holds[at] = True
        held += holds
    for at, values in told:  # the alternatives
        scores[at] = np.maximum(scores[at], values)
        held[at] = group.size
    return GroupMatches(rows=rows, scores=scores, held=held)


def _match_all(alternative: Alternative, documents: TermLookup) -> tuple[Rows, Float32]:
    """Find the documents that have every term of an alternative, and its score in each."""
    first, *others = dict.fromkeys(alternative.terms)
    rows, values = documents.lookup(first)
    for term in others:
        more_rows, more_values = documents.lookup(term)
        rows, here, there = np.intersect1d(rows, more_rows, assume_unique=True, return_indices=True)
        values = values[here] + more_values[there]
    return rows, values * np.float32(alternative.weight)


def _unite(lists: Sequence[Rows]) -> tuple[Rows, list[Rows]]:
    """Unite lists of distinct ascending rows: int [m] ascending, and where those of each list stand in it."""
    if not lists:
        return np.zeros(0, np.int64), []
    if len(lists) == 1:
        return lists[0], [np.arange(len(lists[0]))]
    everything = np.concatenate(lists)
    count = 1 + max((int(one[-1]) for one in lists if len(one)), default=-1)
    if len(everything) < _SPARSE * count:
        rows, places = np.unique(everything, return_inverse=True)
        return rows, np.split(places, np.cumsum([len(one) for one in lists[:-1]]))
    marked = np.zeros(count, np.bool_)
    marked[everything] = True
    rows = np.flatnonzero(marked)
    place = np.empty(count, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    return rows, [place[one] for one in lists]
