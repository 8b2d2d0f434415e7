"""The values that products of a window have in a field, read from their documents: a window has few products."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from mercato.arrays import Float64, Int32
from mercato.catalog.field_names import ATTRIBUTES
from mercato.errors import InvalidInputError
from mercato.index.live import LiveCatalog


def find_field(catalog: LiveCatalog, written: str, parameter: str) -> str:
    """Return the full name of a field.

    Args:
        catalog: the products.
        written: as filters write it, or its bare key.
        parameter: what names it, for messages.

    Raises:
        InvalidInputError: the catalogue has no field of that name.
    """
    try:
        return catalog.snapshot.columns.resolve_written(written, catalog.delta.fields)
    except InvalidInputError as exc:
        problem = str(exc).removeprefix(f"{exc.parameter}: ")
        raise InvalidInputError(parameter, f"names no field of the catalogue: {problem}") from exc


def read_values(catalog: LiveCatalog, row: int, field: str) -> tuple[Any, ...]:
    """Return a product's values of a field (a full name), each once; those of its variants among them."""
    document = orjson.loads(catalog.document(row))
    found = _list_values(document, field)
    for variant in document.get("variants", ()):
        found += _list_values(variant, field)
    return tuple(dict.fromkeys(found))


def read_numbers(catalog: LiveCatalog, rows: Int32, field: str) -> Float64:
    """Return the first number of a field that each row's product has, float64 [n]; NaN where it has none."""
    numbers = np.full(len(rows), np.nan)
    for index, row in enumerate(rows.tolist()):
        values = read_values(catalog, row, field)
        numbers[index] = next((float(one) for one in values if _is_number(one)), np.nan)
    return numbers


def _list_values(document: dict[str, Any], field: str) -> list[Any]:
    if field.startswith(ATTRIBUTES):
        value = document.get("attributes", {}).get(field.removeprefix(ATTRIBUTES))
    else:
        value = document.get(field)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list) else [value]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
