"""Scoring documents for a query of words: BM25, and how much of the query each one holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mercato.arrays import Bool, Float32, Int32, Int64
from mercato.index.words import TermLookup
from mercato.membership import is_among
from mercato.query.word_query import Alternative, WordGroup, WordQuery
from mercato.retrieval.found_values import FoundValues, Rows, borrow_zeros, join_rows, take_out
from mercato.retrieval.fusion import select_top
from mercato.text.words import Chunk


@dataclass(frozen=True, kw_only=True)
class WordMatches:
    """What the words of a query found.

    Attributes:
        rows: int64 [m], the documents that hold some word, ascending; everything else is read of them alone.
        scores: by document, higher is better; 0 where no word occurs.
        held: by document, how many of the query's words it holds; 0 for one that no word scores.
        size: number of the query's words.
    """

    rows: Int64
    scores: FoundValues
    held: FoundValues
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
        return self if stays.all() else self._with(self.rows[stays], self.scores.values[stays], self.held.values[stays])

    def _with(self, rows: Int64, scores: Float32, held: Float32, count: int | None = None) -> WordMatches:
        count = len(self.scores) if count is None else count
        return WordMatches(
            rows=rows, scores=FoundValues(rows, scores, count), held=FoundValues(rows, held, count), size=self.size
        )

    def take_over(self, other: WordMatches, rows: Rows, documents: Rows) -> WordMatches:
        """Give documents what others of the same query have.

        Args:
            other: where it is taken from.
            rows: documents of ``other``, [n].
            documents: the document of this one that is to have it, for each, [n] ascending.
        """
        scores = other.scores[rows]
        found = scores > 0
        rows, documents, scores = rows[found], documents[found].astype(np.int64), scores[found]
        own = ~is_among(self.rows, documents)
        together = np.concatenate([self.rows[own], documents])
        order = np.argsort(together, kind="stable")
        return self._with(
            together[order],
            np.concatenate([self.scores.values[own], scores])[order],
            np.concatenate([self.held.values[own], other.held[rows]])[order],
        )

    def followed_by(self, other: WordMatches) -> WordMatches:
        """Append other documents that the same query was asked of."""
        return self._with(
            np.concatenate([self.rows, other.rows + len(self.scores)]),
            np.concatenate([self.scores.values, other.scores.values]),
            np.concatenate([self.held.values, other.held.values]),
            len(self.scores) + len(other.scores),
        )


def match_words(query: WordQuery, documents: TermLookup) -> WordMatches:
    """Score documents.

    score = share of the query's words held * sum over groups of the best of (the words' own BM25, each alternative's).
    The share counts a word written in parts when all parts are there, or the whole; an alternative holds every word of
    its group. It is Lucene's old coordination factor, over wishes instead of terms.
    """
    with borrow_zeros(documents.count, ("scores", "held")) as (scores, held):
        touched: list[Int64] = []
        for group in query.groups:
            if group.is_plain:
                found, values = _look_up(documents, group.chunks[0].parts[0])
                scores[found] += values
                held[found] += 1
                touched.append(found)
            else:
                touched.append(_match_group(group, documents, scores, held))
        rows = join_rows(touched, documents.count)
        own_scores, own_held = take_out(scores, rows), take_out(held, rows)
    positive = own_scores > 0
    if not positive.all():  # of fields that count nothing
        rows, own_scores, own_held = rows[positive], own_scores[positive], own_held[positive]
    if query.size > 1:
        # What holds a part of a joined word and no word as a whole ranks behind one that holds a whole word.
        own_scores *= np.maximum(own_held, np.float32(0.5)) / np.float32(query.size)
    count = documents.count
    return WordMatches(
        rows=rows, scores=FoundValues(rows, own_scores, count), held=FoundValues(rows, own_held, count), size=query.size
    )


def _look_up(documents: TermLookup, term: str) -> tuple[Int64, Float32]:
    """Look up a term, its documents as NumPy indexes by them: converted once, not each time."""
    rows, values = documents.lookup(term)
    return rows.astype(np.int64), values


def _match_group(group: WordGroup, documents: TermLookup, scores: Float32, held: Float32) -> Int64:
    """Add the scores and counts of one group; returns the documents that hold something of it, ascending."""
    with borrow_zeros(documents.count, ("own scores", "own held")) as (own_scores, own_held):
        touched: list[Int64] = []
        for chunk in group.chunks:
            touched += _add_chunk(chunk, documents, own_scores, own_held)
        for alternative in group.alternatives:
            rows, values = _match_all(alternative, documents)
            own_scores[rows] = np.maximum(own_scores[rows], values)
            own_held[rows] = group.size
            touched.append(rows)
        found = join_rows(touched, documents.count)
        scores[found] += take_out(own_scores, found)
        held[found] += take_out(own_held, found)
    return found


def _add_chunk(chunk: Chunk, documents: TermLookup, scores: Float32, held: Float32) -> list[Int64]:
    """Add the scores of a word's terms, and 1 to what holds the whole or all parts; returns what holds some term."""
    touched: list[Int64] = []
    holding: Int64 | None = None
    for part in chunk.parts:
        rows, values = _look_up(documents, part)
        scores[rows] += values
        touched.append(rows)
        holding = rows if holding is None else np.intersect1d(holding, rows, assume_unique=True)
    if chunk.joined:
        rows, values = _look_up(documents, chunk.joined)
        scores[rows] += values
        touched.append(rows)
        holding = rows if holding is None else np.union1d(holding, rows)
    if holding is not None:
        held[holding] += 1
    return touched


def _match_all(alternative: Alternative, documents: TermLookup) -> tuple[Int64, Float32]:
    """Find the documents that have every term of an alternative, and its score in each."""
    first, *others = dict.fromkeys(alternative.terms)
    rows, values = _look_up(documents, first)
    for term in others:
        more_rows, more_values = _look_up(documents, term)
        rows, here, there = np.intersect1d(rows, more_rows, assume_unique=True, return_indices=True)
        values = values[here] + more_values[there]
    return rows, values * np.float32(alternative.weight)
