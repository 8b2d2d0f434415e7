"""How the queries of one catalogue are read: its stop words, synonyms, compounds and spelling, made once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mercato.arrays import Int32
from mercato.index.live import LiveCatalog
from mercato.query.expand_synonyms import SynonymMap
from mercato.query.speller import Correction, Doubt, Speller
from mercato.query.word_query import QueryReader, WordQuery
from mercato.text.stopwords import list_stopwords

SAMPLED_ROWS = 512
_WORDS_KEPT = 4096


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
        self._rows_of = lru_cache(_WORDS_KEPT)(self._find_rows)
        self._speller = Speller(
            catalog.snapshot.vocabulary,
            self._count_products,
            self._reader.is_compound,
            catalog.vocabulary,
            catalog.snapshot.spelling,
            self._count_together,
        )

    def read(self, text: str) -> WordQuery:
        """Read a query as groups of terms; see `mercato.query.word_query.QueryReader.read`."""
        return self._reader.read(text)

    def correct(self, text: str) -> Correction | None:
        """Correct a query's spelling; see `mercato.query.speller.Speller.correct`."""
        return self._speller.correct(text)

    def find_doubts(self, text: str) -> list[Doubt]:
        """Return what is doubted of a query; see `mercato.query.speller.Speller.find_doubts`."""
        return self._speller.find_doubts(text)

    def _count_together(self, word: str, other: str) -> tuple[float, float] | None:
        """Estimate in how many products of the snapshot two words are, and in how many by chance; None for a stop word.

        Of a word of many products every n-th is looked at, `SAMPLED_ROWS` at least.
        """
        rows, others = self._rows_of(word), self._rows_of(other)
        if rows is None or others is None:
            return None
        if len(rows) > len(others):
            rows, others = others, rows
        if not len(rows):
            return 0.0, 0.0
        step = max(len(rows) // SAMPLED_ROWS, 1)
        sample = rows[::step]
        places = np.minimum(others.searchsorted(sample), len(others) - 1)
        both = float(np.count_nonzero(others[places] == sample)) * step
        return both, len(rows) * len(others) / self._catalog.base

    def _find_rows(self, word: str) -> Int32 | None:
        """Return the rows of the snapshot that have a word; None for one that says nothing."""
        terms = [term for term in self.analyzer.analyze(word) if term not in self.stopwords]
        return self._catalog.snapshot.words.lookup(terms[-1])[0] if terms else None

    def _count_products(self, word: str) -> int:
        """Return in how many products a word stands, in any form; all of them for a stop word or a synonym."""
        chunks = self.analyzer.split(word)
        terms = {term for chunk in chunks for term in chunk.terms}
        if terms & self.stopwords or any(self._synonyms.has(chunk) for chunk in chunks):
            return self._catalog.base
        return max(map(self._catalog.term_frequency, terms), default=0) or self._reader.count_inside(word)
