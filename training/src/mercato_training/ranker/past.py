"""A snapshot as it would have been at an earlier moment, so that training and evaluation see the past alone.

Texts, vectors and the two indexes do not depend on events and are shared. The order of rows (popularity, which breaks
every tie of scores), the product features and co-occurrence do, and are learned again from what came before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mercato.features.inputs import ProductFeatures
from mercato.index.codes import CodeIndex
from mercato.index.layout import TextLayout
from mercato.index.snapshot import Snapshot
from mercato.index.variant_groups import find_leaders, represent
from mercato.indexing.learn import (
    find_rows,
    learn_signals,
    list_regions,
    order_rows,
    select_events,
    spread_over_groups,
)
from mercato.signals.events import EventColumns
from mercato.signals.popularity import compute_popularity
from mercato.signals.query_log import read_query_log
from mercato.signals.undone import drop_undone
from mercato.state.values import EventTable


class PastSnapshot(Snapshot):
    """A view of a snapshot that knows nothing of what happened from a moment on.

    Attributes:
        original: int64 [products]; this view's row ``i`` is row ``original[i]`` of the snapshot.
        until: the moment, seconds since 1970 UTC.
        queries: the searches of all events, later ones too, and what followed from them; products are this view's rows.
    """

    def __init__(self, snapshot: Snapshot, events: EventTable, *, until: float) -> None:
        """Learn the signals of the past and reorder the rows by past popularity.

        Args:
            snapshot: the snapshot as it is now.
            events: all events; those at or after ``until`` are not read.
            until: seconds since 1970 UTC.
        """
        # Shared with the snapshot: what no event changes.
        self.folder, self.manifest, self.settings = snapshot.folder, snapshot.manifest, snapshot.settings
        self.documents, self.dense, self.columns = snapshot.documents, snapshot.dense, snapshot.columns
        self.vocabulary, self.synonyms, self.spelling = snapshot.vocabulary, snapshot.synonyms, snapshot.spelling
        self.category_words, self.floor = snapshot.category_words, snapshot.floor
        self.tuning = snapshot.tuning
        self.until = until
        ids = snapshot.documents.ids()
        leaders = find_leaders(snapshot.groups)
        represented = represent(snapshot.row_by_any_id, leaders)
        events = drop_undone(events, find_rows(events, represented), until=until)
        weighted, purchases = select_events(events, represented)
        own, _ = select_events(events, snapshot.row_by_any_id)
        half_life = snapshot.tuning.settings.half_life_days
        self.original = order_rows(
            compute_popularity(weighted, len(ids), until=until, half_life_days=half_life),
            ids,
            leaders,
            compute_popularity(own, len(ids), until=until, half_life_days=half_life),
        )
        self.groups = snapshot.groups[self.original]
        leaders = find_leaders(self.groups)
        row_here = np.empty(len(ids), dtype=np.int32)
        row_here[self.original] = np.arange(len(ids), dtype=np.int32)
        moves = leaders[row_here].astype(np.int32)
        moved = _move(weighted, moves), _move(purchases, moves)
        rows = find_rows(events, snapshot.row_by_any_id)
        self.queries = read_query_log(
            events,
            np.where(rows >= 0, row_here[rows], -1).astype(np.int32),
            snapshot.languages().main,
            snapshot.features.leaf_category[self.original],
        )
        signals = learn_signals(
            *moved,
            len(ids),
            until=until,
            regions=list_regions(events),
            queries=self.queries,
            settings=snapshot.tuning.settings,
            categories=snapshot.features.leaf_category[self.original],
        )
        signals = spread_over_groups(signals, leaders)
        self.learned = signals.learned
        kinds = snapshot.features.kinds.take(self.original)
        self.features = ProductFeatures(
            log_popularity=np.log1p(signals.popularity.count),
            trend=signals.popularity.trend,
            repeat_rate=signals.repeat.rate,
            repeat_interval_days=signals.repeat.interval_days,
            price=snapshot.features.price[self.original],
            leaf_category=snapshot.features.leaf_category[self.original],
            brand=snapshot.features.brand[self.original],
            in_stock=snapshot.features.in_stock[self.original],
            available_days=_take(snapshot.features.available_days, self.original),
            kind_bounds=kinds.bounds,
            kind_names=kinds.names,
            kind_weights=kinds.weights,
        )
        text_of_row = snapshot.texts.text_of_row[self.original]
        self.texts = TextLayout(
            text_of_row=text_of_row,
            bounds=snapshot.texts.bounds,
            rows=np.argsort(text_of_row, kind="stable").astype(np.int32),
        )
        self.words = snapshot.words.reorder(row_here)
        self.codes = CodeIndex(hashes=snapshot.codes.hashes, rows=row_here[snapshot.codes.rows])
        self.titles = None if snapshot.titles is None else snapshot.titles.take(self.original)
        self.row_by_id = snapshot.row_by_id.reorder(row_here)
        self.row_by_any_id = snapshot.row_by_any_id.reorder(row_here)


def _move(events: EventColumns, row_here: NDArray[np.int32]) -> EventColumns:
    return replace(events, product=row_here[events.product])


def _take(column: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return a column in another order; an empty one stays empty."""
    return column[rows] if len(column) else column
