"""Real lists to compare models on: what retrieval finds in a catalogue for the beginnings of its titles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson

from mercato.models.reranker.product_text import write_product_text
from mercato.pipeline.factory import open_encoder, open_retriever
from mercato.requests.page import parse_search
from mercato.requests.retrieval import Retrieved
from mercato.settings import DEFAULT_RERANK_DEPTH, Settings
from mercato_export.exportable import Tensors

LISTS = 192
PAIR_LISTS = 48
SAMPLED_WIDTH = 12
QUERY_WORDS = 3

PairLists = list[tuple[str, list[str]]]
"""Queries, each with the texts of products."""


def collect_lists(catalog: Path, *, encoder: Path, state: str | None = None, count: int = LISTS) -> list[Tensors]:
    """Retrieve candidates for queries made of a catalogue's own titles, spread evenly over its products.

    Args:
        catalog: a catalogue snapshot.
        encoder: the exported encoder it was built with.
        state: the state store with its changes and events; None for none.
        count: queries.

    Returns:
        The ranker's inputs, an item for each query that found something.

    Raises:
        SnapshotError: the catalogue cannot be used.
        ModelError: the encoder cannot be used.
    """
    settings = Settings(catalog=catalog, encoder=encoder, state=state)
    retriever = open_retriever(settings)
    rows = np.linspace(0, retriever.catalog.base - 1, count).astype(int)
    titles = [str(orjson.loads(retriever.catalog.document(int(row)))["title"]) for row in rows]
    queries = [" ".join(title.split()[:QUERY_WORDS]) for title in titles]
    vectors = open_encoder(settings).encode(queries)
    requests = [parse_search({"QUERY": query.encode()}).retrieval for query in queries]
    return [
        {
            "query": vectors[index : index + 1],
            "history": found.history_vector[None],
            "candidates": retriever.catalog.vectors(found.rows)[None],
            "features": found.features[None],
        }
        for index, found in enumerate(retriever.retrieve(requests, vectors))
        if isinstance(found, Retrieved) and len(found.rows)
    ]


def collect_pairs(
    catalog: Path, *, encoder: Path, count: int = PAIR_LISTS, depth: int = DEFAULT_RERANK_DEPTH
) -> PairLists:
    """Retrieve for the beginnings of a catalogue's titles, spread evenly over its products.

    Args:
        catalog: a catalogue snapshot.
        encoder: the exported encoder it was built with.
        count: queries.
        depth: products of each, the best first.

    Returns:
        Queries with the texts of what was found.

    Raises:
        SnapshotError: the catalogue cannot be used.
        ModelError: the encoder cannot be used.
    """
    settings = Settings(catalog=catalog, encoder=encoder)
    retriever = open_retriever(settings)
    documents = retriever.catalog.document
    rows = np.linspace(0, retriever.catalog.base - 1, min(count, retriever.catalog.base)).astype(int)
    titles = [str(orjson.loads(documents(int(row)))["title"]) for row in rows]
    queries = [" ".join(title.split()[:QUERY_WORDS]) for title in titles]
    vectors = open_encoder(settings).encode(queries)
    requests = [parse_search({"QUERY": query.encode()}).retrieval for query in queries]
    return [
        (query, [write_product_text(orjson.loads(documents(row))) for row in found.rows[:depth].tolist()])
        for query, found in zip(queries, retriever.retrieve(requests, vectors), strict=True)
        if isinstance(found, Retrieved)
    ]


def sample_pairs(texts: Sequence[str], *, count: int = PAIR_LISTS, width: int = SAMPLED_WIDTH) -> PairLists:
    """Make lists of product texts without a catalogue: the beginning of a text, with the texts after it in order.

    Args:
        texts: real product texts.
        count: lists.
        width: products of each.
    """
    ordered = sorted(dict.fromkeys(texts))
    starts = np.linspace(0, max(0, len(ordered) - width), count).astype(int).tolist()
    return [
        (" ".join(ordered[start].split()[:QUERY_WORDS]), ordered[start : start + width])
        for start in dict.fromkeys(starts)
    ]
