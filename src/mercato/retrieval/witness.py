"""Who speaks for a candidate: the event or the seed with the largest part in a source's score.

Each part is computed by what computed the score, so that the parts add up to it: taking the witness away takes its part
from the score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from mercato.index.live import LiveCatalog
from mercato.requests.retrieval import Source
from mercato.requests.trace import NO_EVENT, Witnesses
from mercato.retrieval.case import Case
from mercato.retrieval.sources import weigh_repeats
from mercato.signals.history import TYPE_WEIGHTS, compute_event_weights
from mercato.signals.neighbours import Neighbours

Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

_NO_WEIGHTS = np.zeros(0, np.float64)


def find_repeat_witnesses(catalog: LiveCatalog, case: Case, rows: Int32) -> Witnesses:
    """Find the user's event with each product itself that counts most: int32 [n] rows."""
    del catalog
    return _pick_events(case, rows, np.asarray(weigh_repeats(case.history, case.request.context.time), np.float64))


def find_cooccurrence_witnesses(catalog: LiveCatalog, case: Case, rows: Int32) -> Witnesses:
    """Find the seed, or the product of the history, that is bought with each product most: int32 [n] rows.

    Of a product of the history the newest telling event is named: it is what gave it its weight.
    """
    telling = TYPE_WEIGHTS[case.history.type] > 0
    newest_first = np.where(telling, 1.0 / np.arange(1, len(telling) + 1), 0.0)
    starts, weights = case.near.starts
    return _name_by_neighbours(catalog, case, rows, catalog.snapshot.cooccurrence, starts, weights, newest_first)


def find_also_bought_witnesses(catalog: LiveCatalog, case: Case, rows: Int32) -> Witnesses:
    """Find the seed, or the product of the whole history, that speaks for each product most: int32 [n] rows.

    Of a product of the history the newest of its most telling events is named: it is what gave it its weight.
    """
    starts, weights = case.near.known
    telling = TYPE_WEIGHTS[case.history.type].astype(np.float64)
    return _name_by_neighbours(catalog, case, rows, catalog.snapshot.behaviour.ease, starts, weights, telling)


def find_lately_witnesses(catalog: LiveCatalog, case: Case, rows: Int32) -> Witnesses:
    """Find who speaks for what is bought of late, as `find_also_bought_witnesses`."""
    starts, weights = case.near.known
    telling = TYPE_WEIGHTS[case.history.type].astype(np.float64)
    return _name_by_neighbours(catalog, case, rows, catalog.snapshot.behaviour.lately, starts, weights, telling)


def find_similarity_witnesses(catalog: LiveCatalog, case: Case, rows: Int32) -> Witnesses:
    """Find the seed, or the product of the history, whose vector gives each product most of its cosine.

    The history's vector is a weighted sum over events, and so is the cosine with it.
    """
    vectors = catalog.vectors(rows)
    if len(case.seeds):
        return _name_largest(case, case.seeds, catalog.vectors(case.seeds) @ vectors.T, _NO_WEIGHTS)
    history = case.history
    weights = compute_event_weights(history.time, history.type, now=case.request.context.time).astype(np.float64)
    products, inverse = np.unique(history.rows, return_inverse=True)
    total = np.bincount(inverse, weights, len(products)).astype(np.float32)
    telling = total > 0
    parts = (total[telling, None] * catalog.vectors(products[telling])) @ vectors.T
    return _name_largest(case, products[telling], parts, weights)


def find_category_witnesses(catalog: LiveCatalog, case: Case, rows: Int32) -> Witnesses:
    """Find the user's event that gave each product's category most of its share: int32 [n] rows."""
    history, leaf = case.history, catalog.features().leaf_category
    weights = np.asarray(weigh_repeats(history, case.request.context.time), np.float64)
    events = _find_largest_events(leaf[history.rows], weights, leaf[rows])
    if not len(history):
        return Witnesses.none(len(rows))
    return write_events(case, history.rows[np.maximum(events, 0)], events)


FIND: Mapping[Source, Callable[[LiveCatalog, Case, Int32], Witnesses]] = {
    Source.REPEAT: find_repeat_witnesses,
    Source.COOCCURRENCE: find_cooccurrence_witnesses,
    Source.ALSO_BOUGHT: find_also_bought_witnesses,
    Source.LATELY: find_lately_witnesses,
    Source.SIMILAR: find_similarity_witnesses,
    Source.CATEGORY: find_category_witnesses,
}
"""How the witnesses of a source are found; sources that go by no event are not here."""


def _pick_events(case: Case, rows: Int32, weights: Float64) -> Witnesses:
    """Pick for each product its own event of the largest weight above 0, of equal ones the newest."""
    return write_events(case, rows, _find_largest_events(case.history.rows, weights, rows))


def _find_largest_events(keys: Int32, weights: Float64, wanted: Int32) -> npt.NDArray[np.int64]:
    """Return for each wanted key the event of the largest weight above 0 that has it, -1 for none: int64 [n]."""
    telling = np.flatnonzero(weights > 0)
    # The last assignment wins: ascending weights, of equal ones the oldest first.
    order = telling[np.lexsort((-telling, weights[telling]))]
    best = dict(zip(keys[order].tolist(), order.tolist(), strict=True))
    return np.array([best.get(key, -1) for key in wanted.tolist()], np.int64)


def _name_by_neighbours(
    catalog: LiveCatalog,
    case: Case,
    rows: Int32,
    neighbours: Neighbours,
    starts: Int32,
    weights: Float32,
    event_weights: Float64,
) -> Witnesses:
    """Name for each candidate the starting product with the largest part in its sum, and that one's largest event."""
    if not len(starts):
        return Witnesses.none(len(rows))
    largest = neighbours.find_largest(catalog.original_rows(starts), weights, catalog.original_rows(rows))
    return _name_products(case, np.where(largest >= 0, starts[largest], -1).astype(np.int32), event_weights)


def _name_largest(case: Case, products: Int32, parts: Float32, event_weights: Float64) -> Witnesses:
    """Name for each column of parts [products, n] the product of the largest one above 0, and its largest event."""
    if not len(products):
        return Witnesses.none(parts.shape[1])
    named = np.where(parts.max(axis=0) > 0, products[parts.argmax(axis=0)], -1).astype(np.int32)
    return _name_products(case, named, event_weights)


def _name_products(case: Case, named: Int32, event_weights: Float64) -> Witnesses:
    """Give each named product (int32 [n], -1 for none) the event that counts most; seeds have none."""
    if len(case.seeds):
        return Witnesses(rows=named, time=np.zeros(len(named)), type=np.full(len(named), NO_EVENT, np.int32))
    return _pick_events(case, named, event_weights)


def write_events(case: Case, rows: Int32, events: npt.NDArray[np.int64]) -> Witnesses:
    """Return products as witnesses, with the time and type of their events (int64 [n], -1 for none)."""
    found = events >= 0
    at = np.maximum(events, 0)
    if not len(case.history):
        return Witnesses.none(len(rows))
    return Witnesses(
        rows=np.where(found, rows, -1).astype(np.int32),
        time=np.where(found, case.history.time[at], 0.0),
        type=np.where(found, case.history.type[at].astype(np.int32), NO_EVENT).astype(np.int32),
    )
