"""How the queries of one catalogue are read: its stop words, synonyms, compounds and spelling, made once."""

from __future__ import annotations

from functools import lru_cache

from mercato.arrays import Float32
from mercato.index.live import LiveCatalog
from mercato.query.expand_synonyms import SynonymMap
from mercato.query.head import HeadFinder
from mercato.query.speller import Correction, Speller
from mercato.query.word_query import QueryReader, WordQuery
from mercato.text.stopwords import list_stopwords

_QUERIES_KEPT = 64
"""Queries of the batches under way: words and kinds both read them."""


class QueryAnalyzer:
    """Reads queries as the catalogue's word index holds its texts.

    Attributes:
        analyzer: splits texts into words and terms, as the word index did.
        stopwords: terms that queries lose.
    """

    def __init__(self, catalog: LiveCatalog) -> None:
        """Make what a catalogue's queries need.

        Args:
            catalog: the products; words of later changes count as soon as it has read them.
        """
        self._catalog = catalog
        self.analyzer = catalog.analyzer
        self.stopwords = list_stopwords(self.analyzer, catalog.snapshot.settings["language"])
        self._synonyms = SynonymMap(catalog.snapshot.synonyms, self.analyzer, self.stopwords)
        self._reader = QueryReader(self.analyzer, self.stopwords, catalog.snapshot.words, self._synonyms.expand)
        self._read = lru_cache(_QUERIES_KEPT)(self._reader.read)
        self._heads = HeadFinder(self.analyzer, catalog.snapshot.settings["language"])
        self._speller = Speller(
            catalog.snapshot.vocabulary, self._count_products, self._reader.is_compound, catalog.vocabulary
        )

    def read(self, text: str) -> WordQuery:
        """Read a query as groups of terms; see `mercato.query.word_query.QueryReader.read`."""
        return self._read(text)

    def weigh_heads(self, text: str, query: WordQuery) -> Float32:
        """Weigh the groups of a query by grammar; see `mercato.query.head.HeadFinder.weigh`."""
        return self._heads.weigh(text, query)

    def correct(self, text: str) -> Correction | None:
        """Correct a query's spelling; see `mercato.query.speller.Speller.correct`."""
        return self._speller.correct(text)

    def _count_products(self, word: str) -> int:
        """Return in how many products a word stands, in any form; all of them for a stop word or a synonym."""
        chunks = self.analyzer.split(word)
        terms = {term for chunk in chunks for term in chunk.terms}
        if terms & self.stopwords or any(self._synonyms.has(chunk) for chunk in chunks):
            return self._catalog.base
        return max(map(self._catalog.term_frequency, terms), default=0)
