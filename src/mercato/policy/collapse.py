"""Near-duplicates: products that a shopper takes for one and the same, in another size or pack."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import orjson

from mercato.arrays import Int32, Int64
from mercato.errors import InvalidInputError
from mercato.index.live import LiveCatalog

SAME_COSINE = 0.985
"""From this cosine on two products of one brand are one: below it colours and model numbers begin to differ."""

_UNITS = (
    r"mg|g|kg|fl\.?\s*oz|oz|ounces?|fl|lbs?|pounds?|ml|cl|l|lt|ltr|liters?|litres?|gal|gallons?|qt|pt|mm|cm|m|km|in|inch|inches|ft|"
    "mb|gb|tb|w|kw|v|mah|hz|mhz|ghz|ct|count|pcs?|pieces?|pk|packs?|packages?|rolls?|sheets?|tablets?|capsules?|bags?"
)
_QUANTITY = re.compile(
    rf"(?<![^\W_])\d+(?:[.,/]\d+)*\s*-?\s*(?:{_UNITS}|\"|'')(?![^\W_])"  # 16.9 oz, 12-pack, 15"
    r"|(?<![^\W_])\d+(?:[.,]\d+)?\s*[x×]\s*(?=\d)|(?<![^\W_])[x×]\s*\d+(?![^\W_])"  # 6 x 330, x6
    r"|\bpack of \d+\b|\b(?:x*s|m|x*l|small|medium|large|mini|family size|value size|value pack)\b"
)
_WORD = re.compile(r"[^\W_]+")


def find_collapse_field(catalog: LiveCatalog, written: str) -> str:
    """Return the full name of the field that near-duplicates share a value of.

    Raises:
        InvalidInputError: the catalogue has no field of that name.
    """
    try:
        return catalog.snapshot.columns.resolve_written(written, catalog.delta.fields)
    except InvalidInputError as exc:
        raise InvalidInputError("OPTIONS.collapse", f"names no field of the catalogue: {exc}", "or send true") from exc


def collapse_by_field(catalog: LiveCatalog, rows: Int32, field: str) -> tuple[Int64, dict[int, list[int]]]:
    """Keep the first of the products that share a value of a field; those without a value stay by themselves.

    Args:
        catalog: the products.
        rows: int32 [n], best first.
        field: full name of the field, as filters have it.

    Returns:
        As `collapse_duplicates`.
    """
    parent, _, key = field.partition(".") if field.startswith("attributes.") else ("", "", field)
    first_of: dict[str, int] = {}
    kept: list[int] = []
    variants: dict[int, list[int]] = {}
    for index, row in enumerate(rows.tolist()):
        document = orjson.loads(catalog.document(row))
        value = (document.get(parent, {}) if parent else document).get(key)
        leader = index if value in (None, "", []) else first_of.setdefault(orjson.dumps(value).decode(), index)
        if leader == index:
            kept.append(index)
        else:
            variants.setdefault(int(rows[leader]), []).append(row)
    return np.array(kept, np.int64), variants


def collapse_duplicates(catalog: LiveCatalog, rows: Int32) -> tuple[Int64, dict[int, list[int]]]:
    """Keep the first of each group of near-duplicates.

    Two products are near-duplicates if their titles are equal but for sizes and packs and so are their brands, or if
    they are of one brand and their texts' vectors have a cosine of at least `SAME_COSINE`. Each product is compared
    with those kept before it, so that chains of small differences do not swallow everything.

    Args:
        catalog: the products.
        rows: int32 [n], best first.

    Returns:
        int64 [k], the indices that are kept, in order; and for each kept row that has any, the rows folded into it.
    """
    names = [_name(catalog.document(row)) for row in rows.tolist()]
    vectors = catalog.vectors(rows)
    alike = vectors @ vectors.T >= SAME_COSINE
    first_of: dict[tuple[str, str], int] = {}
    kept: list[int] = []
    variants: dict[int, list[int]] = {}
    for index, name in enumerate(names):
        leader = first_of.get(name, -1)
        if leader < 0:
            leader = next((other for other in kept if alike[index, other] and names[other][0] == name[0]), -1)
        if leader < 0:
            first_of[name] = index
            kept.append(index)
        else:
            variants.setdefault(int(rows[leader]), []).append(int(rows[index]))
    return np.array(kept, np.int64), variants


def strip_quantities(title: str) -> str:
    """Give a title without sizes, packs and punctuation, in lower case: "Milk, 2 x 1 l" becomes "milk".

    A title that says nothing else stays whole.
    """
    lowered = title.casefold()
    return _join(_WORD.findall(_QUANTITY.sub(" ", lowered))) or _join(_WORD.findall(lowered)) or lowered


def _join(words: Sequence[str]) -> str:
    return " ".join(words)


def _name(document: bytes) -> tuple[str, str]:
    fields = orjson.loads(document)
    return fields.get("brand", "").casefold(), strip_quantities(fields["title"])
