"""Attributes: those of one product, several names or spellings of one, numbers among texts, units mixed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from mercato.catalog_report.categories import find_spellings
from mercato.catalog_report.codes import is_code
from mercato.catalog_report.finding import MODERATE, SLIGHT, Catalog, Finding, clip
from mercato.catalog_report.text_faults import fold_name
from mercato.text.measures import UNITS

#: An attribute with more values than this is nothing to choose from, so that its spellings matter to no facet.
MOST_VALUES = 1_000
#: An attribute is of a category's kind where nine of ten have it; what fewer have may not apply to the others.
NEARLY_ALL = 0.9
_MEASURE = re.compile(r"([-+]?\d+(?:[.,]\d+)*)\s*([a-zA-Z\"']+)\.?")
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*")
#: Units that measure one thing and so may stand for one another.
_DIMENSIONS = {
    unit: dimension
    for dimension, units in {
        "weight": "mg g kg oz lb",
        "length": "mm cm m km inch ft yd",
        "volume": "ml cl l floz gal qt pt",
        "storage": "kb mb gb tb",
        "rate": "mbps gbps",
        "frequency": "hz khz mhz ghz",
        "power": "w kw",
        "energy": "wh kwh",
    }.items()
    for unit in units.split()
}


def check_lonely(catalog: Catalog) -> Iterator[Finding]:
    """Find attributes that one product alone has."""
    holders: dict[str, int] = {}
    for row, product in catalog.products():
        for key in product.get("attributes", ()):
            holders[key] = -1 if key in holders else row
    keys: dict[int, list[str]] = defaultdict(list)
    for key, row in holders.items():
        if row >= 0:
            keys[row].append(key)
    if keys and catalog.count > 1:
        yield Finding(
            name="attribute-of-one",
            section="attributes",
            title="attributes that one product alone has",
            harm="No facet or filter can use them; each is one field more, and often the second name of one that others"
            " have.",
            remedy="Give the value the name that like products use, or leave the column out: --map ignore=COLUMN.",
            weight=SLIGHT,
            rows=sorted(keys),
            values=lambda row: clip(", ".join(keys[row])),
            groups=sum(map(len, keys.values())),
            things="attributes",
        )


def check_gaps(catalog: Catalog) -> Iterator[Finding]:
    """Find products without an attribute that nearly all of their category have (`NEARLY_ALL`)."""
    members: Counter[tuple[str, ...]] = Counter(catalog.paths)
    large = {path for path, count in members.items() if path and count >= catalog.thresholds.least_category}
    holding: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for row, product in catalog.products():
        if catalog.paths[row] in large:
            holding[catalog.paths[row]].update(product.get("attributes", {}).keys())
    usual = {
        path: frozenset(key for key, count in counts.items() if count >= NEARLY_ALL * members[path])
        for path, counts in holding.items()
    }
    found = []
    for row, product in catalog.products():
        if missing := usual.get(catalog.paths[row], frozenset()) - product.get("attributes", {}).keys():
            found.append((row, clip(f"no {', '.join(sorted(missing))}")))
    if found:
        yield Finding(
            name="attribute-missing",
            section="attributes",
            title="attributes missing that nearly all of the category have",
            harm="A shopper who filters the category by one of them does not see the product.",
            remedy="Fill them in, those of products that sell best first.",
            weight=MODERATE,
            rows=[row for row, _ in found],
            values=[value for _, value in found],
        )


def check_names(catalog: Catalog) -> Iterator[Finding]:
    """Find attributes whose names differ in case, spaces, signs or accents."""
    counts = Counter(key for _, product in catalog.products() for key in product.get("attributes", ()))
    rare = find_spellings(counts)
    if not rare:
        return
    found = [
        (row, key)
        for row, product in catalog.products()
        for key in [next((key for key in product.get("attributes", ()) if key in rare), None)]
        if key is not None
    ]
    yield Finding(
        name="attribute-names",
        section="attributes",
        title="attributes named in several ways",
        harm="A filter or facet by one name misses the products that have the other.",
        remedy="Map them to one: --map attributes.NAME=COLUMN for each column.",
        weight=MODERATE,
        rows=[row for row, _ in found],
        values=[f"{key} beside {rare[key]}" for _, key in found],
        groups=len(rare),
        things="names",
    )


def check_values(catalog: Catalog) -> Iterator[Finding]:
    """Find values of an attribute that differ in case, spaces, signs or accents, where a facet could count them."""
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for _, product in catalog.products():
        for key, text in list_values(product, str):
            if not is_code(key) and len(values[key]) <= MOST_VALUES:
                values[key][text] += 1
    rare = {
        (key, name): usual
        for key, counts in values.items()
        if len(counts) <= MOST_VALUES
        for name, usual in find_spellings(_worded(counts)).items()
    }
    if not rare:
        return
    found = []
    for row, product in catalog.products():
        for key, text in list_values(product, str):
            if usual := rare.get((key, text)):
                found.append((row, f"{key}: {clip(text, 50)} beside {clip(usual, 50)}"))
                break
    yield Finding(
        name="value-spellings",
        section="attributes",
        title="values spelt in several ways",
        harm="Facets show one value as several, and a filter on one of them misses the others' products.",
        remedy="Choose one spelling for each value.",
        weight=MODERATE,
        rows=[row for row, _ in found],
        values=[value for _, value in found],
        groups=len(rare),
        things="values",
    )


def check_types(catalog: Catalog) -> Iterator[Finding]:
    """Find attributes that are numbers in some products and texts in others; the rarer kind is what is shown.

    Texts that are written like numbers are texts, as sizes and codes are. Where `NEARLY_ALL` of an attribute's texts
    are written so and it is no code, the others are found.
    """
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for _, product in catalog.products():
        for key, value in list_values(product, object):
            kinds[key][_name_kind(value)] += 1
    rarer: dict[str, set[str]] = {}
    usual: dict[str, str] = {}
    for key, counts in kinds.items():
        typed = Counter({_TYPE_OF.get(kind, kind): 0 for kind in counts})
        for kind, count in counts.items():
            typed[_TYPE_OF.get(kind, kind)] += count
        if len(typed) > 1:
            most = max(typed, key=lambda kind: (typed[kind], kind))
            usual[key], rarer[key] = most, {kind for kind in counts if _TYPE_OF.get(kind, kind) != most}
        elif counts["texts"] and not is_code(key) and counts[_WRITTEN] >= NEARLY_ALL * counts.total():
            usual[key], rarer[key] = "numbers", {"texts"}
    found = []
    for row, product in catalog.products():
        for key, value in list_values(product, object):
            if key in rarer and _name_kind(value) in rarer[key]:
                found.append((row, f"{key}: {clip(repr(value), 60)}, in others {usual[key]}"))
                break
    if found:
        yield Finding(
            name="attribute-types",
            section="attributes",
            title="attributes with numbers and texts mixed",
            harm="A filter such as attributes.KEY: IN(10, 20) and sorting pass over products that have a text there;"
            " and one text among a column's numbers may make texts of all.",
            remedy="Give numbers alone, the unit in the name (width_cm), and leave out what is not known.",
            weight=MODERATE,
            rows=[row for row, _ in found],
            values=[value for _, value in found],
            groups=len(rarer),
            things="attributes",
        )


def check_units(catalog: Catalog) -> Iterator[Finding]:
    """Find attributes whose texts are measures of one thing in several units."""
    units: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for _, product in catalog.products():
        for key, text in list_values(product, str):
            if measured := read_unit(text):
                units[key][_DIMENSIONS[measured]][measured] += 1
    rare = {
        (key, unit): counts.most_common(1)[0][0]
        for key, dimensions in units.items()
        for counts in dimensions.values()
        if len(counts) > 1
        for unit in counts
        if unit != counts.most_common(1)[0][0]
    }
    if not rare:
        return
    found = []
    for row, product in catalog.products():
        for key, text in list_values(product, str):
            measured = read_unit(text)
            if measured and (key, measured) in rare:
                found.append((row, f"{key}: {clip(text, 50)}, in others {rare[key, measured]}"))
                break
    yield Finding(
        name="units-mixed",
        section="attributes",
        title="attributes with several units",
        harm="Texts such as 500 g and 0.5 kg are two values of a facet, and neither a range nor an order compares them."
        " Searches find each as it is written.",
        remedy="Add an attribute that holds the number alone in one unit, with the unit in its name (weight_g).",
        weight=SLIGHT,
        rows=[row for row, _ in found],
        values=[value for _, value in found],
        groups=len({key for key, _ in rare}),
        things="attributes",
    )


def read_unit(text: str) -> str:
    """Return the unit of a text that is a number with its unit, as it is usually written; else empty."""
    if len(text) > 40 or not text[:1].isdigit():
        return ""
    found = _MEASURE.fullmatch(text.strip())
    unit = UNITS.get(found[2].lower(), "") if found else ""
    return unit if unit in _DIMENSIONS else ""


def list_values(product: dict[str, Any], kind: type) -> Iterator[tuple[str, Any]]:
    """Yield key and value of each attribute value of a kind; those of a list one by one."""
    for key, value in product.get("attributes", {}).items():
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, kind):
                yield key, one


def _worded(counts: Counter[str]) -> Counter[str]:
    """Leave out what a sign may tell apart: numbers (1.5 and 15, A+ and A) and what is folded to nothing."""
    return Counter(
        {text: count for text, count in counts.items() if len(fold_name(text)) > 2 and not any(map(str.isdigit, text))}
    )


_WRITTEN = "texts written like numbers"
_TYPE_OF = {_WRITTEN: "texts"}


def _name_kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return _WRITTEN if _NUMBER.fullmatch(value.strip()) else "texts"
    return "numbers"


CHECKS = (check_lonely, check_gaps, check_names, check_values, check_types, check_units)
