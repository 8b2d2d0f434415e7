"""An answer: one page of products in order, and its details as JSON."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson

from mercato.index.live import LiveCatalog
from mercato.pipeline.learned import LearnedFrom
from mercato.policy.ranked import TAIL_STEP, Ranked
from mercato.requests.page import PageRequest
from mercato.requests.retrieval import Retrieved
from mercato.retrieval.sources.registry import list_labels

Float32 = npt.NDArray[np.float32]


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


def write_answer(
    catalog: LiveCatalog,
    request: PageRequest,
    retrieved: Retrieved,
    ranked: Ranked,
    timings: Mapping[str, int],
    explanations: Sequence[bytes] = (),
    learned_from: LearnedFrom | None = None,
) -> Answer:
    """Cut a page and write its details.

    Args:
        catalog: the products.
        request: which page.
        retrieved: its candidates.
        ranked: the same in order.
        timings: microseconds by stage, of the batch that the request was in.
        explanations: a JSON document for each known product of the page; empty where nobody asked.
        learned_from: how late the events are that the answer was learned from; None where nobody asked.
    """
    page = slice(request.offset, request.offset + request.page_size)
    rows = ranked.rows[page].tolist()
    scores = ranked.scores[page]
    products = [
        _write_product(catalog.document(row), flags)
        for row, flags in zip(rows, ranked.sources[page].tolist(), strict=True)
    ]
    for place, row in enumerate(rows):
        if row in ranked.variants:
            variants = orjson.dumps([catalog.id_of(other) for other in ranked.variants[row]])
            products[place] = products[place][:-1] + b',"variants":' + variants + b"}"
        if row in ranked.pinned:
            products[place] = products[place][:-1] + b',"pinned":true}'
        if row in ranked.probabilities:
            products[place] = products[place][:-1] + b',"purchase_probability":%f}' % ranked.probabilities[row]
    if explanations:
        products = [
            product[:-1] + b',"explanation":' + explanation + b"}"
            for product, explanation in zip(products, explanations, strict=True)
        ]
    ids = [catalog.id_of(row) for row in rows]
    if request.retrieval.orders_list:
        unknown, low = _list_unknown(request, retrieved, ranked)
        ids += unknown
        scores = np.concatenate([scores, low])
        products += [orjson.dumps({"id": product_id, "sources": []}) for product_id in unknown]
    head = {
        "total": retrieved.total - ranked.folded,
        "token": secrets.token_urlsafe(12),
        "missing_ids": retrieved.missing_ids,
        "degraded": ranked.degraded,
        "timings": dict(timings),
    }
    if learned_from is not None:
        head["learned_from"] = learned_from
    if retrieved.relaxed:
        head["filter_relaxed"] = True
    if retrieved.corrected_query:
        head["corrected_query"] = retrieved.corrected_query
    if retrieved.facets:
        head["facets"] = retrieved.facets
    details = orjson.dumps(head)[:-1] + b',"results":[' + b",".join(products) + b"]}"
    return Answer(product_ids=ids, scores=scores, details=details)


def _list_unknown(request: PageRequest, retrieved: Retrieved, ranked: Ranked) -> tuple[list[str], Float32]:
    """Return the products of the page that were to be ordered and nobody knows, and scores below all others."""
    known = len(ranked.rows)
    first = max(0, request.offset - known)
    last = max(0, request.offset + request.page_size - known)
    unknown = retrieved.missing_ids[first:last]
    floor = ranked.scores[-1] if known else np.float32(0.0)
    steps = np.arange(first + 1, first + len(unknown) + 1, dtype=np.float32)
    return unknown, (floor - TAIL_STEP * steps).astype(np.float32)


_SOURCES: dict[int, bytes] = {}


def _write_product(document: bytes, flags: int) -> bytes:
    labels = _SOURCES.get(flags)
    if labels is None:
        labels = _SOURCES[flags] = b',"sources":' + orjson.dumps(list_labels(flags)) + b"}"
    return document[:-1] + labels
