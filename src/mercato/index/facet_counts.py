"""Counting facets over a whole result."""

from __future__ import annotations

from typing import Any

import numpy as np

from mercato.arrays import Float64, Int64
from mercato.catalog.field_names import write_field
from mercato.errors import InvalidInputError
from mercato.index.facet_intervals import AUTOMATIC, count_intervals, make_intervals
from mercato.index.field_codes import FieldCodes, FieldNumbers, Matches
from mercato.index.live import LiveCatalog
from mercato.requests.facets import FacetSpec


class FacetCounter:
    """Counts facets of a catalogue. What it reads of a field is kept: the first request for one pays for it.

    Attributes:
        catalog: the products.
    """

    def __init__(self, catalog: LiveCatalog) -> None:
        """Make a counter.

        Args:
            catalog: the products.
        """
        self.catalog = catalog
        self._codes: dict[str, FieldCodes] = {}
        self._numbers: dict[str, FieldNumbers] = {}

    def check(self, specs: tuple[FacetSpec, ...]) -> None:
        """Refuse what cannot be counted.

        Raises:
            InvalidInputError: a field that the catalogue lacks, or intervals of a field without numbers.
        """
        for index, spec in enumerate(specs):
            field = self.resolve(spec.key, f"OPTIONS.facets[{index}].key")
            columns = self.catalog.snapshot.columns
            if spec.intervals and columns.number(field) is None and columns.text(field) is not None:
                raise InvalidInputError(
                    f"OPTIONS.facets[{index}].intervals", f"{write_field(field)} holds texts", "leave the intervals out"
                )

    def resolve(self, name: str, parameter: str) -> str:
        """Find the full name of a field, written as in filters or as a bare key.

        Raises:
            InvalidInputError: there is no such field; the message has the names near to it.
        """
        try:
            return self.catalog.snapshot.columns.resolve_written(name, self.catalog.delta.fields)
        except InvalidInputError as exc:
            raise InvalidInputError(parameter, str(exc).removeprefix(f"{exc.parameter}: ")) from exc

    def count(self, spec: FacetSpec, matches: Matches) -> dict[str, Any]:
        """Count one facet.

        Args:
            spec: the facet, checked.
            matches: the products of the result.

        Returns:
            ``key`` and ``values``. Of texts: ``value`` and ``count`` of the values that some product has, the most
            frequent first, equal ones by their UTF-8 bytes (or all by their bytes), and ``distinct``, how many there
            are beyond the limit too. Of numbers: ``interval``, ``count``, ``minimum`` and ``maximum`` of each interval,
            and the ``minimum`` and ``maximum`` of all.
        """
        field = self.resolve(spec.key, "OPTIONS.facets")
        if self.counts_numbers(spec):
            return self._count_numbers(spec, field, matches)
        return self._count_texts(spec, field, matches)

    def counts_numbers(self, spec: FacetSpec) -> bool:
        """Tell whether a facet is one of numbers."""
        field, columns = self.resolve(spec.key, "OPTIONS.facets"), self.catalog.snapshot.columns
        return bool(spec.intervals) or (columns.text(field) is None and columns.number(field) is not None)

    def select_numbers(self, spec: FacetSpec, matches: Matches) -> tuple[Float64, Int64]:
        """Return the numbers that a facet counts, float64 [n], and the row of each, int64 [n]."""
        column = self.numbers(self.resolve(spec.key, "OPTIONS.facets"))
        numbers, owners = column.select(matches)
        return numbers, column.own(matches) if owners is None else owners

    def numbers(self, field: str) -> FieldNumbers:
        """Return the numbers of a field (a full name) as they are now."""
        if field not in self._numbers:
            self._numbers[field] = FieldNumbers(self.catalog.snapshot.columns, field)
        numbers = self._numbers[field]
        numbers.update(self.catalog.delta)
        return numbers

    def _count_texts(self, spec: FacetSpec, field: str, matches: Matches) -> dict[str, Any]:
        if field not in self._codes:
            self._codes[field] = FieldCodes(self.catalog.snapshot.columns, field)
        codes = self._codes[field]
        codes.update(self.catalog.delta)
        counts = codes.count(matches)
        chosen = select_values(counts, codes.positions(), spec.limit, by_count=spec.order_by == "count")
        return {
            "key": spec.key,
            "values": [{"value": codes.value(code), "count": int(counts[code])} for code in chosen.tolist()],
            "distinct": int(np.count_nonzero(counts)),
        }

    def _count_numbers(self, spec: FacetSpec, field: str, matches: Matches) -> dict[str, Any]:
        numbers, owners = self.numbers(field).select(matches)
        intervals = spec.intervals or make_intervals(numbers, min(AUTOMATIC, spec.limit))
        counted: dict[str, Any] = {
            "key": spec.key,
            "values": count_intervals(intervals[: spec.limit], numbers, owners),
        }
        if len(numbers):
            counted |= {"minimum": float(numbers.min()), "maximum": float(numbers.max())}
        return counted


def select_values(counts: Int64, positions: Float64, limit: int, *, by_count: bool) -> Int64:
    """Choose the values that a facet shows.

    Args:
        counts: int64 [values].
        positions: float64 [values], the order among values; no two are equal.
        limit: how many at most.
        by_count: the highest counts first, equal ones by position; else all by position.

    Returns:
        int64 [n], codes of values with a count above 0, in order.
    """
    held = np.flatnonzero(counts)
    if by_count and len(held) > limit:
        # Whatever ties with the last that can be shown stays: positions decide among them below.
        least = np.partition(counts[held], len(held) - limit)[len(held) - limit]
        held = held[counts[held] >= least]
    keys = (positions[held], -counts[held]) if by_count else (positions[held],)
    order: Int64 = np.lexsort(keys)[:limit]
    return held[order]
