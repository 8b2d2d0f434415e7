"""The values of one field by product, which is what counting asks; filters' columns have the products by value."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from mercato.arrays import Bool, Float64, Int32, Int64
from mercato.catalog.column_builder import field_values, is_number
from mercato.catalog.columns import NumberColumn, TextColumn
from mercato.catalog.product import Product, format_value

#: From this share of all products on, a pass over the whole column costs less than collecting each product's values.
_MANY_SHARE = 1 / 8


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

    def __init__(self, column: TextColumn | None, count: int) -> None:
        """Turn a column round.

        Args:
            column: the snapshot's column; None where it has none.
            count: number of snapshot rows.
        """
        self._column = column
        self._known = len(column) if column is not None else 0
        self._single, self._groups = _turn_round(column, count)
        self._changed = GrowingGroups(np.int32)
        self._new: dict[str, int] = {}
        self._new_values: list[str] = []
        self._shown: dict[int, str] = {}
        self._positions = np.arange(self._known, dtype=np.float64)

    def update(self, products: list[Product | None], field: str) -> None:
        """Read the changed products that came since the last call.

        Args:
            products: all changed products, by entry.
            field: the field's full name.
        """
        fresh = products[len(self._changed) :]
        for product in fresh:
            values = () if product is None else field_values(product, field)
            self._changed.append(list(dict.fromkeys(self._code(format_value(value)) for value in values)))
        if fresh:
            self._place_new()

    def count(self, rows: Int64, entries: Int64) -> Int64:
        """Count how many of some products have each value.

        Args:
            rows: int64 [n], snapshot rows.
            entries: int64 [m], entries of changed products.

        Returns:
            int64 [values], by code.
        """
        size = self._known + len(self._new)
        if self._single is not None:
            codes = self._single[rows] + 1  # 0 is none
            counts = np.bincount(codes, minlength=size + 1)[1:]
        elif self._column is not None and len(rows) > _MANY_SHARE * len(self._groups):
            held = np.zeros(len(self._groups), np.bool_)
            held[rows] = True
            counts = np.pad(self._column.count(held), (0, size - self._known))
        else:
            positions, _ = self._groups.positions(rows)
            counts = np.bincount(self._groups.items[positions].astype(np.int64), minlength=size)
        if len(entries):
            changed = self._changed.groups()
            positions, _ = changed.positions(entries)
            counts = counts + np.bincount(changed.items[positions].astype(np.int64), minlength=size)
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

    def __init__(self, column: NumberColumn | None, count: int) -> None:
        """Hold a column.

        Args:
            column: the snapshot's column; None where it has none.
            count: number of snapshot rows.
        """
        self._column = column if column is not None else NumberColumn(np.zeros(0), np.zeros(0, np.int32))
        self._count = count
        self._changed = GrowingGroups(np.float64)
        self._extremes: dict[bool, Float64] = {}

    def update(self, products: list[Product | None], field: str) -> None:
        """Read the changed products that came since the last call; see `FieldCodes.update`."""
        for product in products[len(self._changed) :]:
            values = () if product is None else field_values(product, field)
            self._changed.append([float(value) for value in values if is_number(value)])

    def select(self, matches: Bool, rows: Int64, entries: Int64) -> tuple[Float64, Int64 | None]:
        """Return the numbers of some products.

        Args:
            matches: bool [snapshot rows], the products.
            rows: int64 [n], the same as rows.
            entries: int64 [m], entries of changed products.

        Returns:
            Their numbers, float64 [k], and whose each is, int64 [k]; None where no product has several.
        """
        column = self._column
        if column.rows is None:
            numbers = column.values[rows]
            keep = ~np.isnan(numbers)
            if not len(entries):
                return numbers[keep], None
            numbers, owners = numbers[keep], rows[keep]
        else:
            held = matches[column.rows]
            numbers, owners = column.values[held], column.rows[held].astype(np.int64)
        if len(entries):
            changed = self._changed.groups()
            positions, origin = changed.positions(entries)
            numbers = np.concatenate([numbers, changed.items[positions].astype(np.float64)])
            owners = np.concatenate([owners, self._count + entries[origin]])
        return numbers, owners

    def extremes(self, rows: Int64, *, highest: bool) -> Float64:
        """Return one number for each row of snapshot and changes: float64 [n], NaN where there is none.

        Args:
            rows: int64 [n]; entry e of the changes is row ``count + e``.
            highest: of a product's several numbers the highest, else the lowest.
        """
        numbers = np.full(len(rows), np.nan)
        old = rows < self._count
        numbers[old] = self._snapshot_extremes(highest)[rows[old]]
        entries = rows[~old] - self._count
        if len(entries):
            changed = self._changed.groups()
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
