"""An answer: one page of products in order, and its details as JSON."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import orjson

from mercato.arrays import Float32
from mercato.errors import ModelError
from mercato.index.live import LiveCatalog
from mercato.index.manifest import Manifest
from mercato.models.ranker.manifest import RankerManifest
from mercato.models.sequence import read_sequence_manifest
from mercato.pipeline.best_variant import VariantChooser
from mercato.pipeline.bundles import write_bundles
from mercato.pipeline.page_state import PageState
from mercato.policy.ranked import TAIL_STEP
from mercato.policy.resume import list_shown
from mercato.requests.page_token import write_page_token
from mercato.retrieval.sources.registry import list_labels
from mercato.settings import Settings
from mercato.text.timestamps import format_timestamp
from mercato.understanding.read_page import place_conditions

LearnedFrom = Mapping[str, Mapping[str, str | None]]
"""Part -> ``last_event_time``: RFC 3339, None where there were no events; without the key where it is not known."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One page.

    Attributes:
        product_ids: in order.
        scores: float32 [products], descending; they order this answer and mean nothing beyond it.
        details: JSON document.
    """

    product_ids: list[str]
    scores: Float32
    details: bytes


def make_token() -> str:
    """Make the token of an answer, by which what follows from it is told from what follows from another."""
    return secrets.token_urlsafe(12)


def write_answer(
    catalog: LiveCatalog, state: PageState, timings: Mapping[str, int], learned_from: LearnedFrom | None = None
) -> Answer:
    """Cut a page and write its details.

    Args:
        catalog: the products.
        state: a request after the last stage.
        timings: microseconds by stage, of the batch that the request was in.
        learned_from: how late the events are that the answer was learned from; None where nobody asked.
    """
    request, retrieved, ranked = state.page, state.retrieved, state.ranked
    rows = state.shown_rows
    catalog.snapshot.documents.read_ahead(rows)
    page = slice(request.offset, request.offset + request.page_size)
    scores = ranked.scores[page]
    explanations = state.explanations or [b""] * len(rows)
    chooser = VariantChooser(catalog, request.retrieval, relaxed=retrieved.relaxed)
    products = []
    for row, flags, explanation in zip(rows, ranked.sources[page].tolist(), explanations, strict=True):
        document, variant = chooser.separate(row)
        members = _list_members(catalog, state, row, explanation)
        if variant is not None:
            members["variant"] = variant
        products.append(_write_product(document, flags, members))
    ids = [catalog.id_of(row) for row in rows]
    if request.retrieval.orders_list:
        unknown, low = _list_unknown(state)
        ids += unknown
        scores = np.concatenate([scores, low])
        products += [orjson.Fragment(orjson.dumps({"id": product_id, "sources": []})) for product_id in unknown]
    details: dict[str, Any] = {
        "total": retrieved.total - ranked.folded,
        "token": make_token(),
        "page_token": write_page_token(list_shown(catalog, state.asked or request, rows)),
        "missing_ids": retrieved.missing_ids,
        "degraded": state.degraded,
        "timings": timings,
    }
    if learned_from is not None:
        details["learned_from"] = learned_from
    if retrieved.match is not None:
        details["match"] = retrieved.match.value
    if retrieved.missing_share:
        details["missing_share"] = round(retrieved.missing_share, 4)
    if retrieved.relaxed:
        details["filter_relaxed"] = True
    if named := catalog.name_products(request.retrieval.seed_ids):
        details["variant_products"] = named
    if state.corrected_query:
        details["corrected_query"] = state.corrected_query
        details["corrected_applied"] = state.corrected_applied
    if state.understanding is not None and state.understanding.conditions:
        details["conditions"] = place_conditions(state.understanding.conditions, request.sent)
    if retrieved.facets:
        details["facets"] = retrieved.facets
    if request.retrieval.bundles:
        details["bundles"] = write_bundles(catalog, request, retrieved.bundles, chooser)
    details["results"] = products
    return Answer(product_ids=ids, scores=scores, details=orjson.dumps(details))


def _list_members(catalog: LiveCatalog, state: PageState, row: int, explanation: bytes) -> dict[str, Any]:
    """Return what is said of a product besides its document and its sources; mostly nothing."""
    ranked = state.ranked
    members: dict[str, Any] = {}
    if row in ranked.variants:
        members["variants"] = [catalog.id_of(other) for other in ranked.variants[row]]
    if row in ranked.pinned:
        members["pinned"] = True
    elif row in state.beyond_rows:
        members["beyond"] = True
    if row in state.probabilities:
        members["purchase_probability"] = state.probabilities[row]
    if explanation:
        members["explanation"] = orjson.Fragment(explanation)
    return members


def _list_unknown(state: PageState) -> tuple[list[str], Float32]:
    """Return the products of the page that were to be ordered and nobody knows, and scores below all others."""
    request, ranked = state.page, state.ranked
    known = len(ranked.rows)
    first = max(0, request.offset - known)
    last = max(0, request.offset + request.page_size - known)
    unknown = state.retrieved.missing_ids[first:last]
    floor = ranked.scores[-1] if known else np.float32(0.0)
    steps = np.arange(first + 1, first + len(unknown) + 1, dtype=np.float32)
    return unknown, (floor - TAIL_STEP * steps).astype(np.float32)


@cache
def _list_sources(flags: int) -> tuple[list[str], bytes]:
    """Return the names of the sources in a combination, and the JSON object that holds them alone."""
    labels = list_labels(flags)
    return labels, orjson.dumps({"sources": labels})


def _write_product(document: bytes, flags: int, members: Mapping[str, Any]) -> orjson.Fragment:
    labels, alone = _list_sources(flags)
    more = orjson.dumps({"sources": labels, **members}) if members else alone
    return orjson.Fragment(_join_objects(document, more))


def _join_objects(first: bytes, second: bytes) -> bytes:
    """Return one JSON object with the members of two, neither of them empty.

    A product's document is kept as an answer shows it. Reading and writing it again would cost three to six times as
    much as the whole page (20 products: 30 us against 11 where documents have 230 bytes, 94 against 16 where 1,060).
    """
    return first[:-1] + b"," + second[1:]


def describe_catalog(manifest: Manifest) -> LearnedFrom:
    """Describe the catalogue, as ``catalog``."""
    return {"catalog": _describe("last_event_time" in manifest.model_fields_set, manifest.last_event_time)}


def describe_models(settings: Settings, ranker: RankerManifest | None) -> LearnedFrom:
    """Describe the models that take part in recommendations: ``ranker`` and ``sequence``, where they are served.

    Args:
        settings: what is served.
        ranker: its manifest; None where there is none, or it cannot be read.
    """
    learned: dict[str, Mapping[str, str | None]] = {}
    if settings.ranker is not None:
        known = ranker is not None and ranker.knows_last_event
        learned["ranker"] = _describe(known, ranker.last_event_time if ranker is not None else None)
    if settings.sequence is not None:
        try:
            serving = read_sequence_manifest(settings.sequence).serving
        except ModelError:  # the model says so itself where it is loaded
            learned["sequence"] = {}
        else:
            learned["sequence"] = _describe("last_event_time" in serving.model_fields_set, serving.last_event_time)
    return learned


def _describe(known: bool, last_event_time: float | None) -> Mapping[str, str | None]:
    if not known:
        return {}
    return {"last_event_time": None if last_event_time is None else format_timestamp(last_event_time)}
