"""Variants that a feed groups: products with ids and prices of their own that are one thing to a shopper.

A feed may have a row for each size and colour and say in a column, such as Google's ``item_group_id``, which of them
are one product. Where the rows are not joined (`--group-by`), they stay products that are found, filtered and sold by
themselves; in all that is learned, and in lists of recommendations, they are one. What anybody did with one of them
counts for the group, under the first row of the group, its **leader**; of each group a list shows one member.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mercato.arrays import Bool, Int32, Int64
from mercato.catalog.columns import ColumnSet
from mercato.catalog.product import Product

SETTING = "variant_group"
"""Setting of a snapshot: the attribute that groups; a snapshot without was built before there were groups."""
NO_GROUP = -1

_GROUP_NAMES = frozenset(
    ("itemgroupid", "itemgroup", "variantgroupid", "variantgroup", "productgroupid", "parentsku", "parentasin")
)
"""Attributes that group by their names, as feeds of Google, Meta and Bing and of marketplaces call them."""
_SIGNS = re.compile(r"[\W_]+")


def find_group_field(products: Iterable[Product]) -> str:
    """Find the attribute that groups products: one that is called so, with a value that several have; else empty."""
    values: dict[str, Counter[str]] = {}
    for product in products:
        for key, value in product.attributes.items():
            if isinstance(value, str) and _SIGNS.sub("", key).lower() in _GROUP_NAMES:
                values.setdefault(key, Counter())[value] += 1
    grouped = {key: sum(count for count in counts.values() if count > 1) for key, counts in values.items()}
    best = max(sorted(grouped), key=lambda key: grouped[key], default="")
    return best if best and grouped[best] else ""


def number_groups(products: Sequence[Product], field: str) -> Int32:
    """Number the groups of products: int32 [n], `NO_GROUP` where a product has no value of the field."""
    numbers: dict[str, int] = {}
    values = [product.attributes.get(field) if field else None for product in products]
    return np.array(
        [numbers.setdefault(value, len(numbers)) if isinstance(value, str) else NO_GROUP for value in values], np.int32
    )


def find_leaders(groups: Int32) -> Int64:
    """Return for each row the first row of its group, int64 [n]; a row without a group leads itself."""
    leaders = np.arange(len(groups))
    grouped = np.flatnonzero(groups != NO_GROUP)
    _, first, index = np.unique(groups[grouped], return_index=True, return_inverse=True)
    leaders[grouped] = grouped[first[index]]
    return leaders


def read_groups(columns: ColumnSet, field: str, count: int) -> Int32:
    """Return the group of each row of a snapshot, int32 [n]: the code of its value of a field."""
    if not field:
        return np.broadcast_to(np.array(NO_GROUP, np.int32), count)  # of no group, and of no memory
    groups = np.full(count, NO_GROUP, np.int32)
    column = columns.text(f"attributes.{field}")
    if column is not None and len(column):
        first = column.indptr[0]
        groups[column.rows[first : column.indptr[-1]]] = np.repeat(np.arange(len(column)), np.diff(column.indptr))
    return groups


class VariantGroups:
    """The groups of a live catalogue."""

    def __init__(self, columns: ColumnSet | None, field: str, groups: Int32) -> None:
        """Take those of a snapshot.

        Args:
            columns: of the snapshot; None where nothing groups.
            field: the attribute that groups; empty where nothing does.
            groups: int32 [rows], the group of each row.
        """
        self.field = field
        self._column = columns.text(f"attributes.{field}") if field and columns is not None else None
        self._numbers: dict[str, int] = {}
        self._groups: npt.NDArray[np.int32] = groups
        self._leaders = find_leaders(groups) if field else np.zeros(0, np.int64)
        self._base = len(groups)
        self._places: npt.NDArray[np.float64] = np.arange(len(groups) if field else 0, dtype=np.float64)
        self._sorted: tuple[Int32, Int32] | None = None

    def __bool__(self) -> bool:
        """Tell whether anything is grouped."""
        return bool(self.field)

    def append(self, products: Iterable[tuple[Product | None, int]]) -> None:
        """Add changed products, each with the snapshot row that it replaces (-1 for a new one)."""
        groups, places = [], []
        for product, replaced in products:
            value = product.attributes.get(self.field) if product is not None else None
            groups.append(self._number(value) if isinstance(value, str) else NO_GROUP)
            places.append(float(replaced) if replaced >= 0 else np.inf)
        self._groups = np.concatenate([self._groups, np.array(groups, np.int32)])
        self._places = np.concatenate([self._places, np.array(places)])
        self._sorted = None

    def __len__(self) -> int:
        """Return the number of rows that are known here."""
        return len(self._groups)

    def _number(self, value: str) -> int:
        code = self._column.code(value) if self._column is not None else None
        known = 0 if self._column is None else len(self._column)
        return code if code is not None else self._numbers.setdefault(value, known + len(self._numbers))

    def value_of(self, row: int) -> str | None:
        """Return what a row's group is called; None for no group."""
        group = int(self._groups[row])
        if group == NO_GROUP or self._column is None:
            return None
        return (
            self._column.value(group) if group < len(self._column) else list(self._numbers)[group - len(self._column)]
        )

    def of_rows(self, rows: Int32) -> Int32:
        """Return the group of each row, int32 [n]; `NO_GROUP` for none, and for a row of -1."""
        return np.where(rows >= 0, self._groups[np.maximum(rows, 0)], NO_GROUP).astype(np.int32)

    def lead(self, rows: Int32, originals: Int32) -> Int32:
        """Return the snapshot rows that what was learned of rows lies under.

        Args:
            rows: int32 [n].
            originals: int32 [n], the snapshot row of each, -1 for a new product: the group that it joins is its own.
        """
        leaders = np.where(originals >= 0, self._leaders[np.maximum(originals, 0)], -1).astype(np.int32)
        fresh = np.flatnonzero((originals < 0) & (rows >= self._base))
        for at in fresh.tolist():
            mates = np.flatnonzero(self._groups[: self._base] == self._groups[rows[at]])
            if len(mates) and self._groups[rows[at]] != NO_GROUP:
                leaders[at] = mates[0]
        return leaders

    def list_mates(self, rows: Int32) -> Int32:
        """Return all rows of the groups of some rows, and those rows: int32 [m], ascending."""
        groups = np.unique(self.of_rows(rows[rows >= 0]))
        mates = np.flatnonzero(np.isin(self._groups, groups[groups != NO_GROUP]))
        return np.union1d(rows[rows >= 0], mates).astype(np.int32)

    def choose(self, allowed: Bool, in_stock: Bool, preferred: Int32) -> tuple[Int32, Int32, Int32]:
        """Choose the member of each group that a list shows.

        That is the one that was preferred first; else, of what is allowed, one in stock, then the one that sells best.

        Args:
            allowed: bool [rows], what the list may have.
            in_stock: bool [rows].
            preferred: int32 [p], rows that the shopper chose, the newest first.

        Returns:
            The groups that have a member, int32 [g] ascending; the chosen row of each, int32 [g]; and the other
            members, int32 [m].
        """
        members, groups = self._sort(in_stock)
        kept = allowed[members]
        members, groups = members[kept], groups[kept]
        starts = np.flatnonzero(np.diff(groups, prepend=NO_GROUP - 1))
        present, chosen = groups[starts], members[starts].copy()
        wanted = preferred[allowed[preferred]] if len(preferred) else preferred
        of_wanted = self.of_rows(wanted)
        for row, group in zip(wanted[::-1].tolist(), of_wanted[::-1].tolist(), strict=True):
            if group != NO_GROUP:
                chosen[np.searchsorted(present, group)] = row
        return present, chosen, members[~np.isin(members, chosen)]

    def _sort(self, in_stock: Bool) -> tuple[Int32, Int32]:
        """Return the grouped rows by group, the best of each first, and their groups."""
        if self._sorted is None:
            members = np.flatnonzero(self._groups != NO_GROUP)
            order = np.lexsort((members, self._places[members], ~in_stock[members], self._groups[members]))
            members = members[order].astype(np.int32)
            self._sorted = members, self._groups[members]
        return self._sorted


def substitute(rows: Int32, groups: Int32, present: Int32, chosen: Int32) -> Int32:
    """Put the chosen member of each row's group in its place, int32 [n]; a row without a group stays."""
    if not len(present):
        return rows
    at = np.minimum(np.searchsorted(present, groups), len(present) - 1)
    return np.where((groups != NO_GROUP) & (present[at] == groups), chosen[at], rows).astype(np.int32)


def represent(row_by_id: Mapping[str, int], leaders: Int64) -> dict[str, int]:
    """Return the leader of each id's row, so that what is done with a member counts for its group."""
    return {known: int(leaders[row]) for known, row in row_by_id.items()}
