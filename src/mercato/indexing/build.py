"""Building a catalogue snapshot: from products and events to a finished folder, then the switch."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from mercato.catalog.columns import build_columns
from mercato.catalog.product import TEXT_FIELDS, Product
from mercato.errors import DataError, InvalidInputError, SnapshotError
from mercato.events.event_order import has_time
from mercato.index import codes, layout, match_floor, variant_groups
from mercato.index.arrays import map_arrays, write_arrays
from mercato.index.bundles import write_bundles
from mercato.index.catalog_words import CatalogWords
from mercato.index.category_words import learn_category_words, write_category_words
from mercato.index.codes import build_codes, find_code_fields, write_codes
from mercato.index.dense import DenseIndex, build_dense_index
from mercato.index.documents import write_documents
from mercato.index.feed_record import FeedRecord, write_feed_record
from mercato.index.glosses import choose_glosses, write_glosses
from mercato.index.held_words import write_held_words
from mercato.index.learned import write_learned
from mercato.index.learned_units import learn_units, write_units
from mercato.index.manifest import Manifest, check_files, read_manifest
from mercato.index.match_floor import MatchFloor
from mercato.index.product_features import build_features, code_categories
from mercato.index.query_signals import QUERY_USE, count_word_categories
from mercato.index.row_ids import write_rows
from mercato.index.search_weights import WORD_FIELDS, FieldWeights, FusionWeights
from mercato.index.snapshot import Snapshot
from mercato.index.source_tuning import write_tuning
from mercato.index.synonyms import SynonymRule, write_synonyms
from mercato.index.titles import number_titles, write_titles
from mercato.index.variant_groups import find_group_field, find_leaders, number_groups, represent
from mercato.index.vocabulary import count_words, write_vocabulary
from mercato.index.words import WordIndex
from mercato.indexing.calibrate_floor import SampledQuery, calibrate_floor, sample_queries
from mercato.indexing.choose_windows import choose_half_life
from mercato.indexing.dictionaries import read_dictionary
from mercato.indexing.encode import KnownVectors, TextEncoder, count_workers, encode_texts, hash_texts
from mercato.indexing.learn import (
    find_moment,
    find_rows,
    learn_signals,
    list_regions,
    number_products,
    order_rows,
    select_events,
    spread_over_groups,
)
from mercato.indexing.mine_bundles import mine_bundles
from mercato.indexing.publish import hold_target, publish
from mercato.indexing.tune_sources import choose_settings, tune_sources
from mercato.indexing.word_index import write_word_index
from mercato.indexing.word_lists import collect_statistics
from mercato.manifest import MANIFEST_FILE, record_file, record_folder, write_manifest
from mercato.progress import Progress, no_progress
from mercato.query.suggest.stored import write_suggestions
from mercato.query.word_query import QueryReader
from mercato.retrieval.word_match import match_words
from mercato.signals.popularity import Popularity, compute_popularity
from mercato.signals.query_log import read_query_log
from mercato.signals.undone import drop_undone
from mercato.state.values import EventTable, SearchQuery
from mercato.text.catalog_languages import LANGUAGE_FIELDS, read_languages, split_field_languages
from mercato.text.language_names import Language, parse_language
from mercato.text.measures import find_decimal_comma
from mercato.text.stopwords import list_stopwords
from mercato.text.words import SPLITTING, WordAnalyzer

NUMBERS_SEEN = 5_000
"""Products whose texts tell how the catalogue writes decimals; a larger one has no other habits."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How a snapshot is built.

    Attributes:
        language: of the products' texts, as the Snowball stemmer calls it; several with commas, or ``auto``, where
            each product is read in the one that it is written in; ``field=language`` for a field of its own.
        text_fields: fields of a product that are encoded, in this order; the encoder cuts a long text at its end.
        weights: how much a word counts in each field of a product.
        fusion: how much words and vectors weigh in a search.
        synonyms: the shop's synonyms, applied to queries.
        glosses: languages whose words are looked up in an installed dictionary, for queries.
        workers: threads to encode and index with; as many as there are cores to use.
        until: events at or after this time (seconds since 1970 UTC) are not learned from; None for all up to now.
        product_sequence: last product change in state that the products contain.
        event_sequence: last event in state.
        feed: what to remember of the feed that the products came from; None where they came from none.
        multilingual: the encoder reads queries of other languages than the products'.
        queries: what shoppers searched for, for the spelling of queries.
        vectors: of texts that this encoder encoded before, as `mercato encode` writes them.
        reuse: an earlier snapshot whose vectors are taken where texts and encoder are the same.
    """

    language: str = "english"
    text_fields: tuple[str, ...] = TEXT_FIELDS
    weights: FieldWeights = FieldWeights()
    fusion: FusionWeights = FusionWeights()
    synonyms: tuple[SynonymRule, ...] = ()
    glosses: tuple[Language, ...] = ()
    multilingual: bool = False
    workers: int = field(default_factory=count_workers)
    until: float | None = None
    product_sequence: int = 0
    event_sequence: int = 0
    feed: FeedRecord | None = None
    queries: tuple[SearchQuery, ...] = ()
    vectors: tuple[KnownVectors, ...] = ()
    reuse: Path | None = None


def build_snapshot(
    products: Sequence[Product],
    events: EventTable,
    encoder: TextEncoder,
    out: Path,
    options: BuildOptions,
    progress: Progress = no_progress,
) -> Manifest:
    """Build a snapshot and switch it into place.

    Args:
        products: the catalogue, ids distinct.
        events: what shoppers did; may be empty.
        encoder: the encoder that will be served.
        out: the name of the snapshot.
        options: how.
        progress: told of it.

    Returns:
        The new manifest.

    Raises:
        DataError: no product, ``out`` is something else, or another build of it is running.
    """
    if not products:
        raise DataError("the catalogue is empty: a snapshot needs at least one product")
    with hold_target(out) as work:
        folder = work / datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")
        for unfinished in work.glob("2*T*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        folder.mkdir()
        manifest = _fill_folder(folder, products, events, encoder, work / "chunks", options, progress)
        publish(folder, out)
    return manifest


def _fill_folder(
    folder: Path,
    products: Sequence[Product],
    events: EventTable,
    encoder: TextEncoder,
    chunks: Path,
    options: BuildOptions,
    progress: Progress,
) -> Manifest:
    """Write every file of a snapshot, the manifest last."""
    until = options.until if options.until is not None else find_moment(events, now=time.time())
    language, field_languages = split_field_languages(options.language)
    _check_fields(field_languages, products)
    ids = [product.id for product in products]
    progress("ordering products by popularity", 0, 1)
    group_field = find_group_field(products)
    own_numbers, leaders = number_products(products), find_leaders(number_groups(products, group_field))
    numbers = represent(own_numbers, leaders)
    standing = drop_undone(events, find_rows(events, numbers), until=until)

    half_life = choose_half_life(*select_events(standing, numbers), len(ids), until=until)

    def count_people(row_by_id: Mapping[str, int]) -> Popularity:
        counted = select_events(standing, row_by_id)[0]
        return compute_popularity(counted, len(ids), until=until, half_life_days=half_life)

    if group_field:
        order = order_rows(count_people(numbers), ids, leaders, count_people(own_numbers))
    else:
        order = order_rows(count_people(numbers), ids)
    rows = [products[position] for position in order]
    leaders = find_leaders(number_groups(rows, group_field))
    ids = [product.id for product in rows]

    texts, text_layout = layout.group_texts([product.text(options.text_fields) for product in rows])
    vectors = encode_texts(
        texts,
        encoder,
        chunks,
        known=[*options.vectors, *_known_vectors(options.reuse, encoder)],
        workers=options.workers,
        progress=progress,
    )
    progress("building the dense index", 0, 1)
    build_dense_index(vectors, folder / layout.DENSE_INDEX, threads=options.workers, progress=progress)
    progress("building the word index", 0, 1)
    looked_at = rows[:: max(len(rows) // NUMBERS_SEEN, 1)]
    decimal_comma = find_decimal_comma(product.field_text(name) for product in looked_at for name in TEXT_FIELDS)
    names = read_languages(language, (product.text(LANGUAGE_FIELDS) for product in rows))
    words = CatalogWords(rows)
    languages = write_word_index(
        rows, words, names, field_languages, options.weights, decimal_comma, folder / layout.WORD_INDEX
    )
    analyzer = languages.main
    write_held_words(folder, rows, words, analyzer)
    write_units(folder / layout.UNITS, learn_units(rows))
    progress("finding the floor of searches", 0, 1)
    titles = [product.title for product in rows]
    floor = _calibrate(folder, titles, text_layout, analyzer, encoder, names[0], multilingual=options.multilingual)
    progress("learning from events", 0, 1)
    numbers = represent(number_products(rows), leaders)
    weighted, purchases = select_events(standing, numbers)
    categories = code_categories(rows)
    log = choose_settings(standing, numbers, len(ids), categories, half_life_days=half_life, until=until)
    searched = find_rows(standing, number_products(rows))  # who searches means one of the variants
    queries = read_query_log(standing, searched, analyzer, categories)
    signals = learn_signals(
        weighted,
        purchases,
        len(ids),
        until=until,
        regions=list_regions(standing),
        queries=queries,
        counts=True,
        settings=log.settings,
        categories=categories,
    )
    signals = spread_over_groups(signals, leaders) if group_field else signals
    progress("mining what is bought together", 0, 1)
    write_bundles(folder / layout.BUNDLES, mine_bundles(purchases, len(ids), until=until))
    learned = events.time[has_time(events.time) & (events.time < until)]
    features, dictionaries = build_features(rows, signals.popularity, signals.repeat)
    progress("learning what words say of categories", 0, 1)
    word_index = WordIndex(folder / layout.WORD_INDEX)
    searches = count_word_categories(signals.learned.get(QUERY_USE), word_index.terms)
    write_category_words(
        folder, learn_category_words(word_index, features.leaf_category, vectors, text_layout.text_of_row, searches)
    )
    progress("writing", 0, 1)
    columns = build_columns(rows)
    write_vocabulary(folder / layout.VOCABULARY, count_words(words))
    collect_statistics(words, names[0], options.queries).write(folder / layout.SPELLING)
    write_suggestions(folder, rows, names[0])
    write_synonyms(folder / layout.SYNONYMS, options.synonyms)
    _, firsts, title_of_row = np.unique(words.fields["title"], return_index=True, return_inverse=True)
    distinct_titles = number_titles(analyzer.analyze(titles[row]) for row in firsts.tolist())
    write_titles(folder / layout.TITLES, distinct_titles.take(title_of_row))
    code_fields = find_code_fields(rows)
    write_codes(folder / layout.CODES, build_codes(rows, code_fields))
    if options.glosses:
        progress("reading dictionaries", 0, 1)
        _write_glosses(folder, options.glosses, languages.main)
    write_arrays(folder / layout.COLUMNS, columns.arrays())
    (folder / layout.COLUMNS_META).write_text(json.dumps(columns.meta(), ensure_ascii=False), encoding="utf-8")
    write_arrays(folder / layout.TEXTS, {**asdict(text_layout), "hashes": hash_texts(texts)})
    write_learned(folder, signals.learned)
    write_arrays(folder / layout.FEATURES, asdict(features))
    write_rows(folder, ids)
    write_documents(folder / layout.PRODUCTS, ids, [product.document() for product in rows])
    settings = {
        "language": names[0],
        **({"languages": names} if len(names) > 1 else {}),
        **({"field_languages": field_languages} if field_languages else {}),
        "splitting": SPLITTING,
        "decimal_comma": decimal_comma,
        "text_fields": options.text_fields,
        "fusion": asdict(options.fusion),
        match_floor.SETTING: asdict(floor),
        codes.SETTING: code_fields,
        variant_groups.SETTING: group_field,
        **dictionaries,
    }
    (folder / layout.SETTINGS).write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
    if options.feed is not None:
        write_feed_record(folder, options.feed)
    manifest = Manifest(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        products=len(rows),
        texts=len(texts),
        dimension=encoder.dimension,
        encoder=encoder.identity,
        product_sequence=options.product_sequence,
        # Of a log that grows meanwhile what was read counts: what is written behind it is counted as it comes.
        event_sequence=int(events.sequence[-1]) if len(events) else options.event_sequence,
        last_event_time=float(learned.max()) if len(learned) else None,
        files=record_folder(folder),
    )
    write_manifest(folder / MANIFEST_FILE, manifest)
    progress("weighing the sources of recommendations", 0, 1)
    write_tuning(folder, tune_sources(Snapshot(folder), log))
    manifest.files[layout.SOURCES] = record_file(folder / layout.SOURCES)
    write_manifest(folder / MANIFEST_FILE, manifest)
    return manifest


def _check_fields(languages: Mapping[str, str], products: Sequence[Product]) -> None:
    """Refuse fields that have a language and that no product has."""
    unknown = set(languages).difference(WORD_FIELDS)
    for product in products if unknown else ():
        unknown.difference_update(product.attributes)
        if not unknown:
            break
    if unknown:
        keys = sorted({key for product in products[:NUMBERS_SEEN] for key in product.attributes})
        raise InvalidInputError(
            "--language",
            f"no product has a field {', '.join(sorted(unknown))}",
            f"name any of {', '.join((*WORD_FIELDS, *keys[:20]))}",
        )


def _write_glosses(folder: Path, glosses: Sequence[Language], analyzer: WordAnalyzer) -> None:
    """Keep of the dictionaries of each language what the catalogue can answer."""
    words = WordIndex(folder / layout.WORD_INDEX)
    target = parse_language(analyzer.language, "--language")
    write_glosses(
        folder / layout.GLOSSES,
        {
            language.code: choose_glosses(read_dictionary(language, target).items(), analyzer.analyze, words.frequency)
            for language in glosses
        },
    )


def _calibrate(
    folder: Path,
    titles: Sequence[str],
    texts: layout.TextLayout,
    analyzer: WordAnalyzer,
    encoder: TextEncoder,
    language: str,
    *,
    multilingual: bool,
) -> MatchFloor:
    """Learn the floor of searches from the indexes that were just written."""
    words = WordIndex(folder / layout.WORD_INDEX)
    reader = QueryReader(analyzer, list_stopwords(analyzer, language), words)

    def share(query: SampledQuery) -> float:
        found = match_words(reader.read(query.text), words)
        own = float(found.read_scores(np.array([query.row]))[0])
        return own / max(float(found.scores.max(initial=0.0)), 1e-9)

    sampled = sample_queries(titles, np.random.default_rng(0))
    index = DenseIndex(folder / layout.DENSE_INDEX)
    return calibrate_floor(index, texts.text_of_row, sampled, share, encoder.encode, multilingual=multilingual)


def _known_vectors(reuse: Path | None, encoder: TextEncoder) -> list[KnownVectors]:
    """Read hashes and vectors of an earlier snapshot; nothing where there is none of this encoder."""
    if reuse is None or not reuse.exists():
        return []
    try:
        manifest = read_manifest(reuse)
        if manifest.encoder != encoder.identity:
            return []
        check_files(reuse, manifest, checksums=True)  # an altered vector would be handed on for ever
        index = DenseIndex(reuse / layout.DENSE_INDEX)
        return [KnownVectors(hashes=map_arrays(reuse / layout.TEXTS)["hashes"], vectors=index.vectors)]
    except SnapshotError:
        return []
