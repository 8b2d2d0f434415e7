"""How the queries of one catalogue are read: its stop words, synonyms, compounds and spelling, made once."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.index.live import LiveCatalog
from mercato.query.expand_synonyms import SynonymMap
from mercato.query.gloss import Glossary, Segment
from mercato.query.head import HeadFinder
from mercato.query.speller import Correction, Doubt, Speller
from mercato.query.word_query import Alternative, QueryReader, WordGroup, WordQuery
from mercato.text.language_names import find_language
from mercato.text.stopwords import list_stopwords
from mercato.text.words import list_words

CACHED_QUERIES = 256
GLOSS_WEIGHT = 0.9
"""The likeliest meaning of a word comes first where a product holds it as prominently."""

SAMPLED_ROWS = 512
_WORDS_KEPT = 4096

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
        self._rows_of = lru_cache(_WORDS_KEPT)(self._find_rows)
        self._language = find_language(catalog.snapshot.settings["language"])
        self._glossaries = {
            code: Glossary(language, glosses, self._is_known)
            for code, glosses in catalog.snapshot.glosses.items()
            if (language := find_language(code)) is not None
        }
        self._read = lru_cache(_QUERIES_KEPT)(self._reader.read)
        self._heads = HeadFinder(self.analyzer, catalog.snapshot.settings["language"])
        self._found = lru_cache(CACHED_QUERIES)(self._search_glossaries)
        self._speller = Speller(
            catalog.snapshot.vocabulary,
            self._count_products,
            self._reader.is_compound,
            catalog.vocabulary,
            catalog.snapshot.spelling,
            self._count_together,
        )

    def read(self, text: str, language: str = "") -> WordQuery:
        """Read a query as groups of terms; see `mercato.query.word_query.QueryReader.read`.

        Args:
            text: a normalised query.
            language: that it is in, as a request's context names it; empty for the shop's.
        """
        segments = self._look_up(text, language)
        if segments is None:
            return self._add_languages(text, self._read(text))
        groups: list[WordGroup] = []
        for segment in segments:
            groups += self._read_segment(segment)
        return WordQuery(groups=tuple(groups))

    def translate(self, text: str, language: str = "") -> str:
        """Return a query with the likeliest meaning of each word that was looked up; itself where none was.

        Args:
            text: a normalised query.
            language: as in `read`.
        """
        segments = self._look_up(text, language)
        return text if segments is None else " ".join(segment.meaning for segment in segments)

    def correct(self, text: str, language: str = "") -> Correction | None:
        """Correct a query's spelling; see `mercato.query.speller.Speller.correct`.

        A query whose words are looked up is in another language than the words that the speller knows.

        Args:
            text: a normalised query.
            language: as in `read`.
        """
        return self._speller.correct(text) if self._look_up(text, language) is None else None

    def _look_up(self, text: str, language: str) -> list[Segment] | None:
        """Look a query up in the glossary of its language; None for one that needs none.

        Where nobody says the language, it is that of the first glossary that knows a word that no product has. A query
        is corrected, encoded, matched and explained: what was found is kept until the catalogue's words change.
        """
        if not self._glossaries:
            return None
        return self._found(text, language, len(self._catalog.vocabulary.journal))

    def _search_glossaries(self, text: str, language: str, changes: int) -> list[Segment] | None:
        del changes
        spoken = find_language(language) if language else None
        glossary = self._glossaries.get(spoken.code) if spoken is not None else self._find_glossary(text)
        if glossary is None or glossary.language == self._language:
            return None
        segments = glossary.read(text)
        return segments if any(segment.glosses for segment in segments) else None

    def _find_glossary(self, text: str) -> Glossary | None:
        unknown = [word for word in list_words(text) if not self._is_known(word)]
        for glossary in self._glossaries.values() if unknown else ():
            if any(segment.glosses for word in unknown for segment in glossary.read(word)):
                return glossary
        return None

    def _is_known(self, word: str) -> bool:
        """Return whether some product has all terms of a word, in any of the catalogue's languages."""
        return any(
            bool(terms := analyzer.analyze(word)) and all(map(self._catalog.term_frequency, terms))
            for analyzer in (self.analyzer, *self._catalog.languages.others)
        )

    def _add_languages(self, text: str, query: WordQuery) -> WordQuery:
        """Add to each word of a query what it is called by the stemmers of the catalogue's other languages."""
        others = self._catalog.languages.split_otherwise(text, self.analyzer.split(text))
        if not others:
            return query
        groups = [
            replace(
                group,
                alternatives=(
                    *group.alternatives,
                    *(Alternative(terms=terms) for terms in others.get(group.chunks[0], ()) if group.size == 1),
                ),
            )
            for group in query.groups
        ]
        return WordQuery(groups=tuple(groups))

    def _read_segment(self, segment: Segment) -> list[WordGroup]:
        """Read a word or phrase as its likeliest meaning, with the others as alternatives."""
        groups = list(self._reader.read(segment.meaning).groups)
        others = [
            Alternative(terms=tuple(self.analyzer.analyze(gloss)), weight=GLOSS_WEIGHT) for gloss in segment.glosses[1:]
        ]
        if not others or not groups:
            return groups
        chunks = tuple(chunk for group in groups for chunk in group.chunks)
        alternatives = tuple(alternative for group in groups if len(groups) == 1 for alternative in group.alternatives)
        return [WordGroup(chunks=chunks, alternatives=(*alternatives, *others))]

    def find_doubts(self, text: str) -> list[Doubt]:
        """Return what is doubted of a query; see `mercato.query.speller.Speller.find_doubts`."""
        return self._speller.find_doubts(text)

    def _count_together(self, word: str, other: str) -> tuple[float, float] | None:
        """Estimate in how many products two words are, and in how many by chance; None for a stop word.

        Of a word of many products of the snapshot every n-th is looked at, `SAMPLED_ROWS` at least. Of the changes
        since all are, as they were written.
        """
        rows, others = self._rows_of(word), self._rows_of(other)
        if rows is None or others is None:
            return None
        live = len(self._find_live(word) & self._find_live(other))
        both, chance = self._count_rows_together(rows, others)
        return both + live, chance

    def _count_rows_together(self, rows: Int32, others: Int32) -> tuple[float, float]:
        if len(rows) > len(others):
            rows, others = others, rows
        if not len(rows):
            return 0.0, 0.0
        step = max(len(rows) // SAMPLED_ROWS, 1)
        sample = rows[::step]
        places = np.minimum(others.searchsorted(sample), len(others) - 1)
        both = float(np.count_nonzero(others[places] == sample)) * step
        return both, len(rows) * len(others) / self._catalog.base

    def _find_live(self, word: str) -> set[int]:
        """Return the changed products that have a word."""
        postings = self._catalog.delta.postings
        terms = [term for term in self.analyzer.analyze(word) if term not in self.stopwords] if postings else []
        return set(postings[terms[-1]].entries) if terms and terms[-1] in postings else set()

    def _find_rows(self, word: str) -> Int32 | None:
        """Return the rows of the snapshot that have a word; None for one that says nothing."""
        terms = [term for term in self.analyzer.analyze(word) if term not in self.stopwords]
        return self._catalog.snapshot.words.lookup(terms[-1])[0] if terms else None

    def weigh_heads(self, text: str, query: WordQuery) -> Float32:
        """Weigh the groups of a query by grammar; see `mercato.query.head.HeadFinder.weigh`."""
        return self._heads.weigh(text, query)

    def _count_products(self, word: str) -> int:
        """Return in how many products a word stands, in any form; all of them for a stop word or a synonym."""
        chunks = self.analyzer.split(word)
        terms = {term for chunk in chunks for term in chunk.terms}
        terms |= {term for other in self._catalog.languages.others for term in other.analyze(word)}
        if terms & self.stopwords or any(self._synonyms.has(chunk) for chunk in chunks):
            return self._catalog.base
        return max(map(self._catalog.term_frequency, terms), default=0) or self._reader.count_inside(word)
