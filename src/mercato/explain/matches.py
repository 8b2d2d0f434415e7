"""The words of a query that a product holds, field by field, by the word index's own analyser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mercato.catalog.product import TEXT_FIELDS, Product
from mercato.retrieval.stopwords import drop_stopwords
from mercato.text.words import WordAnalyzer, list_words


@dataclass(frozen=True, kw_only=True)
class FieldMatch:
    """What matched in one field.

    Attributes:
        field: name of the field; an attribute as ``attributes.colour``.
        words: as the query has them, in its order.
    """

    field: str
    words: tuple[str, ...]


class QueryWords:
    """The words of a query, ready to be looked for in products."""

    def __init__(self, texts: Sequence[str], analyzer: WordAnalyzer, stopwords: frozenset[str]) -> None:
        """Analyse a query.

        Args:
            texts: the query, and other texts that were searched with it (its correction, synonyms).
            analyzer: the word index's.
            stopwords: terms that are not looked for.
        """
        self._analyzer = analyzer
        self._names: dict[str, _Name] = {}
        for text in texts:
            wanted = set(drop_stopwords(analyzer.analyze(text), stopwords))
            for term, name in _name_terms(text, analyzer):
                if term in wanted:
                    self._names.setdefault(term, name)

    def find(self, product: Product, fields: Iterable[str] = TEXT_FIELDS) -> list[FieldMatch]:
        """Find the query's words in a product.

        Args:
            product: the product.
            fields: of `mercato.catalog.terms.WORD_FIELDS`.

        Returns:
            The fields that hold a word, in the order given; of attributes each for itself.
        """
        found = []
        for name, text in _list_texts(product, fields):
            words = self._match(text)
            if words:
                found.append(FieldMatch(field=name, words=words))
        return found

    def _match(self, text: str) -> tuple[str, ...]:
        held = set(self._analyzer.analyze(text)) & self._names.keys()
        # Of "15.6 inch" that matched as a whole, "15.6" and "inch" say nothing more.
        told = {part for term in held for part in self._names[term].parts}
        words = [name.word for term, name in self._names.items() if term in held - told]
        return tuple(dict.fromkeys(words))


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
        if value and other.attributes.get(name) == product.attributes[name]:
            shared[f"attributes.{name}"] = (value,)
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
            yield from ((f"attributes.{key}", text) for key, text in _list_attributes(product))
        else:
            yield name, product.field_text(name)


def _list_attributes(product: Product) -> Iterable[tuple[str, str]]:
    one_each: Mapping[str, Product] = {
        key: replace(product, attributes={key: value}) for key, value in product.attributes.items()
    }
    for key, alone in one_each.items():
        yield key, alone.field_text("attributes")
