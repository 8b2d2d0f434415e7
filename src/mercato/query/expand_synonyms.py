"""Synonyms of a query: other ways to say its words."""

from __future__ import annotations

from collections.abc import Sequence

from mercato.index.synonyms import SynonymRule
from mercato.query.word_query import Alternative, WordGroup
from mercato.text.words import Chunk, WordAnalyzer

SYNONYM_WEIGHT = 0.9
"""The shopper's own word comes first where a product holds it as prominently."""

_Phrase = tuple[Chunk, ...]


class SynonymMap:
    """The synonyms of a catalogue, as its word index calls them.

    A query is read once, from left to right, the longest phrase first; what a rule gives is not looked up again. So
    rules may go in circles (``a => b``, ``b => a``): each finds the other, and nothing repeats.
    """

    def __init__(self, rules: Sequence[SynonymRule], analyzer: WordAnalyzer, stopwords: frozenset[str]) -> None:
        """Analyse rules.

        Args:
            rules: the rules; several for one phrase add up.
            analyzer: the word index's.
            stopwords: terms that queries lose; so do the phrases.
        """
        self._analyzer = analyzer
        self._stopwords = stopwords
        self._found: dict[_Phrase, dict[_Phrase, None]] = {}
        for rule in rules:
            right = dict.fromkeys(filter(None, map(self._analyze, rule.right or rule.left)))
            for left in filter(None, map(self._analyze, rule.left)):
                if right:
                    self._found.setdefault(left, {}).update(right)
        self._known = {chunk for phrase in self._found for chunk in phrase}
        self._longest = max(map(len, self._found), default=0)

    def __len__(self) -> int:
        """Return the number of phrases that have synonyms."""
        return len(self._found)

    def has(self, word: Chunk) -> bool:
        """Return whether a word stands in a phrase that has synonyms."""
        return word in self._known

    def expand(self, chunks: Sequence[Chunk]) -> list[WordGroup]:
        """Group the words of a query: those of a phrase with its synonyms, each other word alone."""
        groups: list[WordGroup] = []
        position = 0
        while position < len(chunks):
            for length in range(min(self._longest, len(chunks) - position), 0, -1):
                phrase = tuple(chunks[position : position + length])
                if phrase in self._found:
                    groups.append(_group(phrase, list(self._found[phrase])))
                    position += length
                    break
            else:
                groups.append(WordGroup(chunks=(chunks[position],)))
                position += 1
        return groups

    def _analyze(self, phrase: str) -> _Phrase:
        chunks = self._analyzer.split(phrase)
        kept = [chunk for chunk in chunks if not self._stopwords.issuperset(chunk.terms)]
        return tuple(kept or chunks)


def _group(phrase: _Phrase, found: list[_Phrase]) -> WordGroup:
    """Make the group of a phrase: it stays where its synonyms hold it, else the first of them takes its place."""
    own = phrase if phrase in found else found[0]
    others = [terms for other in found if other != own for terms in _list_terms(other)]
    return WordGroup(
        chunks=own, alternatives=tuple(Alternative(terms=terms, weight=SYNONYM_WEIGHT) for terms in others)
    )


def _list_terms(phrase: _Phrase) -> list[tuple[str, ...]]:
    """List the ways in which a phrase is written: words of several parts in one, or all in parts."""
    joined = tuple(term for chunk in phrase for term in ((chunk.joined,) if chunk.joined else chunk.parts))
    apart = tuple(part for chunk in phrase for part in chunk.parts)
    return [joined] if joined == apart else [joined, apart]
