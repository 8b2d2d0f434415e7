"""Suggestions in a snapshot: written by `mercato index`, made anew for a snapshot that was built without."""

from __future__ import annotations

import json
import logging
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from mercato.catalog.product import Product
from mercato.errors import SnapshotError
from mercato.index import layout
from mercato.index.arrays import map_arrays, write_arrays
from mercato.index.documents import Documents
from mercato.index.manifest import read_manifest
from mercato.index.snapshot import read_columns
from mercato.index.synonyms import read_stored_synonyms
from mercato.index.words import WordIndex
from mercato.query.suggest.collect import Suggestible, collect_entries
from mercato.query.suggest.index import SuggestionIndex, build_arrays
from mercato.text.stopwords import list_stopwords
from mercato.text.words import WordAnalyzer

logger = logging.getLogger(__name__)

SUGGESTIONS = "suggestions.safetensors"


def write_suggestions(folder: Path, products: Iterable[Product], language: str) -> None:
    """Write the suggestions of a catalogue into a snapshot's folder.

    Args:
        folder: the snapshot.
        products: the catalogue.
        language: of its texts.
    """
    listed = (Suggestible(product.title, product.brand, product.categories) for product in products)
    write_arrays(folder / SUGGESTIONS, build_arrays(collect_entries(listed, _stopwords(language))))


def read_suggestions(folder: Path) -> SuggestionIndex:
    """Open the suggestions of a snapshot.

    Args:
        folder: the snapshot, or a link to it.

    Raises:
        SnapshotError: it cannot be read.
    """
    folder = folder.resolve()
    manifest = read_manifest(folder)
    if SUGGESTIONS in manifest.files:
        arrays = map_arrays(folder / SUGGESTIONS)
        if "counts" in arrays:
            return SuggestionIndex(arrays)
    logger.warning(
        "catalogue %s has no suggestions that can follow changes; making them, build it again to start faster", folder
    )
    documents = Documents(folder / layout.PRODUCTS)
    fields = (orjson.loads(documents.document(row)) for row in range(documents.count))
    listed = (Suggestible(one["title"], one.get("brand", ""), one.get("categories", ())) for one in fields)
    return SuggestionIndex(build_arrays(collect_entries(listed, _stopwords(_read_settings(folder)["language"]))))


class SnapshotTexts:
    """What the suggestions of a snapshot were made of.

    Attributes:
        sequence: number of the last product change that is in it.
        stopwords: words that no phrase begins or ends with.
    """

    def __init__(self, folder: Path) -> None:
        """Open a snapshot's products.

        Args:
            folder: the snapshot, or a link to it.

        Raises:
            SnapshotError: it cannot be read.
        """
        folder = folder.resolve()
        self.sequence = read_manifest(folder).product_sequence
        self._folder = folder
        settings = _read_settings(folder)
        self._analyzer = WordAnalyzer(settings["language"], decimal_comma=settings.get("decimal_comma"))
        self.stopwords = list_stopwords(self._analyzer, settings["language"])
        self._documents = Documents(folder / layout.PRODUCTS)
        self._columns = read_columns(folder)

    def finds_words(self, text: str, others: Sequence[str]) -> bool:
        """Return whether the words of a text find products: of c words that say something c - floor(c / 4).

        Args:
            text: a query.
            others: words of suggestions, sorted; those that came with changes of products among them.
        """
        chunks = set(self._analyzer.split(text))
        told = [chunk for chunk in chunks if not self.stopwords.issuperset(chunk.terms)] or list(chunks)
        added = {term for word in text.split() if _has(others, word) for term in self._analyzer.analyze(word)}
        known = sum(
            any(all(self._knows(term) or term in added for term in way) for way in ((chunk.joined,), chunk.parts))
            for chunk in told
        )
        return bool(told) and known >= len(told) - len(told) // 4

    def _knows(self, term: str) -> bool:
        """Tell whether products have a term, or synonyms, which are searched for in their place."""
        return term in self._words or term in self._spoken

    @cached_property
    def _words(self) -> WordIndex:
        return WordIndex(self._folder / layout.WORD_INDEX)

    @cached_property
    def _spoken(self) -> frozenset[str]:
        rules = read_stored_synonyms(self._folder / layout.SYNONYMS)
        return frozenset(term for rule in rules for phrase in rule.left for term in self._analyzer.analyze(phrase))

    def find(self, product_id: str) -> bytes | None:
        """Return the JSON document of a product; None where the snapshot lacks it."""
        row = self._columns.row_of(product_id)
        return None if row is None else self._documents.document(row)


def _has(words: Sequence[str], word: str) -> bool:
    position = bisect_left(words, word)
    return position < len(words) and words[position] == word


def _read_settings(folder: Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads((folder / layout.SETTINGS).read_bytes())
        settings["language"]
    except (OSError, ValueError, KeyError) as exc:
        raise SnapshotError(f"{layout.SETTINGS}: cannot be read ({exc}); build the snapshot again") from exc
    return settings


def _stopwords(language: str) -> frozenset[str]:
    return list_stopwords(WordAnalyzer(language), language)
