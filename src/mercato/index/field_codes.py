"""The values of one field by product, which is what counting asks; filters' columns have the products by value."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from mercato.arrays import Bool, Float64, Int32, Int64
from mercato.catalog.column_builder import field_values, is_number, joined_values
from mercato.catalog.columns import ColumnSet, NumberColumn, TextColumn
from mercato.catalog.product import format_value
from mercato.index.allowed import Allowed
from mercato.index.delta import Delta
from mercato.index.live import LiveCatalog

#: From this share of all products on, a pass over the whole column costs less than collecting each product's values.
_MANY_SHARE = 1 / 8


class Matches:
    """The products of a result, in the forms that counting needs; made once for all facets.

    A product with variants is counted by those of them that pass the request's filter, and once for each value. So a
    value is counted as often as it finds products, were it one more condition of the filter.

    Attributes:
        mask: bool [snapshot rows], those without variants.
        rows: int64 [n], the same as rows.
        variants: int64 [v], variants of snapshot products.
        variant_owners: int64 [v], the row of each one's product, ascending.
        items: int64 [m], items of changed products.
        item_owners: int64 [m], the entry of each, ascending; None where each has another.
    """

    __slots__ = ("item_owners", "items", "mask", "rows", "variant_owners", "variants")

    def __init__(self, matches: Bool, catalog: LiveCatalog, allowed: Allowed | None = None) -> None:
        """Split a mask.

        Args:
            matches: bool [snapshot rows + changes].
            catalog: the products.
            allowed: says which variants pass the filter; None for all.
        """
        columns, delta = catalog.snapshot.columns, catalog.delta
        self.mask, entries = matches[: catalog.base], matches[catalog.base :]
        self.variants = self.variant_owners = np.zeros(0, np.int64)
        if columns.variants is not None:
            passing = self.mask[columns.variant_products]
            if allowed is not None and allowed.variants is not None:
                passing = passing & allowed.variants
            self.variants = np.flatnonzero(passing)
            self.variant_owners = columns.variant_products[self.variants].astype(np.int64)
            self.mask = self.mask.copy()
            self.mask[columns.with_variants] = False
        self.rows: Int64 = np.flatnonzero(self.mask)
        self.item_owners: Int64 | None = None
        if delta.has_variants:
            items = entries[delta.entry_of_item]
            if allowed is not None and allowed.items is not None:
                items = items & allowed.items
            self.items: Int64 = np.flatnonzero(items)
            self.item_owners = delta.entry_of_item[self.items].astype(np.int64)
        else:
            self.items = np.flatnonzero(entries)


class Groups:
    """Some numbers for each of many products.

    Attributes:
        bounds: int64 [products + 1]; the numbers of product p are ``items[bounds[p]:bounds[p + 1]]``.
        items: the numbers.
    """

    __slots__ = ("bounds", "items")

    def __init__(self, bounds: Int64, items: npt.NDArray[np.generic]) -> None:
        """Hold the arrays."""
        self.bounds = bounds
        self.items = items

    def __len__(self) -> int:
        """Count the products."""
        return len(self.bounds) - 1

    def positions(self, products: Int64) -> tuple[Int64, Int64]:
        """Find the numbers of some products.

        Returns:
            Positions in ``items``, int64 [m], and for each the index of its product in ``products``, int64 [m].
        """
        starts = self.bounds[products]
        sizes = self.bounds[products + 1] - starts
        origin = np.repeat(np.arange(len(products)), sizes)
        before = np.cumsum(sizes) - sizes
        return np.arange(len(origin)) - before[origin] + starts[origin], origin


class GrowingGroups:
    """`Groups` of products that come one after another."""

    def __init__(self, dtype: type[np.generic]) -> None:
        """Make an empty one; ``dtype`` is that of the numbers."""
        self._dtype = dtype
        self._bounds = [0]
        self._items: list[float] = []
        self._made = Groups(np.zeros(1, np.int64), np.zeros(0, dtype))

    def __len__(self) -> int:
        """Count the products."""
        return len(self._bounds) - 1

    def append(self, items: list[float] | list[int]) -> None:
        """Add a product's numbers."""
        self._items += items
        self._bounds.append(len(self._items))

    def groups(self) -> Groups:
        """Return the groups so far."""
        if len(self._made) < len(self):
            self._made = Groups(np.array(self._bounds, np.int64), np.array(self._items, self._dtype))
        return self._made


class FieldCodes:
    """The texts of a field, as codes: those of the snapshot's dictionary first, then what changed products brought."""

    def __init__(self, columns: ColumnSet, field: str) -> None:
        """Turn a column round.

        Args:
            columns: the snapshot's.
            field: a full name; they may lack it.
        """
        self._field = field
        self._column = column = columns.text(field)
        self._known = len(column) if column is not None else 0
        self._single, self._groups = _turn_round(column, columns.count)
        self._variants = _group_variants(columns, field)
        self._changed = GrowingGroups(np.int32)
        self._new: dict[str, int] = {}
        self._new_values: list[str] = []
        self._shown: dict[int, str] = {}
        self._positions = np.arange(self._known, dtype=np.float64)

    def update(self, delta: Delta) -> None:
        """Read the products that changed since the last call."""
        fresh = delta.items[len(self._changed) :]
        for item in fresh:
            values = () if item is None else field_values(item, self._field)
            self._changed.append(list(dict.fromkeys(self._code(format_value(value)) for value in values)))
        if fresh:
            self._place_new()

    def count(self, matches: Matches) -> Int64:
        """Count how many of some products have each value.

        Args:
            matches: the products.

        Returns:
            int64 [values], by code.
        """
        rows, size = matches.rows, self._known + len(self._new)
        if self._single is not None:
            codes = self._single[rows] + 1  # 0 is none
            counts = np.bincount(codes, minlength=size + 1)[1:]
        elif self._column is not None and len(rows) > _MANY_SHARE * len(self._groups):
            counts = np.pad(self._column.count(matches.mask), (0, size - self._known))
        else:
            positions, _ = self._groups.positions(rows)
            counts = np.bincount(self._groups.items[positions].astype(np.int64), minlength=size)
        if len(matches.variants):
            counts = counts + _count_owners(self._variants, matches.variants, matches.variant_owners, size)
        if len(matches.items):
            counts = counts + _count_owners(self._changed.groups(), matches.items, matches.item_owners, size)
        return counts

    def value(self, code: int) -> str:
        """Return the value of a code."""
        if code >= self._known or self._column is None:
            return self._new_values[code - self._known]
        value = self._shown.get(code)
        if value is None:
            value = self._shown[code] = self._column.value(code)
        return value

    def positions(self) -> Float64:
        """Return where each code's value stands among all values in the order of their UTF-8 bytes: float64 [values].

        Rises with the value; the distances mean nothing.
        """
        return self._positions

    def _code(self, value: str) -> int:
        code = self._column.code(value) if self._column is not None else None
        if code is None:
            code = self._new.get(value)
        if code is None:
            code = self._new[value] = self._known + len(self._new)
            self._new_values.append(value)
        return code

    def _place_new(self) -> None:
        """Put the new values between the snapshot's, whose codes are in the order of values already."""
        if self._known + len(self._new) == len(self._positions):
            return
        ordered = sorted(self._new, key=_to_bytes)
        positions = np.empty(len(ordered))
        for number, value in enumerate(ordered, start=1):
            before = bisect_left(range(self._known), _to_bytes(value), key=lambda code: _to_bytes(self.value(code)))
            positions[self._new[value] - self._known] = before - 1 + number / (len(ordered) + 1)
        self._positions = np.concatenate([np.arange(self._known, dtype=np.float64), positions])


class FieldNumbers:
    """The numbers of a field."""

    def __init__(self, columns: ColumnSet, field: str) -> None:
        """Hold a column.

        Args:
            columns: the snapshot's.
            field: a full name; they may lack it.
        """
        self._field = field
        self._column = columns.number(field) or NumberColumn(np.zeros(0), np.zeros(0, np.int32))
        self._variants = columns.variants.number(field) if columns.variants is not None else None
        self._variant_products = columns.variant_products
        self._count = columns.count
        self._items = GrowingGroups(np.float64)
        self._products = GrowingGroups(np.float64)
        self._extremes: dict[bool, Float64] = {}

    def update(self, delta: Delta) -> None:
        """Read the products that changed since the last call."""
        for item in delta.items[len(self._items) :]:
            values = () if item is None else field_values(item, self._field)
            self._items.append([float(value) for value in values if is_number(value)])
        for product in delta.products[len(self._products) :]:
            values = () if product is None else joined_values(product, self._field)
            self._products.append([float(value) for value in values if is_number(value)])

    def select(self, matches: Matches) -> tuple[Float64, Int64 | None]:
        """Return the numbers of some products.

        Args:
            matches: the products.

        Returns:
            Their numbers, float64 [k], and whose each is, int64 [k]; None where no product has several.
        """
        column, rows = self._column, matches.rows
        if column.rows is None:
            numbers = column.values[rows]
            keep = ~np.isnan(numbers)
            if not len(matches.items) and not len(matches.variants):
                return numbers[keep], None
            numbers, owners = numbers[keep], rows[keep]
        else:
            held = matches.mask[column.rows]
            numbers, owners = column.values[held], column.rows[held].astype(np.int64)
        if len(matches.variants) and self._variants is not None:
            of_variants, variants = _select_numbers(self._variants, matches.variants, len(self._variant_products))
            numbers = np.concatenate([numbers, of_variants])
            owners = np.concatenate([owners, self._variant_products[variants].astype(np.int64)])
        if len(matches.items):
            changed = self._items.groups()
            positions, origin = changed.positions(matches.items)
            entries = matches.items if matches.item_owners is None else matches.item_owners
            numbers = np.concatenate([numbers, changed.items[positions].astype(np.float64)])
            owners = np.concatenate([owners, self._count + entries[origin]])
        return numbers, owners

    def own(self, matches: Matches) -> Int64:
        """Return whose each number of `select` is, int64 [k], where it returns None for it."""
        owners: Int64 = matches.rows[~np.isnan(self._column.values[matches.rows])]
        return owners

    def extremes(self, rows: Int64, *, highest: bool) -> Float64:
        """Return one number for each row of snapshot and changes: float64 [n], NaN where there is none.

        Args:
            rows: int64 [n]; entry e of the changes is row ``count + e``.
            highest: of a product's several numbers the highest, else the lowest. The price is the product's own.
        """
        numbers = np.full(len(rows), np.nan)
        old = rows < self._count
        numbers[old] = self._snapshot_extremes(highest)[rows[old]]
        entries = rows[~old] - self._count
        if len(entries):
            changed = self._products.groups()
            positions, origin = changed.positions(entries)
            found = np.full(len(entries), np.nan)
            (np.fmax if highest else np.fmin).at(found, origin, changed.items[positions].astype(np.float64))
            numbers[~old] = found
        return numbers

    def _snapshot_extremes(self, highest: bool) -> Float64:
        if self._column.rows is None:
            return self._column.values
        known = self._extremes.get(highest)
        if known is None:
            known = np.full(self._count, np.nan)
            (np.fmax if highest else np.fmin).at(known, self._column.rows, self._column.values)
            self._extremes[highest] = known
        return known


def _to_bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _group_variants(columns: ColumnSet, field: str) -> Groups:
    """Return the codes of each variant, as the dictionary of the products' column has them."""
    column, texts = columns.text(field), None if columns.variants is None else columns.variants.text(field)
    single, groups = _turn_round(texts, 0 if columns.variants is None else columns.variants.count)
    if column is None or texts is None:
        return groups
    code_of = np.array([column.code(value) for value in texts.values()], np.int32)
    if single is None:
        return Groups(groups.bounds, code_of[groups.items.astype(np.int64)])
    held = single >= 0
    return Groups(np.concatenate([[0], np.cumsum(held)]), code_of[single[held]])


def _count_owners(groups: Groups, things: Int64, owners: Int64 | None, size: int) -> Int64:
    """Count how many owners have each code in any of their things.

    Args:
        groups: the codes of each thing, each once.
        things: int64 [n].
        owners: int64 [n]; None where each has another.
        size: number of codes.

    Returns:
        int64 [size].
    """
    positions, origin = groups.positions(things)
    codes = groups.items[positions].astype(np.int64)
    if owners is not None:
        codes = np.unique(owners[origin] * size + codes) % size if size else codes
    return np.bincount(codes, minlength=size)


def _select_numbers(column: NumberColumn, rows: Int64, count: int) -> tuple[Float64, Int64]:
    """Return the numbers of some rows of a column, float64 [k], and the row of each, int64 [k]."""
    if column.rows is None:
        numbers = column.values[rows]
        keep = ~np.isnan(numbers)
        return numbers[keep], rows[keep]
    mask = np.zeros(count, np.bool_)
    mask[rows] = True
    held = mask[column.rows]
    return column.values[held], column.rows[held].astype(np.int64)


def _turn_round(column: TextColumn | None, count: int) -> tuple[Int32 | None, Groups]:
    """Return the one code of each row (-1 for none) where no row has two, else the codes of each row."""
    empty = Groups(np.zeros(count + 1, np.int64), np.zeros(0, np.int32))
    if column is None or not len(column):
        return np.full(count, -1, np.int32), empty
    rows = column.rows[column.indptr[0] : column.indptr[-1]]
    codes = np.repeat(np.arange(len(column), dtype=np.int32), np.diff(column.indptr))
    sizes = np.bincount(rows, minlength=count)
    if sizes.max(initial=0) <= 1:
        single = np.full(count, -1, np.int32)
        single[rows] = codes
        return single, empty
    bounds = np.zeros(count + 1, np.int64)
    np.cumsum(sizes, out=bounds[1:])
    return None, Groups(bounds, codes[np.argsort(rows, kind="stable")])
