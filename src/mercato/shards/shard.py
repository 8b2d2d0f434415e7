"""One shard: answers a router for its products.

A search is work on a part that asks of the whole (`mercato.retrieval.whole`), so it is answered in rounds: what the
shard says of its products goes to the router, what all shards say together comes back. Between two rounds the work is
kept; a process that does not have it, because another answered the round before, does it again from what the router was
told so far. So rounds may go to any process of the shard's server.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.errors import InvalidInputError, MercatoError, ModelError, SnapshotError
from mercato.features.inputs import History
from mercato.index.facet_counts import FacetCounter
from mercato.index.field_codes import Matches
from mercato.index.live import LiveCatalog
from mercato.index.part import CatalogPart
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.retrieval import RetrievalRequest
from mercato.retrieval.context import RetrievalContext, prepare_context
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.result import BOOSTED_SLOTS, WholeResult
from mercato.retrieval.search import SearchPart, find_part
from mercato.retrieval.sources.dense import DENSE
from mercato.retrieval.whole import Figures, Steps
from mercato.shards.facets import count_shard

KEPT = 512
"""Searches between two rounds that a process keeps; what a router gave up is forgotten with time."""


@dataclass(frozen=True, kw_only=True)
class ShardSearch:
    """A search as a shard is asked it.

    Attributes:
        key: by which its rounds are known.
        request: what is asked; whether a filter that leaves nothing may go is the router's matter.
        vector: float32 [D], of the query; None if there is no encoder.
        exact: int32 [e], rows of the whole catalogue whose code the query is.
        told: of each round so far, what holds of the whole.
    """

    key: str
    request: RetrievalRequest
    vector: Float32 | None
    exact: Int32
    told: Sequence[Figures] = ()


@dataclass(frozen=True, kw_only=True)
class ShardFound:
    """What a shard found; rows are those of the whole catalogue.

    Attributes:
        part: candidates and counts.
        sorted: int32 [m], ascending, among which are those of the shard that come first by what the request sorts by.
        boosted: int32 [b], ascending, the most popular of what boosts lift.
        pinned: int32 [pinned ids], the row of each pinned product of the shard; -1 for others.
        allowed: how many products pass the filter.
        facets: counts by facet.
    """

    part: SearchPart
    sorted: Int32
    boosted: Int32
    pinned: Int32
    allowed: int
    facets: list[dict[str, Any]]


class Shard:
    """The products of one shard, to be searched in rounds."""

    def __init__(self, catalog: LiveCatalog) -> None:
        """Take the products.

        Raises:
            SnapshotError: the snapshot is no shard.
        """
        self.part: CatalogPart = catalog.snapshot.part
        if self.part.rows is None:
            raise SnapshotError(f"catalogue {catalog.snapshot.folder}: is no shard; `mercato shard` makes some of it")
        self.catalog = catalog
        self._queries = QueryAnalyzer(catalog)
        self._counter = FacetCounter(catalog)
        self._whole = WholeResult(self._counter)
        self._kept: OrderedDict[str, tuple[int, Steps[ShardFound]]] = OrderedDict()

    def search(self, searches: Sequence[ShardSearch]) -> list[Figures | ShardFound | MercatoError]:
        """Go on with searches as far as each gets.

        Returns:
            For each what is to be said of the whole before it goes on; or what it found; or what is wrong with it.
        """
        begun: dict[int, Steps[ShardFound]] = {}
        done: dict[int, int] = {}
        errors: dict[int, MercatoError] = {}
        contexts: dict[int, RetrievalContext] = {}
        for index, search in enumerate(searches):
            rounds, kept = self._kept.pop(search.key, (-1, None))
            if kept is not None and rounds + 1 == len(search.told):
                begun[index], done[index] = kept, rounds + 1
                continue
            try:
                self._whole.check(search.request)
                request = replace(search.request, strict_filtering=True)
                contexts[index] = prepare_context(self.catalog, request, History.empty(), search.vector)
            except InvalidInputError as exc:
                errors[index] = exc
        dense = DENSE.search(self.catalog, list(contexts.values()))
        for (index, context), near in zip(contexts.items(), dense, strict=True):
            begun[index], done[index] = self._find(context, near, searches[index].exact), 0
        return [
            errors[index] if index in errors else self._go_on(search, begun[index], done[index])
            for index, search in enumerate(searches)
        ]

    def read_documents(self, rows: Int32) -> list[bytes]:
        """Return the documents of rows of the whole catalogue, int32 [n]; all are the shard's."""
        return [self.catalog.document(row) for row in self._find_own(rows).tolist()]

    def read_vectors(self, rows: Int32) -> Float32:
        """Return the vectors of rows of the whole catalogue, float32 [n, D]; all are the shard's."""
        return self.catalog.vectors(self._find_own(rows))

    def _find_own(self, rows: Int32) -> Int32:
        own = self.part.find_rows(rows)
        if len(own) and own.min() < 0:
            raise ModelError("shard: was asked for products of another; give the shards of one cut to the router")
        return own

    def _go_on(self, search: ShardSearch, steps: Steps[ShardFound], done: int) -> Figures | ShardFound:
        """Tell a search what it was not told yet."""
        try:
            said = next(steps) if not done else Figures()
            if done:
                said = steps.send(search.told[done - 1])
            for told in search.told[done:]:
                said = steps.send(told)
        except StopIteration as found:
            result: ShardFound = found.value
            return result
        self._kept[search.key] = len(search.told), steps
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return said

    def _find(self, context: RetrievalContext, dense: RankedList | None, exact: Int32) -> Steps[ShardFound]:
        request, none = context.request, np.zeros(0, np.int32)
        own = self.part.find_rows(exact)
        found, matches = yield from find_part(self.catalog, self._queries, context, dense, own[own >= 0])
        shown = matches.copy()
        shown[context.pinned[context.pinned >= 0]] = True
        counted = Matches(shown, self.catalog, context.allowed)
        facets = yield from count_shard(self._counter, request.facets, counted, self.part)
        first = boosted = none
        if request.order_by is not None or any(boost.boost > 0 for boost in request.all_boosts):
            rows = np.flatnonzero(matches).astype(np.int32)
            if request.order_by is not None:
                limit = max(request.window, request.depth)
                first = np.sort(self._whole.sort_rows(request.order_by, rows, none, limit))
            else:
                boosted = self._whole.list_boosted(context, rows)[: BOOSTED_SLOTS + len(found.rows)]
        name = self.part.name_rows
        pinned = np.where(context.pinned >= 0, name(np.maximum(context.pinned, 0)), -1).astype(np.int32)
        return ShardFound(
            part=_name_part(found, self.part),
            sorted=name(first),
            boosted=name(boosted),
            pinned=pinned,
            allowed=context.allowed.count(),
            facets=facets,
        )


def _name_part(found: SearchPart, part: CatalogPart) -> SearchPart:
    """Return what was found with the rows that products have in the whole catalogue."""

    def name(listed: RankedList) -> RankedList:
        return replace(listed, rows=part.name_rows(listed.rows))

    return replace(
        found,
        rows=part.name_rows(found.rows),
        words=name(found.words),
        near=None if found.near is None else replace(found.near, rows=part.name_rows(found.near.rows)),
        popular=name(found.popular),
        chosen=None if found.chosen is None else name(found.chosen),
        following=name(found.following),
        exact=part.name_rows(found.exact),
    )
