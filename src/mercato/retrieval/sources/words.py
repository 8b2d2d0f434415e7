"""The source `words`: in a search, the products that hold words of the query."""

from __future__ import annotations

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.index.live import LiveCatalog
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.query.word_query import WordQuery
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.sources.base import Source
from mercato.retrieval.word_match import WordMatches, match_words


class WordsSource(Source):
    """Finds by words (BM25)."""

    label = "words"
    turn = 0
    phrases = {"alone": "holds a word of the query", "after": "next by the words of the query"}


def find_words(catalog: LiveCatalog, queries: QueryAnalyzer, context: RetrievalContext) -> WordMatches:
    """Score every product by the words of the query, snapshot rows and delta entries, by row; 0 where not allowed."""
    return find_word_matches(catalog, queries.read(context.request.text, context.language), context)


def find_word_matches(catalog: LiveCatalog, query: WordQuery, context: RetrievalContext) -> WordMatches:
    """Score every product as `find_words` does, by the words of a query that was read already."""
    index = catalog.snapshot.words
    found = match_words(query, index)
    entries = context.allowed.entries
    if not len(entries):
        return found.keep(context.allowed.rows) if context.allowed.rows_missing else found
    changed = match_words(query, index.look_outside(catalog.delta.postings, len(entries))).keep(entries)
    inheriting = np.flatnonzero(entries & catalog.delta.inherits_words[: len(entries)])
    changed = changed.take_over(found, catalog.delta.replaced_rows[inheriting], inheriting)
    return found.keep(context.allowed.rows).followed_by(changed)


def require_words(size: int) -> int:
    """Return how many words of a query of ``size`` a product must hold: all of three, three of four, six of eight."""
    return size - size // 4


def rank_words(
    catalog: LiveCatalog, queries: QueryAnalyzer, context: RetrievalContext, rows: Int32
) -> tuple[Float32, Int32]:
    """Return the word scores of products (int32 [n] rows), and their ranks from 1 among all that match; 0 for none."""
    scores = find_words(catalog, queries, context).scores.spread()
    ordered = np.lexsort((np.arange(len(scores)), -scores))
    rank = np.empty(len(scores), np.int32)
    rank[ordered] = np.arange(1, len(scores) + 1)
    return scores[rows], np.where(scores[rows] > 0, rank[rows], 0).astype(np.int32)


WORDS = WordsSource()
