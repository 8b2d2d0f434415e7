"""Building the word index of a catalogue: the analysers are asked for each distinct word once."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mercato.arrays import Int32, Int64
from mercato.catalog.product import Product
from mercato.index.catalog_words import CatalogWords, Numbering, NumberLists
from mercato.index.search_weights import FieldWeights
from mercato.index.words import Occurrences, build_word_index, list_texts
from mercato.text.catalog_languages import LANGUAGE_FIELDS, CatalogLanguages
from mercato.text.compounds import holds_words
from mercato.text.words import WordAnalyzer


def write_word_index(
    products: Sequence[Product],
    words: CatalogWords,
    names: Sequence[str],
    field_languages: Mapping[str, str],
    weights: FieldWeights,
    decimal_comma: bool | None,
    folder: Path,
) -> CatalogLanguages:
    """Build the word index; returns what split its texts, which does so again where words turn out to hold others.

    Args:
        products: the catalogue, in row order.
        words: theirs.
        names: its languages, the main one first.
        field_languages: word fields and keys of attributes that are in one language -> its name.
        weights: how much a word counts in each field.
        decimal_comma: see `WordAnalyzer`.
        folder: where it is written to.
    """
    make = partial(CatalogLanguages, names, fields=field_languages, decimal_comma=decimal_comma)
    languages = make()
    read = _read_products(products, words, weights.fields, languages)
    found = _find_terms(read, words.words, languages)
    if holds_words(names[0], (found.vocabulary[number] for number in np.unique(found.terms.numbers))):
        known = {found.vocabulary[number] for number in np.unique(found.terms.numbers)}
        languages = make(known=known)
        found = _find_terms(read, words.words, languages)
    build_word_index(found, weights, folder)
    return languages


@dataclass(frozen=True, kw_only=True)
class _ReadWords:
    """The words of products' fields, each with the analyser that reads it.

    Attributes:
        keys: ``reader * len(words) + word``, distinct; readers are the main analyser and then the others.
        places: positions in ``keys``, for each field of each product, row by row.
    """

    keys: Int64
    places: NumberLists


def _read_products(
    products: Sequence[Product], words: CatalogWords, fields: Sequence[str], languages: CatalogLanguages
) -> _ReadWords:
    readers = {id(reader): number for number, reader in enumerate((languages.main, *languages.others))}
    chosen = _choose_readers(products, words, languages, readers)
    texts, reads, places = [], [], []
    for position, field in enumerate(fields):
        if field == "attributes" and languages.by_field:
            some, by, rows = _read_attributes(products, words, chosen, languages, readers)
        else:
            some, rows = words.fields[field], np.arange(len(products))
            by = (
                np.full(len(products), readers[id(languages.by_field[field])])
                if field in languages.by_field
                else chosen
            )
        texts.append(some)
        reads.append(by)
        places.append(rows * len(fields) + position)
    place = np.concatenate(places)
    order = np.argsort(place, kind="stable")
    lists = words.by_text.take(np.concatenate(texts)[order])
    keys, positions = _number_keys(
        np.repeat(np.concatenate(reads)[order], lists.lengths) * len(words.words) + lists.numbers
    )
    first_texts = np.searchsorted(place[order], np.arange(len(products) * len(fields) + 1))
    return _ReadWords(keys=keys, places=NumberLists(bounds=lists.bounds[first_texts], numbers=positions))


def _choose_readers(
    products: Sequence[Product], words: CatalogWords, languages: CatalogLanguages, readers: Mapping[int, int]
) -> Int64:
    """Return the reader of each product, int64; the language of equal texts is looked for once."""
    if len(languages.names) < 2:
        return np.zeros(len(products), np.int64)
    told = np.stack([words.fields[field] for field in LANGUAGE_FIELDS], axis=1)
    _, firsts, texts = np.unique(told, axis=0, return_index=True, return_inverse=True)
    found = [readers[id(languages.choose(products[row].text(LANGUAGE_FIELDS)))] for row in firsts.tolist()]
    chosen: Int64 = np.array(found, np.int64)[texts.reshape(-1)]
    return chosen


def _read_attributes(
    products: Sequence[Product],
    words: CatalogWords,
    chosen: Int64,
    languages: CatalogLanguages,
    readers: Mapping[int, int],
) -> tuple[Int32, Int64, Int64]:
    """Read attributes of which some are in a language of their own: texts, their readers, and the row of each."""
    analyzers = (languages.main, *languages.others)
    texts: list[str] = []
    reads, rows = array("q"), array("q")
    for row, product in enumerate(products):
        for reader, text in list_texts(product, "attributes", analyzers[chosen[row]], languages.by_field):
            texts.append(text)
            reads.append(readers[id(reader)])
            rows.append(row)
    return words.read(texts), np.array(reads, np.int64), np.array(rows, np.int64)


def _number_keys(keys: Int64) -> tuple[Int64, Int32]:
    """Return the distinct keys, and the position of each key among them."""
    used = np.flatnonzero(np.bincount(keys)) if len(keys) else keys
    position = np.zeros(int(used[-1]) + 1 if len(used) else 0, np.int32)
    position[used] = np.arange(len(used))
    return used, position[keys]


def _find_terms(read: _ReadWords, words: Sequence[str], languages: CatalogLanguages) -> Occurrences:
    analyzers: tuple[WordAnalyzer, ...] = (languages.main, *languages.others)
    numbers: Numbering[str] = Numbering()
    number_of = numbers.__getitem__
    found = [analyzers[key // len(words)].read_word(words[key % len(words)]) for key in read.keys.tolist()]
    terms = NumberLists.collect(list(map(number_of, one.terms)) for one in found)
    minor = NumberLists.collect([number_of(term) for term, _ in one.minor] for one in found)
    held = np.array([share for one in found for _, share in one.minor], np.float64)
    # The list of minor terms of each word is a run of `held`: its numbers are their positions there.
    beside = read.places.follow(NumberLists(bounds=minor.bounds, numbers=np.arange(len(held), dtype=np.int32)))
    return Occurrences(
        vocabulary=list(numbers),
        terms=read.places.follow(terms),
        minor=NumberLists(bounds=beside.bounds, numbers=minor.numbers[beside.numbers]),
        shares=held[beside.numbers],
    )
