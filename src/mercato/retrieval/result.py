"""The whole result of a request: counted for facets, sorted, and searched for what boosts bring into the window."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from mercato.arrays import Bool, Int32
from mercato.catalog.field_names import full_name, write_field
from mercato.errors import InvalidInputError
from mercato.index.facet_counts import FacetCounter
from mercato.index.field_codes import Matches
from mercato.membership import is_among
from mercato.requests.facets import FacetSpec, drop_fields
from mercato.requests.order_by import OrderBy
from mercato.requests.retrieval import RetrievalRequest
from mercato.retrieval.candidates import CandidateSet, rearrange
from mercato.retrieval.cold_start import find_slots
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.ordering import sort_products, weigh_rows
from mercato.retrieval.sources.arrival import ARRIVAL

BOOSTED_SLOTS = 32
"""Slots of the window that boosted products may take from the last ones: a quarter, so that relevance keeps most."""


class WholeResult:
    """What is done with every product that matches, in the retriever's process, which knows them."""

    def __init__(self, counter: FacetCounter) -> None:
        """Make it.

        Args:
            counter: counts facets; has the catalogue's fields.
        """
        self._counter = counter
        self._catalog = counter.catalog

    def check(self, request: RetrievalRequest) -> None:
        """Refuse facets, orders and boosts that the catalogue cannot serve.

        Raises:
            InvalidInputError: an unknown field, or one of the wrong kind.
        """
        self._counter.check(request.facets)
        if request.order_by is not None:
            self._sort_fields(request.order_by)
        for index, boost in enumerate(request.boosts):
            try:
                self._catalog.find_passing(boost.condition)
            except InvalidInputError as exc:
                problem = str(exc).removeprefix(f"{exc.parameter}: ")
                raise InvalidInputError(f"OPTIONS.boosts[{index}].condition", problem) from exc

    def arrange(self, context: RetrievalContext, found: CandidateSet) -> CandidateSet:
        """Sort a result as its request asks, or give boosted products slots in the window.

        Args:
            context: the request.
            found: its candidates.

        Returns:
            The same result in another order.
        """
        if context.request.order_by is not None:
            return self._sort(context, found, context.request.order_by)
        if any(boost.boost > 0 for boost in context.request.all_boosts):
            return self._admit(context, found)
        return found

    def count(
        self, context: RetrievalContext, found: CandidateSet, facets: Sequence[FacetSpec]
    ) -> list[dict[str, Any]]:
        """Count facets; pinned products count.

        Args:
            context: the request.
            found: its candidates.
            facets: what is counted.
        """
        mask = self.matches(context, found)
        pinned = context.pinned[context.pinned >= 0]
        if len(pinned):
            mask = mask.copy()
            mask[pinned] = True
        matches = Matches(mask, self._catalog, context.allowed)
        return [self._counter.count(facet, matches) for facet in facets]

    def without_excluded(self, request: RetrievalRequest, facet: FacetSpec) -> RetrievalRequest:
        """Return the request whose result a facet counts: without the conditions on its excluded filter keys."""
        if request.condition is None or not facet.excluded_filter_keys:
            return request
        fields = set()
        for key in facet.excluded_filter_keys:
            with suppress(InvalidInputError):  # what no product has excludes nothing
                fields.add(self._counter.resolve(key, "OPTIONS.facets"))
        condition = drop_fields(request.condition, fields, full_name)
        return request if condition is request.condition else replace(request, condition=condition)

    def matches(self, context: RetrievalContext, found: CandidateSet) -> Bool:
        """Return the products of a result: bool [snapshot rows + changes]."""
        if found.matches is not None:
            return found.matches
        matches = np.concatenate([context.allowed.rows, context.allowed.entries])
        if context.request.excludes_seeds:
            matches[context.seeds] = False
        return matches

    def _sort_fields(self, order: OrderBy) -> list[str]:
        fields = []
        for key in order.keys:
            field = self._counter.resolve(key.field, "OPTIONS.order_by")
            columns = self._catalog.snapshot.columns
            if columns.number(field) is None and columns.text(field) is not None:
                raise InvalidInputError(
                    "OPTIONS.order_by", f"{write_field(field)} holds texts", "sort by a field of numbers, such as price"
                )
            fields.append(field)
        return fields

    def list_rows(self, context: RetrievalContext, found: CandidateSet) -> Int32:
        """Return the products of a result that may come into its window, int32 [m] ascending."""
        if found.rows is not None:
            return found.rows
        return np.flatnonzero(self.matches(context, found)).astype(np.int32)

    def sort_rows(self, order: OrderBy, rows: Int32, first: Int32, limit: int) -> Int32:
        """Sort products; equal ones keep the order of some of them, then row order, which is that of popularity.

        Args:
            order: what they are sorted by.
            rows: int32 [n], ascending.
            first: int32 [f], those that go first among equals, in their order.
            limit: how many are wanted.

        Returns:
            int32 [m], the first of them.
        """
        numbers = [self._counter.numbers(field) for field in self._sort_fields(order)]
        keys = [
            (column.extremes(rows.astype(np.int64), highest=key.descending), key.descending)
            for column, key in zip(numbers, order.keys, strict=True)
        ]
        relevance = rows.astype(np.int64) + len(first)
        by_row = np.argsort(first)
        at = np.searchsorted(first[by_row], rows)
        known = is_among(rows, first)
        relevance[known] = by_row[at[known]]
        return rows[sort_products(keys, relevance, limit)]

    def list_boosted(self, context: RetrievalContext, rows: Int32) -> Int32:
        """Return those of some products, int32 [n], that boosts lift."""
        return rows[weigh_rows(self._catalog, context.request.all_boosts, rows) > 0]

    def _sort(self, context: RetrievalContext, found: CandidateSet, order: OrderBy) -> CandidateSet:
        """Sort the whole result; equal products keep fused order, then row order."""
        window = context.request.window
        rows = self.list_rows(context, found)
        chosen = self.sort_rows(order, rows, found.fused.rows, max(window, context.request.depth))
        arranged = rearrange(found, chosen[:window], chosen[window:])
        descending = (1.0 / (1.0 + np.arange(len(arranged.fused.rows)))).astype(np.float32)
        return replace(arranged, fused=replace(arranged.fused, fused=descending))

    def _admit(self, context: RetrievalContext, found: CandidateSet) -> CandidateSet:
        """Move the best boosted products from beyond the window to its end.

        Best are those that fusion holds, in its order, then the most popular of the other matches. The last candidates
        of the window make room, but for cold-start products, which keep their slots.
        """
        held, window = found.fused.rows, context.request.window
        rows = self.list_rows(context, found)
        rows = rows[~is_among(rows, held[:window])]
        if not len(rows):
            return found
        rows = self.list_boosted(context, rows)
        behind = np.flatnonzero(is_among(held[window:], rows)) + window
        others = rows[~is_among(rows, held)][:BOOSTED_SLOTS]
        admitted = np.concatenate([held[behind], others])[:BOOSTED_SLOTS]
        if not len(admitted):
            return found
        excess = max(min(len(held), window) + len(admitted) - window, 0)
        free = np.flatnonzero(~self._find_slots(context, found))
        kept = np.delete(held[:window], free[len(free) - excess :])
        after = held[~is_among(held, np.concatenate([kept, admitted]))]
        tail = found.tail[~is_among(found.tail, admitted)]
        arranged = rearrange(found, np.concatenate([kept, admitted, after]), tail)
        fused = arranged.fused.fused
        # Where nothing ranks, they stand level with the last that stays: a score of 0 would be far below all others.
        fused[len(kept) : len(kept) + len(admitted)] = fused[len(kept) - 1] if len(kept) else 0.0
        return arranged

    def _find_slots(self, context: RetrievalContext, found: CandidateSet) -> Bool:
        """Tell which positions of the window cold-start products keep, bool [w]; none where they are not wanted."""
        if ARRIVAL.label not in found.sources:
            return np.zeros(len(found.fused.rows[: context.request.window]), np.bool_)
        return find_slots(self._catalog, context, found)
