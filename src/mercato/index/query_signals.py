"""What a snapshot learned of queries: what people chose after them, and which they sent.

Here, and not with the source that uses the first, because reading queries (spelling, suggestions) uses them too.
"""

from __future__ import annotations

from collections.abc import Iterable

from mercato.index.learned import LearningInput, Signal
from mercato.signals.past_queries import PastQueries, learn_past_queries
from mercato.signals.query_use import QueryUse, learn_query_use
from mercato.text.query_key import hash_terms


def _learn_use(data: LearningInput) -> QueryUse:
    return QueryUse() if data.queries is None else learn_query_use(data.queries, until=data.until)


def _learn_past(data: LearningInput) -> PastQueries:
    return PastQueries() if data.queries is None else learn_past_queries(data.queries, until=data.until)


QUERY_USE = Signal(name="query_use", kind=QueryUse, learn=_learn_use, missing=QueryUse)
"""What people chose after queries; nothing in a snapshot from before there was the signal."""
PAST_QUERIES = Signal(name="past_queries", kind=PastQueries, learn=_learn_past, missing=PastQueries)
"""The queries that several people sent; none in a snapshot from before there was the signal."""


def count_word_categories(use: QueryUse, terms: Iterable[str]) -> dict[str, dict[int, float]]:
    """Return by term and category how many people chose something of the category after searching for that word alone.

    Of queries of several words nobody knows which of them the category answers: "red mug" says nothing of red.

    Args:
        use: what people chose after queries.
        terms: of the word index.
    """
    if not len(use):
        return {}
    counted = {term: use.count_categories(hash_terms((term,))) for term in terms}
    return {term: {code: float(people) for code, people in of.items()} for term, of in counted.items() if of}
