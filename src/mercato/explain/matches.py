"""The words of a query that a product holds, field by field, by the word index's own analyser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field

from mercato.catalog.field_names import ATTRIBUTES, write_field
from mercato.catalog.product import TEXT_FIELDS, Product
from mercato.query.word_query import WordGroup
from mercato.text.stopwords import drop_stopwords
from mercato.text.words import WordAnalyzer, list_words


@dataclass(frozen=True, kw_only=True)
class FieldMatch:
    """What matched in one field.

    Attributes:
        field: name of the field as filters write it; an attribute as ``attributes.colour``.
        words: as the query has them, in its order; then the product's own for those that it says otherwise.
        stands_for: for each of the latter the query's words: ``{"sofa": "couch"}``.
    """

    field: str
    words: tuple[str, ...]
    stands_for: Mapping[str, str] = dataclass_field(default_factory=dict)


class QueryWords:
    """The words of a query, ready to be looked for in products."""

    def __init__(
        self,
        texts: Sequence[str],
        analyzer: WordAnalyzer,
        stopwords: frozenset[str],
        groups: Iterable[WordGroup] = (),
    ) -> None:
        """Analyse a query.

        Args:
            texts: the query, and its correction.
            analyzer: the word index's.
            stopwords: terms that are not looked for.
            groups: the same as the word index was asked, with other ways to say it (synonyms, compounds).
        """
        self._analyzer = analyzer
        self._names: dict[str, _Name] = {}
        for text in texts:
            wanted = set(drop_stopwords(analyzer.analyze(text), stopwords))
            for term, name in _name_terms(text, analyzer):
                if term in wanted:
                    self._names.setdefault(term, name)
        self._others = [
            (self._name_group(group), frozenset(other.terms)) for group in groups for other in group.alternatives
        ]

    def find(self, product: Product, fields: Iterable[str] = TEXT_FIELDS) -> list[FieldMatch]:
        """Find the query's words in a product.

        Args:
            product: the product.
            fields: of `mercato.index.search_weights.WORD_FIELDS`.

        Returns:
            The fields that hold a word, in the order given; of attributes each for itself.
        """
        found = []
        for name, text in _list_texts(product, fields):
            terms = self._analyzer.list_held(text)
            words = self._match(terms)
            others = self._match_others(text, terms, words)
            if words or others:
                every = tuple(dict.fromkeys([*words, *others]))
                found.append(FieldMatch(field=name, words=every, stands_for=others))
        return found

    def _match(self, terms: set[str]) -> tuple[str, ...]:
        held = terms & self._names.keys()
        # Of "15.6 inch" that matched as a whole, "15.6" and "inch" say nothing more.
        told = {part for term in held for part in self._names[term].parts}
        words = [name.word for term, name in self._names.items() if term in held - told]
        return tuple(dict.fromkeys(words))

    def _match_others(self, text: str, terms: set[str], words: tuple[str, ...]) -> dict[str, str]:
        """Find what says a word of the query otherwise: the text's words, and the query's that they stand for."""
        found: dict[str, str] = {}
        for meant, other in self._others:
            if other <= terms and meant not in words:
                said = [word for word in list_words(text) if other.intersection(self._analyzer.list_held(word))]
                found.setdefault(" ".join(dict.fromkeys(said)), meant)
        return found

    def _name_group(self, group: WordGroup) -> str:
        keys = [chunk.joined or chunk.parts[0] for chunk in group.chunks]
        return " ".join(self._names[key].word if key in self._names else key for key in keys)


@dataclass(frozen=True)
class _Name:
    """How a term is called, and the terms that it makes needless."""

    word: str
    parts: frozenset[str] = frozenset()


def collect_words(matches: Sequence[FieldMatch]) -> list[str]:
    """Return the words that matched in any field, each once."""
    return list(dict.fromkeys(word for match in matches for word in match.words))


def compare_products(product: Product, other: Product) -> list[FieldMatch]:
    """Find what two products have in common: brand, the most specific category, attributes with the same value."""
    shared: dict[str, tuple[str, ...]] = {}
    if product.brand and product.brand == other.brand:
        shared["brand"] = (product.brand,)
    if product.categories and other.categories and product.categories[-1] == other.categories[-1]:
        shared["categories"] = (product.categories[-1],)
    for name, value in _list_attributes(product):
        if value and other.joined_attributes.get(name) == product.joined_attributes[name]:
            shared[write_field(ATTRIBUTES + name)] = (value,)
    return [FieldMatch(field=name, words=words) for name, words in shared.items()]


def _name_terms(text: str, analyzer: WordAnalyzer) -> Iterable[tuple[str, _Name]]:
    """List the terms of a text with their names: a whole word's is the word, a part's is the part."""
    for word in list_words(text):
        chunks = analyzer.split(word)
        for chunk in chunks:
            if chunk.joined:
                yield chunk.joined, _Name(word if len(chunks) == 1 else chunk.joined, frozenset(chunk.parts))
            alone = len(chunks) == 1 and len(chunk.parts) == 1 and not chunk.joined
            yield from ((part, _Name(word if alone else part)) for part in chunk.parts)


def _list_texts(product: Product, fields: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in fields:
        if name == "attributes":
            yield from ((write_field(ATTRIBUTES + key), text) for key, text in _list_attributes(product))
        else:
            yield name, product.field_text(name)


def _list_attributes(product: Product) -> Iterable[tuple[str, str]]:
    one_each: Mapping[str, Product] = {
        key: replace(product, attributes={key: value}, variants=()) for key, value in product.joined_attributes.items()
    }
    for key, alone in one_each.items():
        yield key, alone.field_text("attributes")
