"""Real candidate lists to compare rankers on: what retrieval finds in a catalogue for the beginnings of its titles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson

from mercato.pipeline.factory import open_encoder, open_retriever
from mercato.requests.page import parse_search
from mercato.requests.retrieval import Retrieved
from mercato.settings import Settings
from mercato_export.exportable import Tensors

LISTS = 192
QUERY_WORDS = 3


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
            "query": vectors[place : place + 1],
            "history": found.history_vector[None],
            "candidates": retriever.catalog.vectors(found.rows)[None],
            "features": found.features[None],
        }
        for place, found in enumerate(retriever.retrieve(requests, vectors))
        if isinstance(found, Retrieved) and len(found.rows)
    ]
