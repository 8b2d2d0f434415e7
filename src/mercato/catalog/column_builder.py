"""Gathers the values of products by field, and packs them into a handful of arrays however many fields there are."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mercato.catalog.product import Product, format_value

FIXED_TEXT_FIELDS = ("id", "brand", "categories", "currency", "availability")
FIXED_NUMBER_FIELDS = ("price", "available_time")

#: Field -> value -> rows, ascending.
Texts: TypeAlias = dict[str, dict[str, list[int]]]
#: Field -> rows and their numbers, ascending by row.
Numbers: TypeAlias = dict[str, tuple[list[int], list[Any]]]

# Dense costs 8 bytes a product, sparse 12 a number; a dense column is read without an indirection.
_DENSE_SHARE = 0.25


def field_values(product: Product, field: str) -> tuple[str | float | bool, ...]:
    """Give a product's values of one field, as filters compare them.

    Args:
        product: the product, one without variants or as one of them is (`Product.as_variants`).
        field: a full name (`FIXED_TEXT_FIELDS`, `FIXED_NUMBER_FIELDS`, ``attributes.KEY``).

    Returns:
        Its values; empty where it has none. The ids are the product's and its variant's.
    """
    if field == "id" and product.variants:
        return tuple(dict.fromkeys((product.id, *(variant.id for variant in product.variants))))
    if field == "available_time":
        seconds = product.available_seconds
        return () if seconds is None else (seconds,)
    if field.startswith("attributes."):
        value = product.attributes.get(field.removeprefix("attributes."))
        return () if value is None else value if isinstance(value, tuple) else (value,)
    if field == "categories":
        return product.categories
    value = getattr(product, field)
    return () if value is None or value == "" else (value,)


def joined_values(product: Product, field: str) -> tuple[str | float | bool, ...]:
    """Give the values of a field that a product has in any of its variants, each once.

    Price and time are the product's own: what is shown, and what products are sorted by.
    """
    return _join_values(product, product.as_variants(), field)


def _join_values(product: Product, views: Sequence[Product], field: str) -> tuple[str | float | bool, ...]:
    if len(views) == 1 or not (field == "availability" or field.startswith("attributes.")):
        of_one = field in FIXED_NUMBER_FIELDS or len(views) > 1
        values = field_values(product if of_one else views[0], field)
        return values if len(values) < 2 else tuple(dict.fromkeys(values))
    held = dict.fromkeys((type(value), value) for view in views for value in field_values(view, field))
    return tuple(value for _, value in held)


def attribute_fields(product: Product) -> list[str]:
    """List the full names of the attributes that a product has, in any of its variants too."""
    return [f"attributes.{key}" for key in product.joined_attributes]


def is_number(value: str | float | bool) -> bool:
    """Tell numbers from texts and truths."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def collect_values(
    products: Iterable[tuple[Product, Sequence[Product]]], mixed: Collection[str] = ()
) -> tuple[int, Texts, Numbers]:
    """Gather the values of products by field, as `joined_values` has them.

    Args:
        products: each with what `Product.as_variants` gives of it, in row order.
        mixed: fields that have both texts and numbers, whether or not these products do.

    Returns:
        Their number, the texts and the numbers. An attribute with both has its numbers among the texts too.
    """
    texts: Texts = {field: {} for field in FIXED_TEXT_FIELDS}
    numbers: Numbers = {field: ([], []) for field in FIXED_NUMBER_FIELDS}
    fixed = (*FIXED_TEXT_FIELDS, *FIXED_NUMBER_FIELDS)
    count = 0
    for row, (product, views) in enumerate(products):
        count += 1
        if len(views) == 1:
            keys: Iterable[str] = views[0].attributes
        else:
            keys = dict.fromkeys(key for view in views for key in view.attributes)
        for field in (*fixed, *(f"attributes.{key}" for key in keys)):
            for value in _join_values(product, views, field):
                if isinstance(value, str):
                    _add_row(texts.setdefault(field, {}), value, row)
                elif isinstance(value, bool):
                    _add_row(texts.setdefault(field, {}), format_value(value), row)
                else:
                    rows, values = numbers.setdefault(field, ([], []))
                    rows.append(row)
                    values.append(value)
    texts.update((field, {}) for field in numbers.keys() & set(mixed) - texts.keys())
    for field in numbers.keys() & texts.keys():
        for row, number in zip(*numbers[field], strict=True):
            _add_row(texts[field], format_value(number), row)
        for value, rows in texts[field].items():
            texts[field][value] = sorted(set(rows))
    return count, texts, numbers


def pack_values(count: int, texts: Texts, numbers: Numbers) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Pack values into arrays.

    Args:
        count: number of products n.
        texts: see `Texts`.
        numbers: see `Numbers`.

    Returns:
        Arrays by name, and where each field is in them: ``text`` (field -> first and last position in
        ``text.bounds`` and ``text.indptr``), ``dense`` (fields in the order of ``number.dense``), ``sparse`` (field ->
        range in ``number.rows`` and ``number.values``), ``count``.
    """
    arrays, text_ranges = _pack_texts(texts)
    number_arrays, number_meta = _pack_numbers(count, numbers)
    return {**arrays, **number_arrays}, {"count": count, "text": text_ranges, **number_meta}


def _add_row(rows_of_value: dict[str, list[int]], value: str, row: int) -> None:
    rows_of_value.setdefault(value, []).append(row)


def _pack_texts(texts: Texts) -> tuple[dict[str, npt.NDArray[Any]], dict[str, list[int]]]:
    blobs: list[bytes] = []
    row_lists: list[list[int]] = []
    ranges = {}
    for field in sorted(texts):
        values = sorted((value.encode("utf-8"), rows) for value, rows in texts[field].items())
        ranges[field] = [len(blobs), len(blobs) + len(values)]
        blobs += (blob for blob, _ in values)
        row_lists += (rows for _, rows in values)
    rows = np.fromiter((row for rows in row_lists for row in rows), np.int32)
    arrays: dict[str, npt.NDArray[Any]] = {
        "text.blob": np.frombuffer(b"".join(blobs), np.uint8),
        "text.bounds": _starts([len(blob) for blob in blobs]),
        "text.indptr": _starts([len(rows) for rows in row_lists]),
        "text.rows": rows,
    }
    return arrays, ranges


def _pack_numbers(count: int, numbers: Numbers) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    dense_fields = [
        field
        for field in sorted(numbers)
        if field in FIXED_NUMBER_FIELDS
        or (len(numbers[field][0]) >= _DENSE_SHARE * count and len(set(numbers[field][0])) == len(numbers[field][0]))
    ]
    dense = np.full((len(dense_fields), count), np.nan)
    for position, field in enumerate(dense_fields):
        rows, values = numbers[field]
        dense[position, rows] = values
    sparse: dict[str, list[int]] = {}
    all_rows: list[int] = []
    all_values: list[float] = []
    for field in sorted(numbers.keys() - set(dense_fields)):
        rows, values = numbers[field]
        sparse[field] = [len(all_rows), len(all_rows) + len(rows)]
        all_rows += rows
        all_values += values
    arrays = {
        "number.dense": dense,
        "number.rows": np.array(all_rows, np.int32),
        "number.values": np.array(all_values, np.float64),
    }
    return arrays, {"dense": dense_fields, "sparse": sparse}


def _starts(lengths: list[int]) -> npt.NDArray[np.int64]:
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts
