"""Scoring documents for a query of words: BM25, and how much of the query each one holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.arrays import Bool, Float32, Int32, Int64
from mercato.index.words import TermLookup
from mercato.query.word_query import Alternative, WordGroup, WordQuery
from mercato.retrieval.fusion import select_top
from mercato.text.words import Chunk

Rows = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True)
class WordMatches:
    """What the words of a query found.

    Attributes:
        rows: int64 [m], the documents that hold some word, ascending; everything else is read of them alone.
        scores: float32 [documents], higher is better; 0 where no word occurs.
        held: float32 [documents]: how many of the query's words a document holds.
        size: number of the query's words.
    """

    rows: Int64
    scores: Float32
    held: Float32
    size: int

    def coverage(self, rows: Rows) -> Float32:
        """Return the share of the query's words that documents hold, float32 [n], 0 to 1."""
        share: Float32 = self.held[rows] / np.float32(max(self.size, 1))
        return share

    def select_best(self, k: int) -> Int32:
        """Return the documents of the k highest scores, highest first, equal ones by number: int32 [m]."""
        return self.rows[select_top(self.scores[self.rows], k)].astype(np.int32)

    def keep(self, allowed: Bool) -> WordMatches:
        """Leave out what is not allowed, bool [documents]."""
        stays = allowed[self.rows]
        gone = self.rows[~stays]
        self.scores[gone] = 0.0
        self.held[gone] = 0.0
        return WordMatches(rows=self.rows[stays], scores=self.scores, held=self.held, size=self.size)

    def take_over(self, other: WordMatches, rows: Rows, documents: Rows) -> WordMatches:
        """Give documents what others of the same query have.

        Args:
            other: where it is taken from.
            rows: documents of ``other``, [n].
            documents: the document of this one that is to have it, for each, [n] ascending.
        """
        found = other.scores[rows] > 0
        rows, documents = rows[found], documents[found]
        self.scores[documents] = other.scores[rows]
        self.held[documents] = other.held[rows]
        return WordMatches(
            rows=np.union1d(self.rows, documents).astype(np.int64), scores=self.scores, held=self.held, size=self.size
        )

    def followed_by(self, other: WordMatches) -> WordMatches:
        """Append other documents that the same query was asked of."""
        return WordMatches(
            rows=np.concatenate([self.rows, other.rows + len(self.scores)]),
            scores=np.concatenate([self.scores, other.scores]),
            held=np.concatenate([self.held, other.held]),
            size=self.size,
        )


def match_words(query: WordQuery, documents: TermLookup) -> WordMatches:
    """Score documents.

    score = share of the query's words held * sum over groups of the best of (the words' own BM25, each alternative's).
    The share counts a word written in parts when all parts are there, or the whole; an alternative holds every word of
    its group. It is Lucene's old coordination factor, over wishes instead of terms.
    """
    scores = np.zeros(documents.count, np.float32)
    held = np.zeros(documents.count, np.float32)
    for group in query.groups:
        if group.is_plain:
            rows, values = documents.lookup(group.chunks[0].parts[0])
            scores[rows] += values
            held[rows] += 1
        else:
            _match_group(group, documents, scores, held)
    rows = np.flatnonzero(scores > 0)  # of truths: of numbers it takes five times as long
    if query.size > 1:
        # What holds a part of a joined word and no word as a whole ranks behind one that holds a whole word.
        scores[rows] *= np.maximum(held[rows], np.float32(0.5)) / np.float32(query.size)
    return WordMatches(rows=rows, scores=scores, held=held, size=query.size)


def _match_group(group: WordGroup, documents: TermLookup, scores: Float32, held: Float32) -> None:
    """Add the scores and counts of one group."""
    own_scores = np.zeros(documents.count, np.float32)
    own_held = np.zeros(documents.count, np.float32)
    for chunk in group.chunks:
        own_held += _add_chunk(chunk, documents, own_scores)
    for alternative in group.alternatives:
        rows, values = _match_all(alternative, documents)
        own_scores[rows] = np.maximum(own_scores[rows], values)
        own_held[rows] = group.size
    scores += own_scores
    held += own_held


def _add_chunk(chunk: Chunk, documents: TermLookup, scores: Float32) -> Bool:
    """Add the scores of a word's terms; returns which documents hold the whole or all parts."""
    parts = np.zeros(documents.count, np.uint16)
    for part in chunk.parts:
        rows, values = documents.lookup(part)
        scores[rows] += values
        parts[rows] += 1
    holds: Bool = parts >= len(chunk.parts)
    if chunk.joined:
        rows, values = documents.lookup(chunk.joined)
        scores[rows] += values
        holds[rows] = True
    return holds


def _match_all(alternative: Alternative, documents: TermLookup) -> tuple[Rows, Float32]:
    """Find the documents that have every term of an alternative, and its score in each."""
    first, *others = dict.fromkeys(alternative.terms)
    rows, values = documents.lookup(first)
    for term in others:
        more_rows, more_values = documents.lookup(term)
        rows, here, there = np.intersect1d(rows, more_rows, assume_unique=True, return_indices=True)
        values = values[here] + more_values[there]
    return rows, values * np.float32(alternative.weight)
