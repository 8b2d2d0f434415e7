"""Training lists from ratings: what retrieval finds for rated queries, and what people said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mercato.errors import DataError
from mercato.features.features import FEATURE_NAMES
from mercato.features.inputs import Context, History
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.indexing.encode import TextEncoder
from mercato.progress import Progress, no_progress
from mercato.requests.retrieval import Placement, RetrievalRequest
from mercato.retrieval.context import prepare_context
from mercato.retrieval.retriever import Retriever
from mercato.text.timestamps import parse_timestamp
from mercato_training.ranker.examples import BATCH

UNRATED = -1

LEAST_QUERIES = 2
"""Queries that must teach an order: one alone cannot say what holds for others."""


@dataclass(frozen=True, kw_only=True)
class RatedList:
    """The candidates of one rated query, in the order of retrieval.

    What lies below the floor teaches as well: it is what the others are better than.

    Attributes:
        query: its text.
        ratings: product id -> rating, all there are.
        ids: product ids of the result, the window first, then what follows it.
        beyond: product ids of what lies below the floor, the nearest first.
        vector: float32 [D], the query's.
        candidates: float32 [n, D], vectors of the window and of what was seen below the floor.
        features: float32 [n, F], theirs.
        rating: int64 [n], `UNRATED` where there is none.
        window: int64 [w], where the window is among them.
    """

    query: str
    ratings: Mapping[str, int]
    ids: list[str]
    vector: NDArray[np.float32]
    candidates: NDArray[np.float32]
    features: NDArray[np.float32]
    rating: NDArray[np.int64]
    window: NDArray[np.int64]
    beyond: list[str] = field(default_factory=list)

    @property
    def teaches(self) -> bool:
        """Whether it holds two products of which one is better than the other."""
        return bool((self.rating > 0).any() and (self.rating < self.rating.max()).any())


def build_rated_lists(
    snapshot: Snapshot,
    ratings: Mapping[str, Mapping[str, int]],
    encoder: TextEncoder,
    *,
    depth: int,
    report: Progress = no_progress,
) -> list[RatedList]:
    """Retrieve candidates for rated queries through the retrieval that serves, for an unknown shopper.

    The searches are made at the moment the snapshot was built, so that the same snapshot gives the same lists.

    Args:
        snapshot: the catalogue.
        ratings: query -> product id -> rating.
        encoder: the encoder that the snapshot was built with.
        depth: how many ids of each list to keep.
        report: told of progress.

    Raises:
        DataError: a feature is not finite.
    """
    retriever = Retriever(LiveCatalog(snapshot, None), None)
    queries = list(ratings)
    report("encoding queries", 0, len(queries))
    vectors = encoder.encode_many(queries, role="query", workers=1, progress=None)
    context = Context(time=parse_timestamp(snapshot.manifest.created))
    lists: list[RatedList] = []
    for start in range(0, len(queries), BATCH):
        report("searching", start, len(queries))
        batch = queries[start : start + BATCH]
        contexts = [
            prepare_context(
                retriever.catalog,
                RetrievalRequest(placement=Placement.SEARCH, text=query, context=context, depth=depth),
                History.empty(),
                vectors[position],
            )
            for position, query in enumerate(batch, start=start)
        ]
        found = retriever.find(contexts)
        for position, (one, compared) in enumerate(zip(found, retriever.compare(contexts, found), strict=True)):
            query = batch[position]
            if not np.isfinite(compared.features).all():
                bad = np.flatnonzero(~np.isfinite(compared.features).all(axis=0))
                names = ", ".join(FEATURE_NAMES[column] for column in bad)
                raise DataError(f"features of query {query!r} are not finite: {names}; build the snapshot again")
            rated, seen = ratings[query], list_ids(snapshot, compared.rows)
            result = np.concatenate([one.fused.rows, one.tail])[:depth]
            lists.append(
                RatedList(
                    query=query,
                    ratings=rated,
                    ids=list_ids(snapshot, result),
                    beyond=[] if one.beyond is None else list_ids(snapshot, one.beyond.rows[: depth - len(result)]),
                    vector=vectors[start + position],
                    candidates=snapshot.vectors(compared.rows),
                    features=compared.features,
                    rating=np.array([rated.get(product, UNRATED) for product in seen], np.int64),
                    window=np.arange(len(seen)) if compared.window is None else compared.window,
                )
            )
    return lists


def list_ids(snapshot: Snapshot, rows: NDArray[np.int32]) -> list[str]:
    """Return the product ids of rows."""
    return [snapshot.documents.id(row) for row in rows.tolist()]


def check_lists(lists: Sequence[RatedList]) -> None:
    """Refuse ratings that cannot teach an order.

    Raises:
        DataError: fewer than two queries teach anything; the message says why.
    """
    teaching = sum(one.teaches for one in lists)
    if teaching >= LEAST_QUERIES:
        return
    rated = sum(bool(one.ratings) for one in lists)
    found = sum(bool((one.rating >= 0).any()) for one in lists)
    raise DataError(
        f"training from ratings needs at least {LEAST_QUERIES} queries with a better and a worse product among those "
        f"found, got {teaching}: {len(lists)} queries, {rated} with ratings, {found} with a rated product among "
        "those found; rate more queries, with products that fit and products that do not"
    )
