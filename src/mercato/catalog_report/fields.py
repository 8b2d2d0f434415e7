"""Fields: what is missing, what stands for nothing, what holds markup or was read in a wrong encoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mercato.catalog_report.finding import HARMLESS, MODERATE, SEVERE, SLIGHT, Catalog, Finding, clip
from mercato.catalog_report.text_faults import find_lost_letter, find_markup, find_misread, is_placeholder

#: Where a program writes a time that it does not have: day 0 of Unix, of Excel (and the day before), of the Macintosh,
#: of .NET and SQL; and the last day there is.
NO_DATES = ("1970-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1904-01-01", "0001-01-01", "1753-01-01",
            "9999-12-31")  # fmt: skip


_WHOLE = ("http://", "https://", "//", "data:")


@dataclass(frozen=True, kw_only=True)
class _Field:
    """A field that a product may lack: what it hurts where others have it, and where none has."""

    name: str
    noun: str
    harm: str
    weight: float
    nowhere: str
    nowhere_weight: float = SLIGHT


_FIELDS = (
    _Field(
        name="description",
        noun="a description",
        harm="Only title, brand and attributes are there to match: what the title does not name is not found.",
        weight=SLIGHT,
        nowhere="Only titles, brands and attributes are there to match: what no title names is not found.",
    ),
    _Field(
        name="brand",
        noun="a brand",
        harm="Filters and facets by brand leave the product out, and a search for the brand finds it only where the"
        " title names it.",
        weight=MODERATE,
        nowhere="Nobody can filter by brand; a shop of one brand need not mind.",
        nowhere_weight=HARMLESS,
    ),
    _Field(
        name="categories",
        noun="a category",
        harm="Filters, facets and category pages leave the product out, and ranking does not know what kind it is.",
        weight=MODERATE,
        nowhere="There are no facets, filters and pages by category, and ranking does not know what kind a product is.",
    ),
    _Field(
        name="price",
        noun="a price",
        harm="The product passes no filter on the price and comes last when sorted by it.",
        weight=MODERATE,
        nowhere="Nobody can filter or sort by price.",
    ),
    _Field(
        name="image_uri",
        noun="a picture",
        harm="Shoppers pass over results without a picture.",
        weight=SLIGHT,
        nowhere="Answers carry no picture; a page that has pictures from elsewhere need not mind.",
        nowhere_weight=HARMLESS,
    ),
    _Field(
        name="attributes",
        noun="attributes",
        harm="Filters on attributes leave the product out, and its size, colour and codes are not found.",
        weight=SLIGHT,
        nowhere="There are facets and filters on the fixed fields alone; sizes, colours and codes are not found.",
    ),
    _Field(
        name="uri",
        noun="a page address",
        harm="Search does not need it; answers carry no link.",
        weight=HARMLESS,
        nowhere="Search does not need it; answers carry no link.",
        nowhere_weight=HARMLESS,
    ),
)


def count_missing(catalog: Catalog) -> dict[str, tuple[int, int]]:
    """Count by field how many products lack it, and of how many: a currency is missing only where there is a price."""
    missing: Counter[str] = Counter()
    names = [one.name for one in _FIELDS]
    for _, product in catalog.products():
        missing.update(name for name in names if name not in product)
        if "price" in product and "currency" not in product:
            missing["currency"] += 1
    counts = {name: (missing[name], catalog.count) for name in names}
    priced = catalog.count - missing["price"]
    return counts | ({"currency": (missing["currency"], priced)} if priced else {})


def check_missing(catalog: Catalog) -> Iterator[Finding]:
    """Find, field by field, the products that lack it."""
    rows: dict[str, list[int]] = {one.name: [] for one in _FIELDS}
    for row, product in catalog.products():
        for name, without in rows.items():
            if name not in product:
                without.append(row)
    for one in _FIELDS:
        if not rows[one.name]:
            continue
        nowhere = len(rows[one.name]) == catalog.count
        plain = one.noun.removeprefix("a ")
        yield Finding(
            name=f"missing-{one.name.replace('_', '-')}",
            section="fields",
            title=f"no product has {one.noun}" if nowhere else f"products without {one.noun}",
            harm=one.nowhere if nowhere else one.harm,
            remedy=f"If the file has it under another name: --map {one.name}=COLUMN."
            if nowhere
            else f"Fill in {one.name} where it is empty, those that sell best first.",
            weight=one.nowhere_weight if nowhere else one.weight,
            rows=rows[one.name],
            values=[f"no {plain}"] * len(rows[one.name]),
            listed=not nowhere,
        )


def check_free(catalog: Catalog) -> Iterator[Finding]:
    """Find prices of 0."""
    rows = [row for row, product in catalog.products() if product.get("price") == 0]
    if rows:
        yield Finding(
            name="price-zero",
            section="prices",
            title="products with price 0",
            harm="They come first when sorted by price and pass every filter for cheap ones.",
            remedy="Leave the price out where it is not known; 0 says that it costs nothing.",
            weight=SEVERE,
            rows=rows,
            values=["price 0"] * len(rows),
        )


def check_currencies(catalog: Catalog) -> Iterator[Finding]:
    """Find prices in another currency than most are in, or in none where others name theirs."""
    codes = [product.get("currency", "") if "price" in product else None for _, product in catalog.products()]
    counts = Counter(code for code in codes if code is not None)
    if len(counts) < 2:
        return
    usual = counts.most_common(1)[0][0]
    rows = [row for row, code in enumerate(codes) if code is not None and code != usual]
    yield Finding(
        name="currencies-mixed",
        section="prices",
        title=f"prices in another currency than {usual or 'the others, which name none'}",
        harm="Prices are compared as numbers: filters, sorting and facets set 100 of one beside 100 of another.",
        remedy="Give all prices of a snapshot in one currency, and build one for each currency that is sold in.",
        weight=MODERATE,
        rows=rows,
        values=lambda row: codes[row] or "no currency",
        groups=len(counts),
        things="currencies",
    )


def check_dates(catalog: Catalog) -> Iterator[Finding]:
    """Find times that are a program's zero."""
    found = [
        (row, product["available_time"])
        for row, product in catalog.products()
        if product.get("available_time", "").startswith(NO_DATES)
    ]
    if found:
        yield Finding(
            name="time-of-nothing",
            section="fields",
            title="times that stand for none",
            harm="Such a product counts as the oldest or the newest of the shop: sorting by time goes wrong, and what"
            " is said of new products.",
            remedy="Leave available_time out where it is not known.",
            weight=SLIGHT,
            rows=[row for row, _ in found],
            values=[value for _, value in found],
        )


def check_addresses(catalog: Catalog) -> Iterator[Finding]:
    """Find addresses of pictures and pages that are none: with spaces, or only a name where others are whole."""
    names = ("image_uri", "uri")
    whole: Counter[str] = Counter()
    for _, product in catalog.products():
        whole.update(name for name in names if product.get(name, "").startswith(_WHOLE))
    found = []
    for row, product in catalog.products():
        for name in names:
            text = product.get(name, "")
            # A shop whose addresses are all relative has a page that makes them whole.
            if text and (" " in text or (whole[name] and not text.startswith(_WHOLE))):
                found.append((row, f"{name}: {clip(text, 80)}"))
                break
    if found:
        yield Finding(
            name="address-odd",
            section="fields",
            title="addresses that lead nowhere",
            harm="Answers carry them as they are: no picture is shown, or the link is dead.",
            remedy="Give whole addresses (https://...), a space as %20; leave the field out where there is none.",
            weight=SLIGHT,
            rows=[row for row, _ in found],
            values=[value for _, value in found],
        )


def check_texts(catalog: Catalog) -> Iterator[Finding]:
    """Find markup, wrong encodings, lost letters and placeholders in any text of a product."""
    found: dict[str, list[tuple[int, str]]] = {"markup": [], "misread": [], "lost": [], "placeholder": []}
    for row, product in catalog.products():
        seen = set()
        for name, text in list_texts(product):
            for kind, fault in find_faults(name, text).items():
                if kind not in seen:
                    seen.add(kind)
                    found[kind].append((row, f"{name}: {clip(fault, 80)}"))
    for kind, (title, harm, remedy, weight) in _TEXT_FAULTS.items():
        if found[kind]:
            rows, values = zip(*found[kind], strict=True)
            yield Finding(
                name=kind if kind != "lost" else "lost-letters",
                section="texts",
                title=title,
                harm=harm,
                remedy=remedy,
                weight=weight,
                rows=rows,
                values=values,
            )


def find_faults(name: str, text: str) -> dict[str, str]:
    """Return the faults of a text by kind, with the piece of it that shows each.

    Args:
        name: of the field; a title's placeholders are a finding of their own.
        text: what stands in it.
    """
    faults = {}
    if markup := find_markup(text):
        faults["markup"] = markup
    if misread := find_misread(text):
        faults["misread"] = misread
    if name in ("title", "brand", "categories") and (lost := find_lost_letter(text)):
        faults["lost"] = lost
    if name != "title" and is_placeholder(text, name=name in ("brand", "description", "categories")):
        faults["placeholder"] = text
    return faults


def list_texts(product: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each text of a product that people read; addresses are left out."""
    for name in ("title", "description", "brand"):
        if text := product.get(name):
            yield name, text
    for category in product.get("categories", ()):
        yield "categories", category
    for key, value in product.get("attributes", {}).items():
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, str) and not one.startswith(("http://", "https://")):
                yield f"attributes.{key}", one


_TEXT_FAULTS = {
    "markup": (
        "texts with HTML or template signs",
        "Words of tags and variables are searched as if they were the product's, and shoppers see them.",
        "Index again: tags are stripped as products are read. Variables of a template, fill in the export.",
        SLIGHT,
    ),
    "misread": (
        "texts read in a wrong encoding",
        "No search finds a word that is written so (TÃ¼r is not Tür), neither by word nor by meaning.",
        "Export as UTF-8, and read the file as what it is: somewhere UTF-8 was taken for Windows-1252.",
        SEVERE,
    ),
    "lost": (
        "question marks in place of letters",
        "No search finds a word that is written so (T?r is not Tür), and what the letter was is gone.",
        "Export again as UTF-8 from where the letters still are.",
        SEVERE,
    ),
    "placeholder": (
        "values that stand for none",
        "They are searched, counted in facets and offered as filters as if they said something.",
        "Leave the field empty where there is nothing to say.",
        SLIGHT,
    ),
}

CHECKS = (check_missing, check_free, check_currencies, check_dates, check_addresses, check_texts)
