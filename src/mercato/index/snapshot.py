"""A catalogue snapshot, opened: everything retrieval and answers read, memory-mapped."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mercato.catalog.columns import ColumnSet
from mercato.errors import EncoderMismatchError, SnapshotError
from mercato.features.inputs import ProductFeatures
from mercato.index import layout
from mercato.index.arrays import map_arrays, map_start
from mercato.index.bundles import Bundles, read_bundles
from mercato.index.category_words import read_category_words
from mercato.index.codes import CodeIndex, read_codes
from mercato.index.dense import DenseIndex
from mercato.index.documents import Documents
from mercato.index.glosses import Glosses, read_glosses
from mercato.index.layout import TextLayout
from mercato.index.learned import read_learned
from mercato.index.manifest import Manifest, check_files, read_manifest
from mercato.index.match_floor import read_floor
from mercato.index.part import CatalogPart, read_part
from mercato.index.row_ids import RowIds, read_row_ids
from mercato.index.source_tuning import SourceTuning, read_tuning
from mercato.index.synonyms import read_stored_synonyms
from mercato.index.text_product import MOST_TEXTS
from mercato.index.titles import read_titles
from mercato.index.variant_groups import SETTING, read_groups
from mercato.index.vocabulary import read_vocabulary
from mercato.index.word_statistics import read_word_statistics
from mercato.index.words import WordIndex
from mercato.text.catalog_languages import CatalogLanguages
from mercato.text.words import SPLITTING


class ProductsElsewhere(Protocol):
    """Where the documents and vectors of a router's products lie."""

    def hold(self, documents: Documents) -> Documents:
        """Return documents that are read there; ids are those of ``documents``."""

    def read_vectors(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Return the vectors of rows, float32 [n, dimension]."""


class Snapshot:
    """An open snapshot.

    Attributes:
        manifest: what it holds.
        documents: ids and documents by row.
        texts: which rows share which text.
        words: the word index over rows.
        columns: columns for filters and facets.
        features: what the ranker reads of each product.
        category_words: what words and vectors say of categories.
        learned: what was learned from events for sources and features, by signal.
        tuning: what the shop's log says of its sources; the defaults where it was built before anything was learned.
        bundles: sets that are bought together; none where it was built before there were any.
        vocabulary: words as they are spelt -> number of products, the most frequent first.
        spelling: what is known of words besides the products.
        synonyms: the shop's.
        codes: which products a code names; none where it was built before there were any.
        titles: the terms of titles; None where it was built before they were kept.
        floor: how near a product must be to a query; None where it was built before there was one.
        dictionaries: category and brand names by code, as the features hold them.
    """

    _elsewhere: ProductsElsewhere | None = None

    def __init__(self, folder: Path, *, encoder: str | None = None) -> None:
        """Open a snapshot.

        Args:
            folder: the snapshot, or a link to it.
            encoder: identity of the encoder that will be served; None to skip the comparison.

        Raises:
            SnapshotError: missing, truncated, of another schema version.
            EncoderMismatchError: built with another encoder.
        """
        folder = folder.resolve()
        self.folder = folder
        self.manifest = read_manifest(folder)
        check_encoder(folder, self.manifest, encoder)
        check_files(folder, self.manifest, checksums=False)
        self.documents = Documents(folder / layout.PRODUCTS)
        texts = map_arrays(folder / layout.TEXTS)
        self.texts = TextLayout(text_of_row=texts["text_of_row"], bounds=texts["bounds"], rows=texts["rows"])
        if not self.part.is_router:
            self.dense = DenseIndex(folder / layout.DENSE_INDEX, most_compared=MOST_TEXTS)
        self.words = WordIndex(folder / layout.WORD_INDEX)
        self.category_words = read_category_words(folder, self.words, self.manifest.dimension)
        self.columns = read_columns(folder)
        self.features = ProductFeatures(**map_arrays(folder / layout.FEATURES))
        self.learned = read_learned(folder)
        self.tuning: SourceTuning = read_tuning(folder)
        self.bundles: Bundles = read_bundles(folder / layout.BUNDLES)
        self.settings = _read_json(folder / layout.SETTINGS)
        _check_splitting(folder, self.settings)
        self.vocabulary = read_vocabulary(folder / layout.VOCABULARY)
        self.spelling = read_word_statistics(folder / layout.SPELLING)
        self.synonyms = read_stored_synonyms(folder / layout.SYNONYMS)
        self.codes: CodeIndex = read_codes(folder / layout.CODES)
        self.titles = read_titles(folder / layout.TITLES)
        self.floor = read_floor(self.settings)

    def languages(self) -> CatalogLanguages:
        """Make the analysers that split its texts."""
        names = self.settings.get("languages", [self.settings["language"]])
        return CatalogLanguages(
            names,
            fields=self.settings.get("field_languages"),
            decimal_comma=self.settings["decimal_comma"],
            known=self.words,
        )

    @cached_property
    def part(self) -> CatalogPart:
        """Which part of a catalogue it holds; all of it, unless it is a shard."""
        return read_part(self.folder, self.count)

    @cached_property
    def dense(self) -> DenseIndex:
        """The dense index over distinct texts.

        Raises:
            SnapshotError: it lies in shards.
        """
        raise SnapshotError(
            f"catalogue {self.folder}: its vectors lie in shards; serve it with --shards HOST:PORT,..., or the "
            "snapshot that it was cut from"
        )

    def read_elsewhere(self, products: ProductsElsewhere) -> None:
        """Read documents and vectors of products from where they lie, of a router's catalogue."""
        self._elsewhere = products
        self.documents = products.hold(self.documents)

    @property
    def count(self) -> int:
        """Number of products."""
        return self.manifest.products

    @cached_property
    def glosses(self) -> dict[str, Glosses]:
        """What words of other languages mean, by the code of the language; none where it was built without."""
        return read_glosses(self.folder / layout.GLOSSES)

    @cached_property
    def row_by_id(self) -> RowIds:
        """Row of each product id."""
        return read_row_ids(self.folder / layout.IDS, self.documents)

    @cached_property
    def row_by_any_id(self) -> RowIds:
        """Row of each product id, and of each variant's product by the variant's id where no product has that."""
        return self.row_by_id.with_variants(None if self.columns.variants is None else self.columns.text("id"))

    def number_rows(self) -> npt.NDArray[np.int32]:
        """Return each row's own number, int32 [rows], to be written to: where products are that did not change."""
        mapped = map_start(self.folder / layout.ROWS)
        return np.arange(self.count, dtype=np.int32) if mapped is None else mapped

    def mark_rows(self) -> npt.NDArray[np.bool_]:
        """Return true for each row, bool [rows], to be written to: products that are as they were."""
        mapped = map_start(self.folder / layout.ALIVE)
        return np.ones(self.count, np.bool_) if mapped is None else mapped

    @cached_property
    def groups(self) -> npt.NDArray[np.int32]:
        """The group of each row that is one of several variants of a product, int32 [rows]; -1 for none."""
        return read_groups(self.columns, self.settings.get(SETTING, ""), self.count)

    def vectors(self, rows: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
        """Return the vectors of rows, float32 [n, dimension]."""
        if self._elsewhere is not None:
            return self._elsewhere.read_vectors(rows.astype(np.int32))
        return self.dense.take(self.texts.text_of_row[rows])


def read_columns(folder: Path) -> ColumnSet:
    """Open the columns of a snapshot alone.

    Raises:
        SnapshotError: they are missing, altered or of another version.
    """
    meta = _read_json(folder / layout.COLUMNS_META)
    return ColumnSet.from_arrays(map_arrays(folder / layout.COLUMNS), meta)


def read_settings(folder: Path) -> dict[str, Any]:
    """Read the settings of a snapshot alone.

    Raises:
        SnapshotError: they are missing or altered.
    """
    return _read_json(folder / layout.SETTINGS)


def check_encoder(folder: Path, manifest: Manifest, encoder: str | None) -> None:
    """Refuse a snapshot of another encoder.

    Raises:
        EncoderMismatchError: the identities differ.
    """
    if encoder is not None and manifest.encoder != encoder:
        raise EncoderMismatchError(
            f"catalogue {folder}: built with encoder {manifest.encoder}, but the encoder served is {encoder}; "
            "build it again with `mercato index` or serve the encoder it was built with (--encoder)"
        )


def _check_splitting(folder: Path, settings: dict[str, Any]) -> None:
    """Refuse a snapshot whose texts were split into other words than queries are today.

    Raises:
        SnapshotError: an earlier or a later version of Mercato built it.
    """
    version = settings.get("splitting", 1)
    if version != SPLITTING:
        raise SnapshotError(
            f"catalogue {folder}: its texts were split into words by version {version} of the rules, and queries are "
            f"split by version {SPLITTING}; build it again with `mercato index` (texts that stay are not encoded anew)"
        )


def verify_snapshot(folder: Path, *, encoder: str | None = None) -> Manifest:
    """Check a snapshot thoroughly, every checksum included, without opening it for search.

    Args:
        folder: the snapshot, or a link to it.
        encoder: identity of the encoder that will be served; None to skip the comparison.

    Returns:
        Its manifest.

    Raises:
        SnapshotError: missing, truncated, altered, of another schema version.
        EncoderMismatchError: built with another encoder.
    """
    folder = folder.resolve()
    manifest = read_manifest(folder)
    check_encoder(folder, manifest, encoder)
    check_files(folder, manifest, checksums=True)
    _check_splitting(folder, _read_json(folder / layout.SETTINGS))
    return manifest


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise SnapshotError(f"{path.name}: cannot be read ({exc}); build the snapshot again") from exc
    return value
