"""Feature columns: what filters, facets and ranking ask of every product, as plain arrays that can be memory-mapped.

Text fields (many values a product) are kept by value: a sorted dictionary, and for each value the rows that have it.
``ANY("x")`` then is one binary search and one scatter. Number fields are a dense column where frequent, and pairs of
row and value where rare or where a product has several.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mercato.arrays import Bool, Float64, Int32, Int64
from mercato.catalog.column_builder import (
    FIXED_NUMBER_FIELDS,
    FIXED_TEXT_FIELDS,
    collect_values,
    pack_values,
)
from mercato.catalog.field_names import ATTRIBUTES, full_name, list_readings, write_field
from mercato.catalog.product import Product
from mercato.errors import InvalidInputError, SnapshotError

#: Of columns without variants, and with.
_VERSIONS = (1, 2)
_OF_VARIANTS = "variants."
#: Field names that a message lists at most.
_LISTED_FIELDS = 12
_HELD_NAME_CHARS = 3
#: From this share of all products on, a value's rows are kept as a mask once they were asked for.
_FREQUENT_SHARE = 1 / 16
#: From so many values on they are looked for together.
_MANY_VALUES = 64
_STEP = 32


class WordLookup(Protocol):
    """Knows which products and variants hold the words of a text."""

    def mark(self, text: str, mask: Bool, *, variants: bool = False) -> None:
        """Set the products, or the variants, that hold every word of a text: bool [n], written to."""


class TextColumn:
    """One text field of every product.

    Attributes:
        indptr: int64 [values + 1]; the rows with value v are ``rows[indptr[v]:indptr[v + 1]]``.
        rows: int32, row numbers, ascending within a value.
    """

    __slots__ = ("_blob", "_bounds", "_masks", "_steps", "indptr", "rows")

    def __init__(self, blob: npt.NDArray[np.uint8], bounds: Int64, indptr: Int64, rows: Int32) -> None:
        """Hold the arrays.

        Args:
            blob: uint8, the values as UTF-8, one after another, ascending by their bytes.
            bounds: int64 [values + 1], where each value starts in `blob`.
            indptr: int64 [values + 1].
            rows: int32.
        """
        self._blob = blob
        self._bounds = bounds
        self.indptr = indptr
        self.rows = rows
        self._masks: dict[int, Bool] = {}
        self._steps: list[bytes] | None = None

    def __len__(self) -> int:
        """Count the distinct values."""
        return len(self._bounds) - 1

    def value(self, code: int) -> str:
        """Return the value of a code, 0 to ``len - 1``."""
        return self._bytes(code).decode("utf-8")

    def values(self) -> list[str]:
        """Return every value, ascending by its UTF-8 bytes; the position is the code."""
        return [self.value(code) for code in range(len(self))]

    def code(self, value: str) -> int | None:
        """Find a value, exactly and with its case.

        Args:
            value: the text.

        Returns:
            Its code, None where no product has it.
        """
        wanted = value.encode("utf-8", "surrogatepass")
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._bytes(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self._bytes(low) == wanted else None

    def rows_of(self, value: str) -> Int32:
        """Return the rows that have a value, ascending; empty where none has."""
        code = self.code(value)
        return self.rows[:0] if code is None else self.rows[self.indptr[code] : self.indptr[code + 1]]

    def mark(self, value: str, mask: Bool) -> None:
        """Set the products that have a value.

        Args:
            value: the text.
            mask: bool [n], written to: true where a product has the value, else left as it is.
        """
        code = self.code(value)
        if code is None:
            return
        rows = self.rows[self.indptr[code] : self.indptr[code + 1]]
        if len(rows) < _FREQUENT_SHARE * len(mask):
            mask[rows] = True
            return
        # A scatter of most rows costs thirty times a pass over bytes; the mask is made once a process.
        known = self._masks.get(code)
        if known is None:
            known = np.zeros(len(mask), np.bool_)
            known[rows] = True
            self._masks[code] = known
        np.logical_or(mask, known, out=mask)

    def mark_all(self, values: Sequence[str], mask: Bool) -> None:
        """Set the products that have one of some values: `mark` for each, but for many at a cost of 2 us a value.

        Args:
            values: the texts.
            mask: bool [n], written to.
        """
        if len(values) < _MANY_VALUES:
            for value in values:
                self.mark(value, mask)
            return
        codes = self._find_codes(sorted({value.encode("utf-8", "surrogatepass") for value in values}))
        starts = self.indptr[codes]
        sizes = self.indptr[codes + 1] - starts
        before = np.cumsum(sizes) - sizes
        mask[self.rows[np.arange(sizes.sum()) + np.repeat(starts - before, sizes)]] = True

    def _find_codes(self, wanted: Sequence[bytes]) -> Int64:
        """Find many values, ascending: int64 [k], the codes of those that some product has.

        Every `_STEP`-th value is read once; between two of them lie few, which are read where something is wanted.
        """
        if self._steps is None:
            self._steps = [self._bytes(code) for code in range(0, len(self), _STEP)]
        found = []
        block, held = -1, list[bytes]()
        for value in wanted:
            index = bisect_right(self._steps, value) - 1
            if index < 0:
                continue
            if index != block:
                block, held = index, self._read_block(index * _STEP)
            position = bisect_left(held, value)
            if position < len(held) and held[position] == value:
                found.append(index * _STEP + position)
        return np.array(found, np.int64)

    def count(self, mask: Bool) -> Int64:
        """Count, for facets, how many of some products have each value.

        Args:
            mask: bool [n], the products.

        Returns:
            int64 [values], by code.
        """
        if not len(self):
            return np.zeros(0, np.int64)
        first = self.indptr[0]
        counts: Int64 = np.add.reduceat(
            mask[self.rows[first : self.indptr[-1]]], self.indptr[:-1] - first, dtype=np.int64
        )
        return counts

    def codes(self, count: int) -> Int32:
        """Give one code for each product, for what compares products (diversity, features).

        Args:
            count: number of products n.

        Returns:
            int32 [n]; -1 where the field has no value, the least code where it has several.
        """
        codes = np.full(count, -1, np.int32)
        for code in range(len(self) - 1, -1, -1):
            codes[self.rows[self.indptr[code] : self.indptr[code + 1]]] = code
        return codes

    def _read_block(self, first: int) -> list[bytes]:
        """Return the values from one code on, `_STEP` of them."""
        bounds = self._bounds[first : first + _STEP + 1].tolist()
        blob = self._blob[bounds[0] : bounds[-1]].tobytes()
        starts = [bound - bounds[0] for bound in bounds]
        return [blob[start:end] for start, end in pairwise(starts)]

    def _bytes(self, code: int) -> bytes:
        return self._blob[self._bounds[code] : self._bounds[code + 1]].tobytes()


class NumberColumn:
    """One number field of every product.

    Attributes:
        values: float64. Dense: [n], NaN where the product has no number. Sparse: one for each of `rows`.
        rows: int32, ascending, a row once for each of its numbers; None for a dense column.
    """

    __slots__ = ("rows", "values")

    def __init__(self, values: Float64, rows: Int32 | None) -> None:
        """Hold the arrays."""
        self.values = values
        self.rows = rows

    def dense(self, count: int) -> Float64:
        """Give one number for each product.

        Args:
            count: number of products n.

        Returns:
            float64 [n], NaN where there is none; of several the last. A dense column's own array, not to be written to.
        """
        if self.rows is None:
            return self.values
        numbers = np.full(count, np.nan)
        numbers[self.rows] = self.values
        return numbers


class ColumnSet:
    """The columns of a catalogue's products, row by row in the catalogue's order.

    Field names are those that filters use: ``id``, ``brand``, ``categories``, ``currency``, ``availability`` (text),
    ``price``, ``available_time`` (numbers; a time is seconds since 1970), ``attributes.KEY``. An attribute is text,
    numbers, or, where products differ, both: then its text column holds the numbers too, as `format_value` writes them.

    A product with variants has here what any of its variants has; a filter asks the columns of `variants` in its place.

    Attributes:
        variants: columns with a row for each variant of those products that have any; None where none has.
        variant_products: int32 [variants], the row of each variant's product, ascending.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """See `from_arrays`."""
        self.count: int = meta["count"]
        self._arrays = dict(arrays)
        self._meta = meta
        blob, bounds, indptr, rows = (arrays[f"text.{name}"] for name in ("blob", "bounds", "indptr", "rows"))
        self._text = {
            field: TextColumn(blob, bounds[first : last + 1], indptr[first : last + 1], rows)
            for field, (first, last) in meta["text"].items()
        }
        self._numbers = {
            field: NumberColumn(arrays["number.dense"][position], None) for position, field in enumerate(meta["dense"])
        }
        for field, (first, last) in meta["sparse"].items():
            self._numbers[field] = NumberColumn(arrays["number.values"][first:last], arrays["number.rows"][first:last])
        self.words: WordLookup | None = None
        self.variants: ColumnSet | None = None
        self.variant_products: Int32 = np.zeros(0, np.int32)
        if "variants" in meta:
            own = {
                name.removeprefix(_OF_VARIANTS): array
                for name, array in arrays.items()
                if name.startswith(_OF_VARIANTS)
            }
            self.variants = ColumnSet(own, meta["variants"])
            self.variant_products = own["products"]
        self._first_variants = np.flatnonzero(np.diff(self.variant_products, prepend=-1))
        self.with_variants: Int32 = self.variant_products[self._first_variants]
        """int32, the rows of the products that have variants, ascending."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any]) -> "ColumnSet":
        """Make columns from what `arrays` and `meta` gave; the arrays are used as they are, not copied.

        Args:
            arrays: by name; may be read-only and memory-mapped.
            meta: from the snapshot's manifest.

        Returns:
            The columns.

        Raises:
            SnapshotError: an array is missing, or of another version.
        """
        if meta.get("version") not in _VERSIONS:
            raise SnapshotError(
                f"feature columns are of version {meta.get('version')}, this Mercato reads "
                f"{' and '.join(map(str, _VERSIONS))}; build the snapshot again"
            )
        try:
            return cls(arrays, meta)
        except (KeyError, IndexError, TypeError, ValueError) as exc:
            raise SnapshotError(f"feature columns are incomplete ({exc!r}); build the snapshot again") from exc

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays to store, by name."""
        return dict(self._arrays)

    def meta(self) -> dict[str, Any]:
        """Return what must be stored beside the arrays; JSON values only."""
        return dict(self._meta)

    @property
    def fields(self) -> list[str]:
        """Every field name: the fixed ones first, then attributes by name."""
        fixed = [*FIXED_TEXT_FIELDS, *FIXED_NUMBER_FIELDS]
        return fixed + sorted((self._text.keys() | self._numbers.keys()).difference(fixed))

    def text(self, field: str) -> TextColumn | None:
        """Return the text column of a field (a full name), None where it has no text."""
        return self._text.get(field)

    def number(self, field: str) -> NumberColumn | None:
        """Return the number column of a field (a full name), None where it has no numbers."""
        return self._numbers.get(field)

    def use_words(self, words: WordLookup) -> None:
        """Take what answers the field ``words`` of filters."""
        self.words = words

    def have_some(self, variants: Bool) -> Bool:
        """Tell which of the products `with_variants` have one of some variants.

        Args:
            variants: bool [variants].

        Returns:
            bool [with_variants].
        """
        some: Bool = np.logical_or.reduceat(variants, self._first_variants)
        return some

    def row_of(self, product_id: str) -> int | None:
        """Return the row of a product, None where the catalogue does not have it."""
        rows = self._text["id"].rows_of(product_id)
        return int(rows[0]) if len(rows) else None

    def resolve(self, name: str, known: Collection[str] = ()) -> str:
        """Find the field that a filter means.

        Args:
            name: a full name, or the key alone of an attribute. A fixed field goes before an attribute of its name.
            known: full names that are accepted although no product here has them (changes since the snapshot).

        Returns:
            The full name.

        Raises:
            InvalidInputError: no such field; the message has the names near to it, and known ones, as they are written.
        """
        return self._find([full_name(name)], name, known)

    def resolve_written(self, written: str, known: Collection[str] = ()) -> str:
        """Find the field that a name means which stands alone, as facets and sorting have them.

        Args:
            written: as filters write it, or the key of an attribute as it is.
            known: see `resolve`.

        Returns:
            The full name.

        Raises:
            InvalidInputError: see `resolve`.
        """
        return self._find(list_readings(written), written, known)

    def _find(self, readings: Sequence[str], name: str, known: Collection[str]) -> str:
        for field in readings:
            if field in self._text or field in self._numbers or field in known:
                return field
        fields = [*self.fields, *sorted(set(known).difference(self._text, self._numbers))]
        listed = ", ".join(map(write_field, fields[:_LISTED_FIELDS]))
        more = len(fields) - _LISTED_FIELDS
        near = _near_names(readings[0], fields)
        raise InvalidInputError(
            "FILTER",
            f"unknown field {name!r}; known fields: {listed}{f' and {more:,} more' if more > 0 else ''}",
            f"did you mean {' or '.join(map(write_field, near))}?" if near else "",
        )


def _near_names(name: str, fields: Sequence[str]) -> list[str]:
    """Give up to three fields that are spelt like a name, or hold it; case and ``attributes.`` do not count."""
    wanted = name.removeprefix(ATTRIBUTES).lower()
    by_key = {field.removeprefix(ATTRIBUTES).lower(): field for field in reversed(fields)}
    holding = sorted((key for key in by_key if wanted in key), key=len) if len(wanted) >= _HELD_NAME_CHARS else []
    near = dict.fromkeys([*get_close_matches(wanted, by_key, 1, 0.8), *holding, *get_close_matches(wanted, by_key, 2)])
    return [by_key[key] for key in near][:3]


def build_columns(products: Iterable[Product]) -> ColumnSet:
    """Build the columns of products.

    Args:
        products: in row order.

    Returns:
        The columns; `ColumnSet.count` is the number of products, none included.
    """
    variants: list[Product] = []
    rows: list[int] = []

    def set_aside() -> Iterator[tuple[Product, Sequence[Product]]]:
        for row, product in enumerate(products):
            views = product.as_variants()
            if product.variants:
                variants.extend(views)
                rows.extend([row] * len(views))
            yield product, views

    count, texts, numbers = collect_values(set_aside())
    arrays, meta = pack_values(count, texts, numbers)
    if not variants:
        return ColumnSet(arrays, {"version": _VERSIONS[0], **meta})
    mixed = numbers.keys() & texts.keys()
    own, own_meta = pack_values(*collect_values(((one, (one,)) for one in variants), mixed))
    own["products"] = np.array(rows, np.int32)
    arrays |= {_OF_VARIANTS + name: array for name, array in own.items()}
    return ColumnSet(arrays, {"version": _VERSIONS[1], **meta, "variants": own_meta})
