"""The source `words`: in a search, the products that hold words of the query."""

from __future__ import annotations

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.index.live import LiveCatalog
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.query.word_query import WordQuery
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.sources.base import Source
from mercato.retrieval.word_match import WordMatches, join_groups, match_group


class WordsSource(Source):
    """Finds by words (BM25)."""

    label = "words"
    turn = 0
    phrases = {"alone": "holds a word of the query", "after": "next by the words of the query"}


def find_words(catalog: LiveCatalog, queries: QueryAnalyzer, context: RetrievalContext) -> WordMatches:
    """Score the allowed products by the words of the query, snapshot rows and delta entries, by row."""
    return find_word_matches(catalog, queries.read(context.request.text, context.language), context)


def find_word_matches(catalog: LiveCatalog, query: WordQuery, context: RetrievalContext) -> WordMatches:
    """Score products as `find_words` does, by the words of a query that was read already."""
    index, allowed, delta = catalog.snapshot.words, context.allowed, catalog.delta
    outside = index.look_outside(delta.postings, len(allowed.entries)) if len(allowed.entries) else None
    inheriting = np.flatnonzero(allowed.entries & delta.inherits_words[: len(allowed.entries)])
    groups = []
    for group in query.groups:
        found = match_group(group, index)
        kept = found.keep(allowed.rows) if allowed.rows_missing else found
        if outside is not None:
            changed = match_group(group, outside).keep(allowed.entries)
            changed = changed.take_over(found, delta.replaced_rows[inheriting], inheriting)
            kept = kept.followed_by(changed, index.count)
        groups.append(kept)
    return join_groups(groups, query, index.count + len(allowed.entries))


def require_words(size: int) -> int:
    """Return how many words of a query of ``size`` a product must hold: all of three, three of four, six of eight."""
    return size - size // 4


def rank_words(
    catalog: LiveCatalog, queries: QueryAnalyzer, context: RetrievalContext, rows: Int32
) -> tuple[Float32, Int32]:
    """Return the word scores of products (int32 [n] rows), and their ranks from 1 among all that match; 0 for none."""
    found = find_words(catalog, queries, context)
    return found.read_scores(rows), found.read_ranks(rows)


WORDS = WordsSource()
