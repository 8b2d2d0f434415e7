"""Codes: the same one on several products, and trade item numbers whose check digit is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from mercato.catalog_report.finding import MODERATE, SLIGHT, Catalog, Finding
from mercato.catalog_report.text_faults import fold_name, is_placeholder

#: Names of attributes that hold a trade item number (GS1), and of those that hold a code of shop or maker.
_GTIN_NAMES = frozenset(
    "gtin gtin8 gtin12 gtin13 gtin14 ean ean8 ean13 eancode upc upca upccode barcode jan jan13 isbn isbn13".split()
)
_CODE_NAMES = frozenset(
    "sku mpn partnumber partno manufacturerpartnumber manufacturercode articlenumber articleno itemnumber itemno"
    " productcode modelnumber artikelnummer artnr".split()
)
#: Kinds of codes that are one product's in the whole shop; other codes are one product's of a maker.
_UNIQUE = frozenset({"gtin", "variant", "sku"})
_GTIN_LENGTHS = (8, 12, 13, 14)
_TYPE_PREFIXES = ("t_", "n_", "b_", "g:", "c_")


def check_same_codes(catalog: Catalog) -> Iterator[Finding]:
    """Find codes that several products have; a maker's code counts within its brand."""
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, product in catalog.products():
        for kind, code in dict.fromkeys(list_codes(product)):
            brand = "" if kind in _UNIQUE else fold_name(product.get("brand", ""))
            holders[kind, code, brand].append(row)
    groups = {key: rows for key, rows in holders.items() if len(rows) > 1}
    if not groups:
        return
    said: dict[int, str] = {}
    for (kind, code, _), rows in groups.items():
        for row in rows:
            said.setdefault(row, f"{kind} {code} of {list_ids(catalog, rows)}")
    rows = sorted(said)
    yield Finding(
        name="duplicate-code",
        section="duplicates",
        title="products that share a code",
        harm="They are one product twice, or one of them has the code of another: a search for the code answers with"
        " both, and the places of one page go to one product.",
        remedy="Join them, or correct the code; variants of one product are joined by its id.",
        weight=MODERATE,
        rows=rows,
        values=lambda row: said[row],
        groups=len(groups),
        things="codes",
    )


def check_gtins(catalog: Catalog) -> Iterator[Finding]:
    """Find trade item numbers that are none: a wrong check digit, a wrong length, or no digits."""
    found = []
    for row, product in catalog.products():
        for key, value in product.get("attributes", {}).items():
            if fold_key(key) not in _GTIN_NAMES:
                continue
            faults = [fault for one in _listed(value) if (fault := find_gtin_fault(_written(one)))]
            if faults:
                found.append((row, f"{key}: {faults[0]}"))
                break
    if found:
        yield Finding(
            name="gtin-wrong",
            section="fields",
            title="trade item numbers that are wrong",
            harm="A shopper who scans or pastes the right number does not find the product, and feeds to other shops"
            " refuse it. Numbers that went through a spreadsheet lose their zeros or their last digits.",
            remedy="Take the number from the package; export the column as text.",
            weight=SLIGHT,
            rows=[row for row, _ in found],
            values=[fault for _, fault in found],
        )


def list_codes(product: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield kind and code of each code among a product's attributes; trade item numbers are all one kind.

    A trade item number is written with 14 digits, so that one of 12 and the same with a zero before it are equal.
    """
    for variant in product.get("variants", ()):
        yield "variant", variant["id"].casefold()
    for key, value in product.get("attributes", {}).items():
        name = fold_key(key)
        if name not in _GTIN_NAMES and name not in _CODE_NAMES:
            continue
        for one in _listed(value):
            text = _written(one)
            if not text or is_placeholder(text):
                continue
            if name in _GTIN_NAMES:
                digits = text.replace("-", "").replace(" ", "")
                # A number of zeros, or too short to be one, is a placeholder that many share.
                if digits.isdigit() and digits.strip("0") and not find_gtin_fault(text):
                    yield "gtin", digits.zfill(14)
            else:
                yield name, text.casefold()


def find_gtin_fault(text: str) -> str:
    """Say what is wrong with a trade item number, empty where nothing is.

    The check digit of GS1: from the right, digits count 3 and 1 by turns, and the sum with the check digit is a
    multiple of 10. Zeros before it change nothing, so that a number that lost them is told from a wrong one. An ISBN of
    ten has its own check digit.
    """
    digits = text.replace("-", "").replace(" ", "")
    if not digits:
        return ""
    if len(digits) == 10 and digits[:9].isdigit() and (digits[9].isdigit() or digits[9] in "xX"):
        weights = zip(digits, range(10, 0, -1), strict=True)
        if sum((10 if digit in "xX" else int(digit)) * weight for digit, weight in weights) % 11 == 0:
            return ""
    if not (digits.isascii() and digits.isdigit()):
        return f"{text} is no number"
    if not digits.strip("0"):
        return f"{text} is a placeholder"
    if len(digits) > 14:
        return f"{text} has {len(digits)} digits, at most 14 are possible"
    right = sum(int(digit) * (3 if position % 2 else 1) for position, digit in enumerate(reversed(digits))) % 10 == 0
    if len(digits) in _GTIN_LENGTHS:
        return "" if right else f"{text} has a wrong check digit"
    if right and len(digits) > 8:
        return f"{text} has {len(digits)} digits: zeros before it were lost"
    return f"{text} has {len(digits)} digits, not {', '.join(map(str, _GTIN_LENGTHS))}"


def fold_key(key: str) -> str:
    """Fold the name of an attribute: without the prefix of a type, case and signs."""
    for prefix in _TYPE_PREFIXES:
        key = key.removeprefix(prefix)
    return fold_name(key)


def is_code(key: str) -> bool:
    """Tell whether an attribute of this name holds a code."""
    return fold_key(key) in _GTIN_NAMES | _CODE_NAMES


def list_ids(catalog: Catalog, rows: Sequence[int], count: int = 4) -> str:
    """Name the first products of a group; the same for each of its members."""
    more = f" and {len(rows) - count:,} more" if len(rows) > count else ""
    return ", ".join(product_id(catalog, row) for row in rows[:count]) + more


def product_id(catalog: Catalog, row: int) -> str:
    """Return the id of a row."""
    return str(catalog.product(row)["id"])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


CHECKS = (check_same_codes, check_gtins)
