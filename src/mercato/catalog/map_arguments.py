"""The arguments of ``--map``: which column of a file is which field of a product."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches

from mercato.catalog.field_names import ATTRIBUTES, FIELD_PATTERN, EscapeError, full_name, parse_field
from mercato.catalog.product import PRODUCT_FIELDS
from mercato.catalog.shop_formats import OFFER_FIELDS
from mercato.errors import InvalidInputError

_QUOTED_TARGET = re.compile(rf"\s*({FIELD_PATTERN})\s*=(.*)", re.DOTALL)
#: Target that drops columns.
IGNORE = "ignore"
#: Source of `id` for files that have none: the number of the row.
ROW_NUMBER = "ROW"

# Names that exports of shops use; they are suggested in messages, never taken without being asked for.
_LIKELY_COLUMNS = {
    "id": ("product_id", "sku", "item_id", "productid", "docid", "code", "uid", "asin", "article_id"),
    "title": ("name", "product_name", "product_title", "item_name", "label", "product_type", "description"),
}


def parse_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """Read the arguments of ``--map``.

    Args:
        pairs: such as ``title=name``, ``price=price_cents/100``, ``categories=department,type``,
            ``attributes.colour=color``, ``attributes."thread size"=thread``, ``ignore=internal_note``.

    Returns:
        Target (an attribute by its full name) -> source, checked by `ColumnMapping` once the file's columns are known.

    Raises:
        InvalidInputError: no ``=``, an unknown target, or a target given twice.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        target, source = _split_pair(pair)
        if not (target and source):
            raise InvalidInputError("--map", f"must be FIELD=COLUMN, got {pair!r}", "for example --map title=name")
        if target in mapping:
            raise InvalidInputError("--map", f"{target} is mapped twice, to {mapping[target]!r} and to {source!r}")
        check_target(target)
        mapping[target] = source
    return mapping


def _split_pair(pair: str) -> tuple[str, str]:
    """Split an argument into target and source, empty where it has no ``=``; within quotes that stands for itself."""
    quoted = _QUOTED_TARGET.match(pair)
    if quoted and quoted[1].startswith(ATTRIBUTES):
        with suppress(EscapeError):
            return full_name(parse_field(quoted[1])), quoted[2].strip()
    target, _, source = pair.partition("=")
    return target.strip(), source.strip()


def check_target(target: str) -> None:
    """Check that a target is a field of a product or of an offer, an attribute, or `IGNORE`.

    Raises:
        InvalidInputError: it is none of them.
    """
    known = (*PRODUCT_FIELDS, *OFFER_FIELDS)
    if target not in known and target != IGNORE and not re.fullmatch(r"attributes\..+", target):
        close = get_close_matches(target, known, 1)
        raise InvalidInputError(
            "--map",
            f"{target!r} is no field; fields: {', '.join(PRODUCT_FIELDS)}, attributes.KEY, {IGNORE}; of an offer: "
            f"{', '.join(OFFER_FIELDS)}",
            f"did you mean {close[0]}?" if close else "",
        )


def suggest_column(name: str, columns: Sequence[str]) -> str:
    """Suggest the column that is most likely meant for a field.

    Args:
        name: `id` or `title`.
        columns: those that nothing takes yet.

    Returns:
        One of them, or ``COLUMN`` where none is likely.
    """
    free = {column.lower(): column for column in columns}
    for likely in _LIKELY_COLUMNS[name]:
        if likely in free:
            return free[likely]
    holding = [column for lower, column in free.items() if name in lower]
    return (holding or get_close_matches(name, list(free.values()), 1) or ["COLUMN"])[0]
