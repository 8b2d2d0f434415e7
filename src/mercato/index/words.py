"""The word index: BM25 over weighted fields, every term's scores kept ready in a sparse matrix.

The matrix is memory-mapped, term by term. A query reads the postings of its terms and gets the score of every product,
so that a filter is a mask and the number of matches is exact. The layout is that of the bm25s library; its own
indexing knows neither fields nor weights (docs/decisions/0009).
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float32, Float64, Int32, Int64
from mercato.catalog.product import Product
from mercato.errors import SnapshotError
from mercato.index.arrays import map_arrays, write_arrays
from mercato.index.catalog_words import NumberLists
from mercato.index.delta import Postings
from mercato.index.search_weights import FieldWeights
from mercato.index.text_lookup import TextLookup, pack_texts
from mercato.text.compounds import Part
from mercato.text.words import WordAnalyzer

FieldTerms = Sequence[Sequence[str]]
"""The terms of one product, field by field, in the order of `FieldWeights.fields`."""
FieldMinors = Sequence[Sequence[Part]]
"""Likewise the terms that a product holds beside, such as parts of compounds, with what each is worth beside a word."""

_POSTINGS = "postings.safetensors"
_TERMS = "terms.safetensors"
_VOCABULARY = "vocabulary.json"
"""The terms of a snapshot from before they were mapped."""
_STATISTICS = "statistics.json"


class DocumentTerms(NamedTuple):
    """What the word index knows of one product, field by field.

    Attributes:
        terms: of its words; fields are as long as they have such.
        minor: what it holds beside.
    """

    terms: list[list[str]]
    minor: list[list[Part]]


class TermLookup(Protocol):
    """Where terms occur, and what each occurrence is worth."""

    @property
    def count(self) -> int:
        """Number of documents."""

    def lookup(self, term: str) -> tuple[npt.NDArray[np.integer], Float32]:  # type: ignore[type-arg]
        """Return the documents that have a term, ascending, and its score in each; empty for an unknown one."""


class WordIndex:
    """A mapped index over the rows of a snapshot.

    Attributes:
        count: number of rows.
        settings: weights and constants that it was built with.
        average_lengths: terms of each field of `FieldWeights.fields`, on average over the products that have it.
    """

    def __init__(self, folder: Path) -> None:
        """Map an index.

        Raises:
            SnapshotError: a file is missing or altered.
        """
        try:
            statistics = json.loads((folder / _STATISTICS).read_bytes())
            self.count: int = statistics["documents"]
            self.average_lengths: tuple[float, ...] = tuple(statistics["average_lengths"])
            self.settings = FieldWeights(**statistics["settings"])
            self._terms = _open_terms(folder)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise SnapshotError(f"{folder.name}: cannot be read ({exc}); build the snapshot again") from exc
        arrays = map_arrays(folder / _POSTINGS)
        self._scores: Float32 = arrays["scores"]
        self._rows: Int32 = arrays["rows"]
        self._bounds: Int64 = arrays["bounds"]
        self._frequencies: Int64 | None = arrays.get("frequencies")
        """Of a shard, in how many products of the whole catalogue each term stands."""

    def __contains__(self, term: object) -> bool:
        """Return whether some product has the term."""
        return term in self._terms

    @property
    def terms(self) -> Sequence[str]:
        """Every term, ascending."""
        return self._terms

    def frequency(self, term: str) -> int:
        """Return how many products of the catalogue have a term, those of other shards too."""
        number = self._terms.find(term)
        if number < 0:
            return 0
        if self._frequencies is not None:
            return int(self._frequencies[number])
        return int(self._bounds[number + 1] - self._bounds[number])

    def with_prefix(self, prefix: str) -> Iterator[str]:
        """Iterate over the terms that begin with a text, ascending, the text itself included."""
        position = self._terms.bisect(prefix)
        while position < len(self._terms) and self._terms[position].startswith(prefix):
            yield self._terms[position]
            position += 1

    def lookup(self, term: str) -> tuple[Int32, Float32]:
        """Return the rows that have a term, int32 ascending, and its BM25 score in each, float32."""
        number = self._terms.find(term)
        if number < 0:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        span = slice(self._bounds[number], self._bounds[number + 1])
        return self._rows[span], self._scores[span]

    def number(self, term: str) -> int:
        """Return which of the terms, ascending, one is; -1 for none."""
        return self._terms.find(term)

    def list_postings(self, limit: int) -> Iterator[tuple[int, Int64, Int32]]:
        """Iterate over the postings of all terms, some terms at a time.

        Args:
            limit: postings at a time, more where one term has more.

        Yields:
            The number of the first term; where each one's begin, int64 [terms + 1] from 0; and the rows, int32.
        """
        first = 0
        while first < len(self._terms):
            last = int(np.searchsorted(self._bounds, self._bounds[first] + limit, side="right")) - 1
            last = min(max(last, first + 1), len(self._terms))
            bounds = np.asarray(self._bounds[first : last + 1])
            yield first, bounds - bounds[0], self._rows[bounds[0] : bounds[-1]]
            first = last

    def reorder(self, row_of: Int32) -> WordIndex:
        """Return the same index over rows in another order.

        Args:
            row_of: int32 [rows], where each row stands in the new order.
        """
        moved = row_of[self._rows]
        order = np.lexsort((moved, np.repeat(np.arange(len(self._terms)), np.diff(self._bounds))))
        reordered = copy.copy(self)
        reordered._rows, reordered._scores = moved[order], self._scores[order]
        return reordered

    def scores(self, terms: Sequence[str]) -> Float32:
        """Return every row's BM25 score for the terms, float32 [rows]; 0 where no term occurs."""
        scores = np.zeros(self.count, np.float32)
        for term in terms:
            rows, values = self.lookup(term)
            scores[rows] += values
        return scores

    def weigh(self, terms: FieldTerms, minor: FieldMinors = ()) -> dict[str, float]:
        """Return the weighted frequency of each term of a product, with the index's average lengths.

        BM25F (Robertson, Zaragoza & Taylor 2004; Zaragoza et al. 2004): sum over fields f of
        w_f * tf_f / (1 - b + b * l_f / L_f), with the field's weight w, the term's count tf, the field's length l and
        the average L of lengths. What a product holds beside is worth its part of that, and makes no field longer.

        Args:
            terms: of the product.
            minor: what it holds beside.
        """
        weighted: dict[str, float] = {}
        worths = self._worth(terms)
        for worth, found in zip(worths, terms, strict=True):
            for term in found:
                weighted[term] = weighted.get(term, 0.0) + worth
        for worth, parts in zip(worths, minor, strict=False):
            for term, share in parts:
                weighted[term] = weighted.get(term, 0.0) + worth * share
        return weighted

    def _worth(self, terms: FieldTerms) -> list[float]:
        return [
            _worth_of_a_word(self.settings, name, len(found), average)
            for name, found, average in zip(self.settings.fields, terms, self.average_lengths, strict=True)
        ]

    def look_outside(self, postings: Mapping[str, Postings], count: int) -> TermLookup:
        """Look at documents that are not in the index as if they were, with the index's statistics.

        Args:
            postings: for each term the documents that have it and its weighted frequency in each.
            count: number of documents.
        """
        return _Outside(self, postings, count)

    def saturate(self, term: str, frequencies: Float32) -> Float32:
        """Return a term's scores from its weighted frequencies, float32 of the same shape.

        BM25 as Lucene has it (Kamphuis et al. 2020): ln(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1), N products,
        df of them with the term in some field.
        """
        inverse = _inverse_document_frequency(self.frequency(term), self.count)
        scores: Float32 = np.float32(inverse) * frequencies / (frequencies + np.float32(self.settings.saturation))
        return scores


class _Outside:
    """Documents beside the index."""

    def __init__(self, index: WordIndex, postings: Mapping[str, Postings], count: int) -> None:
        self._index = index
        self._postings = postings
        self.count = count

    def lookup(self, term: str) -> tuple[Int64, Float32]:
        found = self._postings.get(term)
        if found is None:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        return np.array(found.entries, np.int64), self._index.saturate(term, np.array(found.weights, np.float32))


@dataclass(frozen=True, kw_only=True)
class Occurrences:
    """Which terms stand where in a catalogue.

    Attributes:
        vocabulary: the terms, distinct, in any order; the position is the number.
        terms: numbers of the terms of each product's fields, in the order of `FieldWeights.fields`: a list a field.
        minor: numbers of what fields hold beside, likewise.
        shares: what each of ``minor`` is worth beside a word, float64.
    """

    vocabulary: Sequence[str]
    terms: NumberLists
    minor: NumberLists
    shares: Float64


def build_word_index(found: Occurrences, settings: FieldWeights, folder: Path) -> None:
    """Build an index and write it to a folder.

    Args:
        found: what the products hold, in row order.
        settings: how it is weighed.
        folder: where it is written to.
    """
    fields = settings.fields
    lengths = found.terms.lengths.reshape(-1, len(fields))
    count = len(lengths)
    averages = lengths.sum(axis=0) / np.maximum(np.count_nonzero(lengths, axis=0), 1)
    worth = np.stack(
        [_worth_of_words(settings, *one) for one in zip(fields, lengths.T, averages.tolist(), strict=True)], axis=1
    ).ravel()
    order = sorted(range(len(found.vocabulary)), key=found.vocabulary.__getitem__)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.arange(len(order))
    places = np.concatenate([found.terms.owners, found.minor.owners])
    weights = np.concatenate([worth[found.terms.owners], worth[found.minor.owners] * found.shares])
    # One number for each pair of term and row: sorted, the postings of a term lie together, rows ascending.
    pairs = numbers[np.concatenate([found.terms.numbers, found.minor.numbers])] * count + places // len(fields)
    pairs, positions = np.unique(pairs, return_inverse=True)
    frequencies = np.bincount(positions, weights, len(pairs))
    term_ids, posting_rows = np.divmod(pairs, count)
    counts = np.bincount(term_ids, minlength=len(order))
    inverse = np.array([_inverse_document_frequency(int(one), count) for one in counts])
    folder.mkdir(parents=True, exist_ok=True)
    write_arrays(
        folder / _POSTINGS,
        {
            "scores": (inverse[term_ids] * frequencies / (frequencies + settings.saturation)).astype(np.float32),
            "rows": posting_rows.astype(np.int32),
            "bounds": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        },
    )
    write_arrays(folder / _TERMS, pack_texts([found.vocabulary[number] for number in order]))
    statistics = {
        "documents": count,
        "average_lengths": averages.tolist(),
        "settings": settings.as_dict(),
    }
    (folder / _STATISTICS).write_text(json.dumps(statistics), encoding="utf-8")


def _open_terms(folder: Path) -> TextLookup:
    """Open the terms of an index, ascending."""
    if (folder / _TERMS).exists():
        return TextLookup.from_arrays(map_arrays(folder / _TERMS))
    return TextLookup.from_arrays(pack_texts(json.loads((folder / _VOCABULARY).read_bytes())))


def _worth_of_words(settings: FieldWeights, field: str, lengths: Int64, average: float) -> Float64:
    """Return what one occurrence in a field of each of some lengths counts."""
    b = settings.length_penalty
    worth: Float64 = settings.weights[field] / (1 - b + b * lengths / max(average, 1.0))
    return worth


def _worth_of_a_word(settings: FieldWeights, field: str, length: int, average: float) -> float:
    """Return what one occurrence in a field of a given length counts."""
    b = settings.length_penalty
    return settings.weights[field] / (1 - b + b * length / max(average, 1.0))


def _inverse_document_frequency(frequency: int, count: int) -> float:
    return math.log(1 + (count - frequency + 0.5) / (frequency + 0.5))


def list_terms(
    product: Product, fields: Sequence[str], analyzer: WordAnalyzer, by_field: Mapping[str, WordAnalyzer] | None = None
) -> DocumentTerms:
    """Return the terms of each of a product's fields, and what it holds beside.

    Args:
        product: the product.
        fields: of `mercato.index.search_weights.WORD_FIELDS`.
        analyzer: the word index's analyser.
        by_field: those of single fields, and of single attributes, that are in another language.
    """
    terms, minor = [], []
    for field in fields:
        found = [reader.read(text) for reader, text in list_texts(product, field, analyzer, by_field or {})]
        terms.append([term for part in found for term in part.terms])
        minor.append([held for part in found for held in part.minor])
    return DocumentTerms(terms, minor)


def list_texts(
    product: Product, field: str, analyzer: WordAnalyzer, by_field: Mapping[str, WordAnalyzer]
) -> list[tuple[WordAnalyzer, str]]:
    """List the texts of a product's field, each with what reads it; see `list_terms`."""
    own = [key for key in product.attributes if key in by_field] if by_field and field == "attributes" else []
    if not own:
        return [(by_field.get(field, analyzer), product.field_text(field))]
    others = {key: value for key, value in product.attributes.items() if key not in by_field}
    parts = [(by_field[key], replace(product, attributes={key: product.attributes[key]}, variants=())) for key in own]
    parts.append((by_field.get(field, analyzer), replace(product, attributes=others)))
    return [(reader, part.field_text(field)) for reader, part in parts]
