"""What trainings read: the catalogue with its encoder, ratings and the log of events."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from mercato.errors import DataError
from mercato.evaluation.judgements import parse_judgement_map, read_judgements
from mercato.events.read_events import ReadReport, parse_event_mapping
from mercato.events.read_events import read_events as parse_events
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.models.encoder.onnx_encoder import OnnxEncoder
from mercato.progress import Progress
from mercato.state.store import open_state
from mercato.state.values import EventTable
from mercato_training.reranker.events import Behaviour, read_behaviour


def open_training_catalog(catalog: Path, encoder: Path) -> tuple[LiveCatalog, OnnxEncoder]:
    """Open a snapshot with the encoder that it was built with.

    Args:
        catalog: the snapshot.
        encoder: folder of the exported encoder.

    Raises:
        SnapshotError: the snapshot cannot be used, or was built with another encoder.
        ModelError: the encoder cannot be used.
    """
    text_encoder = OnnxEncoder(encoder)
    return LiveCatalog(Snapshot(catalog, encoder=text_encoder.identity), None), text_encoder


def read_ratings(file: Path, column_map: Sequence[str], say: Callable[[str], None]) -> dict[str, dict[str, int]]:
    """Read ratings: query -> product id -> rating. Those of a user count for the query as such.

    Args:
        file: parquet, CSV or JSON lines.
        column_map: ``field=column``.
        say: told how much was left out.

    Raises:
        DataError: the file cannot be used.
        InvalidInputError: the map names an unknown field.
    """
    judgements = read_judgements(file, parse_judgement_map(column_map))
    if judgements.rejected:
        first = judgements.shown[0]
        left_out = f"{judgements.rejected:,} of {judgements.rows:,} rows left out"
        say(f"{file.name}: {left_out}; line {first.position}: {first.reason}")
    ratings: dict[str, dict[str, int]] = {}
    for key, rated in judgements.ratings.items():
        query = judgements.users[key][0] if key in judgements.users else key
        known = ratings.setdefault(query, {})
        for product, rating in rated.items():
            known[product] = max(rating, known.get(product, 0))
    return ratings


def read_events(url: str, report: Progress) -> EventTable:
    """Read the whole log of events of a state store, ``sqlite:PATH``.

    Raises:
        StateError: the store cannot be read.
    """
    report("reading events", 0, 1)
    store = open_state(url)
    try:
        return store.event_columns()
    finally:
        store.close()


def read_event_file(
    file: Path, column_map: Sequence[str], event_type: str | None, report: Progress, say: Callable[[str], None]
) -> EventTable:
    """Read a file of events by the rules of ``mercato events import``: what is there twice counts once.

    Args:
        file: parquet, CSV, TSV or JSON lines.
        column_map: ``field=column``.
        event_type: of rows that have none; None refuses them.
        report: told of progress.
        say: told how much was left out.

    Raises:
        DataError: the file cannot be used, or no row is an event.
        InvalidInputError: the map names an unknown field.
    """
    found = ReadReport()
    option = "--event-map"
    batches = parse_events(
        file,
        mapping=parse_event_mapping(column_map, option=option),
        default_event_type=event_type,
        report=found,
        map_option=option,
    )
    with tempfile.TemporaryDirectory() as folder:
        store = open_state(f"sqlite:{Path(folder) / 'events.db'}")
        try:
            store.import_events(
                batches, on_batch=lambda _: report("reading events", found.rows, max(found.total or 0, found.rows))
            )
            table = store.event_columns()
        finally:
            store.close()
    if found.rejected:
        first = found.shown[0]
        left_out = f"{found.rejected:,} of {found.rows:,} rows left out"
        say(f"{file.name}: {left_out}; the first: line {first.position}: {first.reason}")
    if not len(table):
        raise DataError(
            f"{file.name}: no row is an event; name columns with --event-map and the type with --event-type"
        )
    return table


def read_state(url: str, catalog: LiveCatalog, report: Progress) -> Behaviour:
    """Read what shoppers did.

    Args:
        url: of the state store, ``sqlite:PATH``.
        catalog: the products.
        report: told of progress.

    Raises:
        StateError: the store cannot be read.
    """
    report("reading events", 0, 1)
    store = open_state(url)
    try:
        return read_behaviour(store.export_events(), catalog.snapshot.row_by_any_id)
    finally:
        store.close()
